"""W5: kill -9 of the only worker until the next event is forwarded, local state kept and lost.

Events come at 50 a second all the time. The worker is killed, started again at once on its own
folder, killed a second time and started on an empty one. Its table has N keys to restore. Every
contestant has a session timeout of 10 s. An event may come out twice; one that is missing at the
end fails the round.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import confluent_kafka

from bench import records
from bench.broker import Broker, broker, fresh_folder, log_of, wait_until_full
from bench.contestants import Contestant
from bench.figures import OURS, Round
from bench.pipe import environment
from bench.process import ProcessError, Running
from bench.restore import begin
from bench.rounds import Say, alternate

KEYS = 100_000
ROUNDS = 1
RATE = 50
PATIENCE = 120.0
_STRIDE = 2.0
"""Seconds at work before a kill: time to commit once, as a worker in its stride has."""
_QUIET = 5.0
_BEFORE_THE_KILL = 3 * RATE


def measure(
    *, keys: int, rounds: int, contestants: Sequence[Contestant], say: Say
) -> dict[str, Any]:
    """Kills every contestant twice a round."""
    with broker(say) as kafka:
        done = alternate(
            contestants,
            rounds,
            lambda each, turn: run(kafka, each, keys, turn),
            say,
            figures={"kept": "resume_kept_s", "lost": "resume_lost_s"},
        )
    return {"settings": {"keys": keys, "rounds": rounds, "rate": RATE}, **done}


def run(kafka: Broker, contestant: Contestant, keys: int, turn: int) -> Round:
    """One contestant's round.

    Raises:
        MissingError: it cannot take part on this machine.
        ProcessError: it ended by itself or forwarded nothing.
    """
    command = contestant.command()
    group = f"bench-resume-{contestant.name.replace('_', '-')}-{turn}"
    source, output, changelog = (
        f"{group}-{name}" for name in ("source", "output", "seen-changelog")
    )
    kafka.create(source)
    kafka.create(output, append_time=True)
    kafka.create(changelog, compact=True)
    if contestant.name.startswith(OURS):
        begin(kafka, changelog)
    kafka.fill(changelog, old_rows(keys))
    log = log_of("resume", contestant)
    kills: list[float] = []

    def start(folder: Path) -> Running:
        return Running(command, env=environment(kafka, contestant, group, source, folder), log=log)

    def kill_after_a_while(folder: Path) -> None:
        with start(folder) as running:
            await_growth(kafka, output, running)
            time.sleep(_STRIDE)
            kills.append(time.time())
            running.kill()

    kept = fresh_folder(group)
    events = Trickle(kafka, source)
    try:
        kill_after_a_while(kept)
        kill_after_a_while(kept)
        with start(fresh_folder(group)) as running:
            await_growth(kafka, output, running)
            sent = events.stop()
            # Some come out twice, so that their number says nothing: until no more come.
            wait_until_full(
                kafka, output, sys.maxsize, has_ended=lambda: running.has_ended, patience=_QUIET
            )
            if running.has_ended:
                raise ProcessError(running.last_words())
        return judged(list(kafka.read(output)), sent, kills)
    finally:
        events.stop()
        kafka.delete(f"{group}-")


def old_rows(keys: int) -> Iterator[tuple[bytes, bytes]]:
    """What the table knows already: JSON strings, which every contestant can read."""
    for number in range(keys):
        key = b'"old-%012d"' % number
        yield key, key[:-1].ljust(99, b".") + b'"'


class Trickle:
    """Produces events at `RATE` until it is stopped."""

    def __init__(self, kafka: Broker, source: str) -> None:
        self._source = source
        self._sent = 0
        self._stopping = threading.Event()
        self._producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": kafka.address,
                "acks": "all",
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(1 / RATE):
            number = self._sent
            self._producer.produce(self._source, records.value(number), records.key(number))
            self._producer.poll(0)
            self._sent += 1

    def stop(self) -> int:
        """Ends when all are acknowledged; how many they are, numbered from 0."""
        self._stopping.set()
        self._thread.join()
        self._producer.flush(30)
        return self._sent


def await_growth(kafka: Broker, output: str, running: Running) -> None:
    """Returns when the worker has forwarded events for three seconds' worth.

    Raises:
        ProcessError: it ended, or nothing came for two minutes.
    """
    begin, ends = kafka.count(output), time.monotonic() + PATIENCE
    while kafka.count(output) < begin + _BEFORE_THE_KILL:
        if running.has_ended:
            raise ProcessError(running.last_words())
        if time.monotonic() > ends:
            came = kafka.count(output) - begin
            raise ProcessError(f"forwarded {came} events in {PATIENCE:.0f} s after its start")
        time.sleep(0.1)


def judged(out: Sequence[tuple[float, bytes]], sent: int, kills: Sequence[float]) -> Round:
    """Seconds from each kill to the first event forwarded after it."""
    missing = set(range(sent)) - {records.number_of(value) for _, value in out}
    if missing:
        return {"failed": f"{len(missing)} of {sent} events missing"}
    # What was on the wire at the kill may be appended a moment after it.
    seconds = [min(at for at, _ in out if at > kill + 0.2) - kill for kill in kills]
    return {
        "resume_kept_s": round(seconds[0], 2),
        "resume_lost_s": round(seconds[1], 2),
        "repeated": len(out) - sent,
    }
