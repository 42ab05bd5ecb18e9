"""P7: what p95 and p99 of each stage cost per event, beside Faust's hopping windows.

A backlog of audit records of about 300 bytes lies ready on four partitions; one process works it
off and then answers: p95 and p99 of each stage over everything. CPU and rate count from the first
event taken to the answer. A contestant is told by environment as in `bench.pipe`, and by
BENCH_EVENTS how many there are.

Beside it, how long questions over a week take (`bench.week`).
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from bench import week
from bench.broker import Broker, broker, fresh_folder, log_of, wait_until_full
from bench.contestants import Contestant
from bench.figures import Round, at
from bench.pipe import environment, source_of
from bench.process import ProcessError, Running
from bench.rounds import Say, alternate

EVENTS = 300_000
ROUNDS = 3
STAGES = ("dedup", "classify", "act")
ALLOWED = 0.01
"""Relative error that an answer may have."""
_PATIENCE = 240.0
_SEED = 7


def measure(
    *, events: int, rounds: int, contestants: Sequence[Contestant], say: Say
) -> dict[str, Any]:
    """Runs every contestant `rounds` times, in turn; then asks about a week."""
    with broker(say) as kafka:
        for size in sorted({int(events * each.share) for each in contestants}):
            say(f"preloading {size} events")
            kafka.create(source_of(size))
            kafka.fill(
                source_of(size), ((f"{n % 5000}".encode(), value) for n, value in audits(size))
            )
        done = alternate(
            contestants,
            rounds,
            lambda each, turn: run(kafka, each, int(events * each.share), turn),
            say,
        )
    say("a week of windows on four partitions")
    return {
        "settings": {"events": events, "rounds": rounds, "event_bytes": len(next(audits(1))[1])},
        **done,
        "week": week.measure(),
    }


def audits(size: int) -> Iterator[tuple[int, bytes]]:
    """Number and value of each of the first `size` audit records."""
    rng = random.Random(_SEED)
    for number in range(size):
        stage = STAGES[number % len(STAGES)]
        record = {
            "schema_version": 1,
            "stage": stage,
            "what": {"dedup": "accepted", "classify": "classified", "act": "ended"}[stage],
            "ingress_id": f"{number:032x}",
            "event_id": f"evt:richpanel:t-{number % 5000:06d}:m-{number:09d}",
            "conversation_hash": f"{number % 5000:016x}",
            "detail": {"seconds": round(rng.lognormvariate(-3, 1), 6), "channel": "email"},
            "at": 1_700_000_000.0,
            "received_at": 1_699_999_999.5,
        }
        yield number, orjson.dumps(record)


def run(kafka: Broker, contestant: Contestant, size: int, turn: int) -> Round:
    """One contestant's round.

    Raises:
        MissingError: it cannot take part on this machine.
        ProcessError: it ended.
    """
    group = f"bench-{contestant.name.replace('_', '-')}-{turn}"
    output, changelog = f"{group}-output", f"{group}-latency-changelog"
    kafka.create(output, append_time=True)
    kafka.create(changelog, compact=True)
    env = environment(kafka, contestant, group, source_of(size), fresh_folder(group))
    env["BENCH_EVENTS"] = str(size)
    try:
        command, log = contestant.command(), log_of("windows", contestant)
        with Running(command, env=env, log=log) as running:
            wait_until_full(
                kafka, output, 2, has_ended=lambda: running.has_ended, patience=_PATIENCE
            )
            if running.has_ended:
                raise ProcessError(running.last_words())
        told = {each["what"]: (when, each) for when, each in read(kafka, output)}
        fault = judged(told, size)
        if fault is not None:
            return {"failed": fault}
        return figures(running, told, size, kafka.count(changelog))
    finally:
        kafka.delete(f"{group}-")


def read(kafka: Broker, output: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """What a contestant said, and when."""
    return ((when, json.loads(value)) for when, value in kafka.read(output))


def judged(told: Mapping[str, tuple[float, Mapping[str, Any]]], size: int) -> str | None:
    """Why the answer is not right; None when it is."""
    if "answer" not in told or "begun" not in told:
        return "no answer"
    values: dict[str, list[float]] = defaultdict(list)
    for _, value in audits(size):
        record = orjson.loads(value)
        values[record["stage"]].append(record["detail"]["seconds"])
    lines = {line["stage"]: line for line in told["answer"][1]["lines"]}
    for stage, seconds in values.items():
        line, ordered = lines.get(stage), sorted(seconds)
        if line is None or line["count"] != len(ordered):
            return f"{stage}: {line and line['count']} counted, not {len(ordered)}"
        for name, share in (("p95", 0.95), ("p99", 0.99)):
            exact = ordered[max(1, math.ceil(share * len(ordered))) - 1]
            if abs(line[name] - exact) > 1.0001 * ALLOWED * exact:
                return f"{stage}: {name} is {line[name]:.6f}, not {exact:.6f}"
    return None


def figures(
    running: Running, told: Mapping[str, tuple[float, Any]], size: int, changelog: int
) -> dict[str, Any]:
    """The figures of a right answer."""
    begin, end = told["begun"][0], told["answer"][0]
    cpu = running.meter.cpu
    return {
        "rate": round(size / max(0.001, end - begin)),
        "cpu_us": round(1e6 * (at(cpu, end) - at(cpu, begin)) / size, 1),
        "changelog_per_event": round(changelog / size, 5),
        "rss_mib": running.meter.peak_rss >> 20,
    }
