"""What is handed out while a record is suspected; Faust's own machinery is replaced by its names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from pipeline.stream.app import DurableApp
from pipeline.stream.attempts import SUSPECTS, Suspicion
from pipeline.stream.batch import Assignment
from pipeline.stream.consumer import END_LOOKS, END_PAUSE
from pipeline.stream.watchdog import PATIENCE, Watchdog
from tests.stream.memory_broker import FakeRecord

HERE, THERE = TP("source", 0), TP("source", 1)
LONG_AGO = -1e9


def begun(partition: int, found: Suspicion) -> Assignment:
    assignment = Assignment("source", partition, 1, None)
    assignment.begin(0, found, end=SUSPECTS, now=LONG_AGO)
    return assignment


def consumer_with(folder: Path, held: Mapping[TP, Assignment], handed: list[Any]) -> Any:
    """A consumer that holds `held` and finds three records on each partition."""
    consumer = DurableApp("x", bootstrap_servers="127.0.0.1:1", folder=folder).consumer
    consumer._thread.thread_loop.close()

    async def note(_: object) -> bool:
        return True

    async def getmany(wanted: set[TP], _: float) -> dict[TP, list[FakeRecord]]:
        return {
            tp: [FakeRecord("source", tp.partition, offset, b"k", b"v") for offset in range(3)]
            for tp in wanted
        }

    async def highwaters(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 3)

    async def callback(message: Any) -> None:
        handed.append((message.value.partition, [each.offset for each in message.value.records]))

    async def seek_wait(positions: Mapping[TP, int]) -> None:
        consumer.sought.append(dict(positions))

    async def position(_: TP) -> int:
        return int(consumer.read_up_to)

    consumer.sought, consumer.read_up_to = [], 0
    consumer.seek_wait, consumer.position = seek_wait, position
    consumer._thread = SimpleNamespace(note=note)
    consumer._assignments = dict(held)
    consumer._getmany, consumer.highwaters, consumer.callback = getmany, highwaters, callback
    consumer._get_active_partitions = lambda: set(held)
    consumer._to_message = lambda *_: SimpleNamespace()
    consumer.app.is_open = lambda _: True
    consumer.flow_active = True
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    return consumer


def test_nothing_is_handed_out_beside_a_record_that_stands_alone(tmp_path: Path) -> None:
    async def play() -> None:
        handed: list[Any] = []
        alone = begun(0, Suspicion(3, SUSPECTS))
        consumer = consumer_with(tmp_path, {HERE: alone, THERE: begun(1, Suspicion())}, handed)
        for _ in range(2):
            await consumer._hand_out(await consumer._fetch())
        assert handed == [(0, [0])]

    asyncio.run(play())


def test_who_waits_for_a_record_that_stands_alone_does_not_stand_still(tmp_path: Path) -> None:
    async def play() -> None:
        alone, dog = begun(0, Suspicion(3, SUSPECTS)), Watchdog()
        consumer = consumer_with(tmp_path, {HERE: alone, THERE: begun(1, Suspicion())}, [])
        await consumer._hand_out(await consumer._fetch())
        with alone.running():
            assert dog.stalled(await consumer.look(), 0) is None
            assert dog.stalled(await consumer.look(), PATIENCE) is None
        assert dog.stalled(await consumer.look(), PATIENCE) is None
        assert dog.stalled(await consumer.look(), 2 * PATIENCE) in {HERE, THERE}

    asyncio.run(play())


def test_an_end_without_records_counts_as_read_once_it_was_asked_for_again(tmp_path: Path) -> None:
    """The log ends at 3, and below that lie markers of transactions alone."""

    async def play() -> None:
        consumer = consumer_with(tmp_path, {HERE: begun(0, Suspicion())}, [])
        consumer.read_up_to = 3
        assert (await consumer.look())[HERE].end == 3  # what was fetched may have been dropped
        for _ in range(2):
            await consumer.ask_again(HERE)
        assert consumer.sought == [{HERE: 0}]
        consumer.read_up_to = 2
        assert (await consumer.look())[HERE].end == 3
        consumer.read_up_to = 3
        assert (await consumer.look())[HERE].end == 0

    asyncio.run(play())


def test_records_that_come_after_all_are_no_markers(tmp_path: Path) -> None:
    async def play() -> None:
        consumer = consumer_with(tmp_path, {HERE: begun(0, Suspicion())}, [])
        consumer.read_up_to = 3
        await consumer.look()
        await consumer.ask_again(HERE)
        await consumer._hand_out(await consumer._fetch())
        assert (await consumer.look())[HERE].end == 3

    asyncio.run(play())


def test_offsets_and_notes_are_committed_in_one_request(tmp_path: Path) -> None:
    requests: list[dict[TP, tuple[int, str]]] = []

    async def play() -> None:
        watched = begun(0, Suspicion(3, SUSPECTS))
        consumer = consumer_with(tmp_path, {HERE: watched, THERE: begun(1, Suspicion())}, [])
        await consumer._hand_out(await consumer._fetch())

        async def note(notes: dict[TP, tuple[int, str]]) -> bool:
            requests.append(notes)
            return True

        consumer._thread.note = note
        watched.finish(0)
        assert await consumer._commit({HERE: 1, THERE: 7})

    asyncio.run(play())
    assert requests == [{HERE: (1, Suspicion(3, SUSPECTS).note()), THERE: (7, "")}]


def test_the_end_of_a_partition_that_was_taken_away_is_not_asked_for(tmp_path: Path) -> None:
    async def play() -> None:
        mine = begun(0, Suspicion(3, SUSPECTS))
        consumer = consumer_with(tmp_path, {HERE: mine}, [])
        asked: list[TP] = []
        consumer.highwater = asked.append

        async def nothing(_wanted: set[TP], _seconds: float) -> dict[TP, list[FakeRecord]]:
            mine.end()
            return {}

        consumer._getmany = nothing
        assert await consumer._fetch() == {}
        assert asked == []

    asyncio.run(play())


def started(
    folder: Path, committed: int | None, *ends: int, note: str = ""
) -> tuple[Assignment, list[float]]:
    """A partition that begins where its log has 20 first and ends at `ends`, look by look."""
    mine, slept, looks = Assignment("source", 0, 1, None), [], iter(ends)

    async def play() -> None:
        consumer = consumer_with(folder, {HERE: mine}, [])

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        async def answering(answer: object) -> Any:
            return {HERE: answer}

        consumer.sleep = sleep
        consumer.seek_to_committed = lambda: answering(committed)
        consumer.earliest_offsets = lambda *_: answering(20)
        consumer.highwaters = lambda *_: answering(next(looks))
        consumer._thread.notes = lambda _: answering(note)
        await consumer.perform_seek()
        assert consumer.sought == [{HERE: mine.position}]

    asyncio.run(play())
    return mine, slept


def test_a_partition_begins_at_its_commit_or_where_the_log_does(tmp_path: Path) -> None:
    for committed, position in ((None, 20), (-1, 20), (5, 20), (50, 50), (60, 60)):
        mine, slept = started(tmp_path, committed, 60)
        assert (mine.position, slept) == (position, [])


def test_a_rebalance_while_positions_are_asked_for_asks_for_its_own(tmp_path: Path) -> None:
    """Of two partitions one has gone to somebody else, and one was given to us anew."""
    gone, stays = Assignment("source", 0, 1, None), Assignment("source", 1, 1, None)
    anew = Assignment("source", 1, 2, None)

    async def play() -> None:
        consumer = consumer_with(tmp_path, {HERE: gone, THERE: stays}, [])

        async def answering(answer: object) -> Any:
            return dict.fromkeys((HERE, THERE), answer)

        async def ends(*_: TP) -> dict[TP, int]:
            consumer._assignments = {THERE: anew}
            return {HERE: 9, THERE: 9}

        consumer.seek_to_committed = lambda: answering(5)
        consumer.earliest_offsets = lambda *_: answering(0)
        consumer.highwaters = ends
        consumer._thread.notes = lambda _: answering("")
        await consumer.perform_seek()
        assert consumer.sought == []
        await consumer.perform_seek()
        assert consumer.sought == [{THERE: 5}]

    asyncio.run(play())
    assert (gone.position, stays.position, anew.position) == (None, None, 5)


def test_of_a_log_that_ends_before_the_commit_everything_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine, slept = started(tmp_path, 1000, *[60] * END_LOOKS)
    assert mine.position == 20
    assert slept == [END_PAUSE] * (END_LOOKS - 1)
    assert "all that it holds is read again" in caplog.text


def test_a_new_leader_that_tells_less_for_a_moment_is_asked_again(tmp_path: Path) -> None:
    mine, slept = started(tmp_path, 1000, 999, 1000)
    assert (mine.position, slept) == (1000, [END_PAUSE])
