"""W1: consume, dedup by event id in a changelog-backed store, forward with acks=all.

A backlog of 1 kB events with 5 % duplicates lies ready on four partitions; one process works it
off. Rate and CPU count from the first twentieth of the output to its end: how long a runtime takes
to start is not what a pipe costs. When an output was appended the broker's clock tells.

A contestant is told by environment: BENCH_BROKER, BENCH_SOURCE, BENCH_OUTPUT, BENCH_GROUP,
BENCH_FOLDER (empty, for its state), BENCH_VARIANT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import records
from bench.broker import FOLDER, Broker, broker, fresh_folder, wait_until_full
from bench.contestants import Contestant
from bench.figures import Round, at, gate, result
from bench.process import ProcessError, Running
from bench.venvs import MissingError

EVENTS = 500_000
ROUNDS = 3
_SKIP = 0.05

Say = Callable[[str], None]


def measure(
    *, events: int, rounds: int, contestants: Sequence[Contestant], say: Say
) -> dict[str, Any]:
    """Runs every contestant `rounds` times, in turn."""
    done: dict[str, list[Round]] = {each.name: [] for each in contestants}
    skipped: dict[str, str] = {}
    with broker(say) as kafka:
        for size in sorted({int(events * each.share) for each in contestants}):
            say(f"preloading {size} events")
            preload(kafka, size)
        for turn in range(rounds):
            for each in contestants:
                if each.name in skipped:
                    continue
                say(f"round {turn + 1} of {rounds}: {each.name}")
                try:
                    figures = run(kafka, each, int(events * each.share), turn)
                except MissingError as error:
                    skipped[each.name] = str(error)
                    del done[each.name]
                    say(f"{each.name} is skipped: {error}")
                else:
                    done[each.name].append(figures)
                    say(f"  {figures}")
    return {
        "settings": {"events": events, "rounds": rounds, "event_bytes": len(records.value(0))},
        "skipped": skipped,
        **result(
            done,
            guarantees={each.name: each.guarantee for each in contestants},
            figures={"rate": "rate", "cpu": "cpu_us"},
        ),
    }


def source_of(size: int) -> str:
    """The topic with a backlog of `size` events."""
    return f"bench-source-{size}"


def preload(kafka: Broker, size: int) -> None:
    """The backlog that every contestant of this size reads."""
    topic = source_of(size)
    kafka.create(topic)
    numbers = map(records.number, range(size))
    kafka.fill(topic, ((records.key(each), records.value(each)) for each in numbers))


def run(kafka: Broker, contestant: Contestant, size: int, turn: int) -> dict[str, Any]:
    """One contestant's round: its figures, or why it has none.

    Raises:
        MissingError: it cannot take part on this machine.
    """
    command = contestant.command()
    group = f"bench-{contestant.name.replace('_', '-')}-{turn}"
    output = f"{group}-output"
    kafka.create(output, append_time=True)
    kafka.create(f"{group}-seen-changelog", compact=True)
    folder = fresh_folder(group)
    env = {
        "BENCH_BROKER": kafka.address,
        "BENCH_SOURCE": source_of(size),
        "BENCH_OUTPUT": output,
        "BENCH_GROUP": group,
        "BENCH_FOLDER": str(folder),
        "BENCH_VARIANT": contestant.variant,
    }
    wanted = records.unique(size)
    log = FOLDER / "log" / f"pipe-{contestant.name}.log"
    log.unlink(missing_ok=True)
    try:
        with Running(command, env=env, folder=Path.cwd(), log=log) as running:
            wait_until_full(kafka, output, len(wanted), has_ended=lambda: running.has_ended)
            if running.has_ended:
                return {"failed": running.last_words()}
    except ProcessError as error:
        return {"failed": str(error)}
    try:
        return judged(list(kafka.read(output)), wanted, size, running)
    finally:
        kafka.delete(f"{group}-")


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
