"""W1 in an open loop: seconds from due to forwarded at 10, 100 and 1,000 events a second.

The work is that of `bench.pipe`; events come by the clock and not when the pipe is ready, and each
counts from the moment it was due, so that a pipe which stands still makes all of them late. When an
output was appended the broker's clock tells, in whole milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import confluent_kafka

from bench import records
from bench.broker import Broker, broker, fresh_folder, log_of, wait_until_full
from bench.contestants import Contestant
from bench.figures import Round, gate, quantile
from bench.pipe import environment
from bench.process import ProcessError, Running
from bench.resume import Trickle, await_growth
from bench.rounds import Say, alternate

RATES = (10, 100, 1000)
SECONDS = 10
ROUNDS = 1


def measure(*, rounds: int, contestants: Sequence[Contestant], say: Say) -> dict[str, Any]:
    """Paces every contestant `rounds` times, in turn."""
    with broker(say) as kafka:
        done = alternate(
            contestants,
            rounds,
            lambda each, turn: run(kafka, each, turn),
            say,
            figures={f"p99 at {rate}/s": f"p99_ms_at_{rate}_per_s" for rate in RATES},
        )
    return {"settings": {"rounds": rounds, "rates": RATES, "seconds": SECONDS}, **done}


def run(kafka: Broker, contestant: Contestant, turn: int) -> Round:
    """One contestant's round.

    Raises:
        MissingError: it cannot take part on this machine.
        ProcessError: it ended by itself or forwarded nothing.
    """
    command = contestant.command()
    group = f"bench-pace-{contestant.name.replace('_', '-')}-{turn}"
    source, output = f"{group}-source", f"{group}-output"
    kafka.create(source)
    kafka.create(output, append_time=True)
    kafka.create(f"{group}-seen-changelog", compact=True)
    env = environment(kafka, contestant, group, source, fresh_folder(group))
    try:
        with Running(command, env=env, log=log_of("pace", contestant)) as running:
            warming = Trickle(kafka, source)
            try:
                await_growth(kafka, output, running)
            finally:
                warmed = warming.stop()
            due: dict[int, dict[int, float]] = {}
            for rate in RATES:
                first = warmed + sum(map(len, due.values()))
                due[rate] = _pace(kafka, source, rate, first)
            sent = warmed + sum(map(len, due.values()))
            wait_until_full(kafka, output, sent, has_ended=lambda: running.has_ended)
            if running.has_ended:
                raise ProcessError(running.last_words())
        return judged(list(kafka.read(output)), warmed, due)
    finally:
        kafka.delete(f"{group}-")


def _pace(kafka: Broker, source: str, rate: int, first: int) -> dict[int, float]:
    """Sends events numbered from `first` for `SECONDS`; when each was due, in unix seconds."""
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": kafka.address, "acks": "all", "partitioner": "murmur2_random"}
    )
    producer.list_topics(source, timeout=10)
    due = {}
    for number, at in _timetable(time.time() + 0.1, rate, first):
        time.sleep(max(0.0, at - time.time()))
        producer.produce(source, records.value(number), records.key(number))
        producer.poll(0)
        due[number] = at
    producer.flush(30)
    return due


def _timetable(begin: float, rate: int, first: int) -> Iterator[tuple[int, float]]:
    return ((first + step, begin + step / rate) for step in range(rate * SECONDS))


def judged(
    out: Sequence[tuple[float, bytes]], warmed: int, due: Mapping[int, Mapping[int, float]]
) -> Round:
    """The figures of a run that forwarded each event once; else what is wrong with it."""
    appended = [(records.number_of(value), at) for at, value in out]
    wanted = {*range(warmed), *(number for each in due.values() for number in each)}
    fault = gate((number for number, _ in appended), wanted)
    if fault is not None:
        return {"failed": fault}
    when = dict(appended)
    return {
        f"p{percent}_ms_at_{rate}_per_s": round(
            1000 * quantile([when[number] - at for number, at in each.items()], percent / 100), 1
        )
        for rate, each in due.items()
        for percent in (50, 99)
    }
