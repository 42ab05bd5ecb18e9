"""W1: consume, dedup by event id in a changelog-backed store, forward with acks=all.

A backlog of 1 kB events with 5 % duplicates lies ready on four partitions; one process works it
off. Rate and CPU count from the first twentieth of the output to its end: how long a runtime takes
to start is not what a pipe costs. When an output was appended the broker's clock tells.

A contestant is told by environment: BENCH_BROKER, BENCH_SOURCE, BENCH_OUTPUT, BENCH_GROUP,
BENCH_FOLDER (empty, for its state), BENCH_VARIANT.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import records
from bench.broker import Broker, broker, fresh_folder, log_of, wait_until_full
from bench.contestants import Contestant
from bench.figures import Round, at, gate
from bench.process import ProcessError, Running
from bench.rounds import Say, alternate

EVENTS = 500_000
ROUNDS = 3
_SKIP = 0.05


def measure(
    *, events: int, rounds: int, contestants: Sequence[Contestant], say: Say
) -> dict[str, Any]:
    """Runs every contestant `rounds` times, in turn."""
    with broker(say) as kafka:
        for size in sorted({int(events * each.share) for each in contestants}):
            say(f"preloading {size} events")
            preload(kafka, size)
        done = alternate(
            contestants,
            rounds,
            lambda each, turn: run(kafka, each, int(events * each.share), turn),
            say,
        )
    settings = {"events": events, "rounds": rounds, "event_bytes": len(records.value(0))}
    return {"settings": settings, **done}


def source_of(size: int) -> str:
    """The topic with a backlog of `size` events."""
    return f"bench-source-{size}"


def preload(kafka: Broker, size: int) -> None:
    """The backlog that every contestant of this size reads."""
    topic = source_of(size)
    kafka.create(topic)
    numbers = map(records.number, range(size))
    kafka.fill(topic, ((records.key(each), records.value(each)) for each in numbers))


def run(kafka: Broker, contestant: Contestant, size: int, turn: int) -> Round:
    """One contestant's round.

    Raises:
        MissingError: it cannot take part on this machine.
        ProcessError: it ended.
    """
    command = contestant.command()
    group = f"bench-{contestant.name.replace('_', '-')}-{turn}"
    output = f"{group}-output"
    kafka.create(output, append_time=True)
    kafka.create(f"{group}-seen-changelog", compact=True)
    wanted = records.unique(size)
    env = environment(kafka, contestant, group, source_of(size), fresh_folder(group))
    try:
        with Running(command, env=env, log=log_of("pipe", contestant)) as running:
            wait_until_full(kafka, output, len(wanted), has_ended=lambda: running.has_ended)
            if running.has_ended:
                raise ProcessError(running.last_words())
        return judged(list(kafka.read(output)), wanted, size, running)
    finally:
        kafka.delete(f"{group}-")


def environment(
    kafka: Broker, contestant: Contestant, group: str, source: str, folder: Path
) -> dict[str, str]:
    """What a contestant is told."""
    return {
        "BENCH_BROKER": kafka.address,
        "BENCH_SOURCE": source,
        "BENCH_OUTPUT": f"{group}-output",
        "BENCH_GROUP": group,
        "BENCH_FOLDER": str(folder),
        "BENCH_VARIANT": contestant.variant,
    }


def judged(
    out: Sequence[tuple[float, bytes]], wanted: set[int], size: int, running: Running
) -> dict[str, Any]:
    """The figures of a run whose output is right; else what is wrong with it."""
    fault = gate((records.number_of(value) for _, value in out), wanted)
    if fault is not None:
        return {"failed": fault}
    times = sorted(appended for appended, _ in out)
    begin, end = times[int(_SKIP * len(times))], times[-1]
    events = size * (1 - _SKIP)
    cpu = running.meter.cpu
    return {
        "rate": round(events / max(0.001, end - begin)),
        "cpu_us": round(1e6 * (at(cpu, end) - at(cpu, begin)) / events, 1),
        "rss_mib": running.meter.peak_rss >> 20,
        "first_output_s": round(times[0] - running.began, 2),
        "cpu_total_s": round(cpu[-1][1], 1),
    }
