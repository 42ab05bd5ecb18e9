from __future__ import annotations

import asyncio
from io import StringIO

import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from agents.lag import LagObserver
from console import lag as command
from pipeline import topics
from pipeline.control_metrics import ControlCollector
from pipeline.domain.control_records import Heard, ProcessRecord
from pipeline.domain.lag import KEEP
from pipeline.lag import (
    LOOK,
    STALE_AFTER,
    LagCollector,
    LagWatch,
    Queue,
    as_row,
    lines,
    positions,
    queues,
    watching,
)
from pipeline.stream.groups import Standing
from tests.stream.controls import Controls

RECEIVED = topics.RECEIVED.name


def standing(committed: int, end: int, *, partition: int = 0, waits: float | None) -> Standing:
    owner = None if committed == 1 else "worker"
    return Standing(
        "switchboard-dedup", RECEIVED, partition, committed, end, owner, int(committed != 1), waits
    )


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched() -> tuple[LagWatch, Clock]:
    clock = Clock()
    return LagWatch(read=lambda: {("dedup", 0): 7}, now=clock), clock


def exposed(watch: LagWatch) -> str:
    registry = CollectorRegistry()
    registry.register(LagCollector("switchboard_", watch))
    return generate_latest(registry).decode()


def test_looks_add_up_to_a_trend_and_the_worst_comes_first() -> None:
    watch, clock = watched()
    watch.take([standing(5, 5, waits=None), standing(1, 9, partition=1, waits=10.0)])
    clock.now += LOOK
    lags = watch.take([standing(5, 11, waits=clock.now), standing(1, 9, partition=1, waits=10.0)])
    assert [(each.place.partition, each.state) for each in lags] == [(1, "STOP"), (0, "OK")]
    assert (lags[1].trend, lags[1].read, lags[0].read) == (2.0, 7, None)


def test_the_series_of_a_partition_name_its_state_and_leave_out_what_nobody_told() -> None:
    watch, _ = watched()
    watch.take([standing(5, 8, waits=990.0), standing(1, 9, partition=1, waits=10.0)])
    said = exposed(watch)
    place = f'group="switchboard-dedup",partition="0",topic="{RECEIVED}"'
    assert f"switchboard_lag_records{{{place}}} 3.0" in said
    assert f"switchboard_backlog_oldest_age_seconds{{{place}}} 10.0" in said
    assert f"switchboard_lag_read_offset{{{place}}} 7.0" in said
    assert said.count("switchboard_lag_read_offset{") == 1
    assert said.count('state="STOP"') == 2
    assert f'partition="1",state="STOP",topic="{RECEIVED}"}} 1.0' in said


def test_what_was_seen_too_long_ago_is_not_told_as_now() -> None:
    watch, clock = watched()
    watch.take([standing(5, 8, waits=990.0)])
    clock.now += STALE_AFTER + 1
    assert "switchboard_lag_records{" not in exposed(watch)
    assert watch.lags


def test_a_queue_is_all_partitions_of_a_stage() -> None:
    watch, _ = watched()
    watch.take([standing(5, 8, waits=990.0), standing(1, 9, partition=1, waits=900.0)])
    assert queues(watch.lags) == {"dedup": Queue(11, 100.0, stands=True)}


def test_a_partition_that_a_look_leaves_out_is_missed_and_stays_what_it_was() -> None:
    watch, clock = watched()
    stuck, other = standing(5, 8, waits=900.0), standing(5, 5, partition=1, waits=None)
    for _ in range(12):
        clock.now += LOOK
        (stall, _) = watch.take([stuck, other])
    assert (stall.state, watch.missed) == ("STALL", ())
    clock.now += LOOK
    assert watch.take([other])[0] == stall
    assert list(watch.missed) == [stall.place]
    clock.now += LOOK
    assert watch.take([stuck, other])[0].state == "STALL"
    assert watch.missed == ()


def test_a_partition_that_was_not_seen_for_long_is_told_no_more_and_then_forgotten() -> None:
    watch, clock = watched()
    watch.take([standing(5, 8, waits=990.0)])
    clock.now += STALE_AFTER
    assert watch.take([])
    clock.now += LOOK
    assert watch.take([]) == []
    assert watch.missed
    clock.now += KEEP
    assert watch.take([]) == []
    assert watch.missed == ()


def test_a_broker_that_was_away_for_long_leaves_what_was_known_before() -> None:
    watch, clock = watched()
    watch.take([standing(5, 8, waits=900.0)])
    clock.now += 2 * KEEP
    assert watch.take([standing(5, 8, waits=900.0)])[0].state == "STALL"


def heard(name: str, read: dict[int, int], at: float) -> Heard:
    record = ProcessRecord(name=name, confirmed=0, silent_after=4.5, read=read)
    return Heard(ProcessRecord.parse(record.to_bytes()), at)


def test_positions_are_those_of_the_living() -> None:
    signs = [heard("act-0", {0: 5}, 100.0), heard("act-1", {1: 6}, 100.0)]
    dead = heard("dedup-0", {0: 9}, 90.0)
    assert positions([*signs, dead], 101.0) == {("act", 0): 5, ("act", 1): 6}


def test_who_waits_for_a_vendor_is_told_by_the_living_and_shown_as_such() -> None:
    record = ProcessRecord(name="dedup-0", confirmed=0, silent_after=4.5, read={0: 5}, in_line=3)
    signs = [Heard(record, 100.0), heard("act-0", {1: 6}, 100.0)]
    assert lines(signs, 101.0) == {("dedup", 0)}
    assert lines(signs, 110.0) == set()
    clock = Clock()
    watch = LagWatch(read=dict, in_line=lambda: lines(signs, 101.0), now=clock)
    for _ in range(12):
        clock.now += LOOK
        lags = watch.take([standing(5, 8, waits=900.0)])
    assert (lags[0].state, lags[0].cause) == ("WARN", "vendor")


def test_every_watch_over_the_control_topic_knows_who_waits_for_a_vendor() -> None:
    controls = Controls()
    clock = Clock()
    watch = watching(controls.control, monotonic=clock)
    record = ProcessRecord(name="dedup-0", confirmed=0, silent_after=4.5, read={0: 7}, in_line=3)
    controls.put("process/dedup-0/1", record.to_bytes())
    for _ in range(12):
        clock.now += LOOK
        (judged,) = watch.take([standing(5, 8, waits=900.0)])
    assert (judged.state, judged.cause, judged.read) == ("WARN", "vendor", 7)


def test_a_sign_of_life_of_an_older_version_tells_no_position() -> None:
    old = orjson.dumps({"schema_version": 1, "name": "act-0", "confirmed": 3, "silent_after": 4.5})
    record = ProcessRecord.parse(old)
    assert (record.read, record.url, record.version) == ({}, "", "")


def shown(*standings: Standing, every: bool = False) -> str:
    watch, _ = watched()
    rows = [as_row(each) for each in watch.take(standings)]
    out = StringIO()
    Console(file=out, width=100).print(command.screen(command.Seen("here", rows), every=every))
    return out.getvalue()


def test_the_screen_tells_what_to_do_and_counts_what_is_well() -> None:
    said = shown(standing(1, 9, waits=10.0), standing(5, 5, partition=1, waits=None))
    assert "STOP" in said
    assert "tickets.received/0" in said
    assert "dedup: no worker: start python -m agents dedup" in said
    assert "OK, nothing waits: dedup 1 partitions" in said
    assert "a stall shows after 30 s" in said


def test_who_was_reset_while_dead_is_told_as_both() -> None:
    watch, clock = watched()
    watch.take([standing(5, 9, waits=10.0)])
    clock.now += LOOK
    rows = [as_row(each) for each in watch.take([standing(1, 9, waits=10.0)])]
    assert command.why(rows[0]) == (
        "no worker: start python -m agents dedup; its commit went back: events are worked on again"
    )
    said = exposed(watch)
    for state in ("STOP", "REWIND"):
        assert f'partition="0",state="{state}",topic="{RECEIVED}"}} 1.0' in said


def test_an_observer_of_an_older_version_tells_nothing_of_a_rewind_beside_a_stop() -> None:
    watch, _ = watched()
    row = as_row(watch.take([standing(1, 9, waits=10.0)])[0])
    del row["is_rewound"]
    assert command.why(row) == "no worker: start python -m agents dedup"


def test_all_partitions_are_shown_when_asked_for() -> None:
    assert "tickets.received/1" in shown(standing(5, 5, partition=1, waits=None), every=True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, ""), (59, "59 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_durations_are_told_as_people_do(seconds: float, words: str) -> None:
    assert command.duration(seconds) == words


def test_every_cause_has_words() -> None:
    from pipeline.domain.lag import Cause

    assert set(command.WORDS) == set(Cause)


def test_a_process_that_lives_again_is_told_once_by_its_last_sign_of_life() -> None:
    controls = Controls()
    for life, confirmed in (("1", 9), ("2", -1)):
        record = ProcessRecord(name="act-0", confirmed=confirmed, silent_after=4.5)
        controls.put(f"process/act-0/{life}", record.to_bytes())
    registry = CollectorRegistry()
    registry.register(ControlCollector("switchboard_", controls.control))
    said = generate_latest(registry).decode()
    assert said.count('switchboard_process_silent_seconds{process="act-0"} 0.0') == 1


def test_a_look_that_fails_is_not_the_last_one() -> None:
    watch, _ = watched()

    class Groups:
        looks = 0

        def look(self) -> list[Standing]:
            self.looks += 1
            if self.looks == 1:
                raise TimeoutError
            return [standing(5, 8, waits=990.0)]

        def close(self) -> None: ...

    async def story() -> None:
        seen = asyncio.Event()

        async def sleep(_: float) -> None:
            if watch.lags:
                seen.set()
            await asyncio.sleep(0)

        observer = LagObserver(watch, Groups(), sleep=sleep)
        await observer.start()
        await seen.wait()
        await observer.stop()

    asyncio.run(asyncio.wait_for(story(), 10))
