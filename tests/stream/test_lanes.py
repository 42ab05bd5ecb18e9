from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from pipeline.stream.batch import Assignment, AssignmentEnded, Batch, Record
from pipeline.stream.lanes import Lanes, lanes
from tests.stream.memory_broker import FakeRecord, batch_of


def no_crash(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


async def stream_of(*batches: Batch) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch


def records(*keys: bytes) -> list[FakeRecord]:
    return [FakeRecord("source", 0, offset, key, b"v") for offset, key in enumerate(keys)]


def test_one_key_keeps_its_order_while_others_pass_a_slow_one() -> None:
    async def scenario() -> None:
        gate, done = asyncio.Event(), []

        async def work(record: Record, _: Assignment) -> None:
            if record.offset == 0:
                await gate.wait()
            done.append((record.key, record.offset))
            if record.offset == 3:
                gate.set()

        batch = batch_of(records(b"slow", b"slow", b"b", b"c"))
        await lanes(stream_of(batch), work, limit=10, on_crash=no_crash)
        assert done == [(b"b", 2), (b"c", 3), (b"slow", 0), (b"slow", 1)]
        assert batch.assignment.watermark.position == 4

    asyncio.run(scenario())


def test_the_limit_bounds_what_runs_at_once() -> None:
    async def scenario() -> None:
        running, most = 0, 0

        async def work(_: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

        pool: Lanes[int] = Lanes(work, limit=3, on_crash=no_crash)
        for item in range(20):
            pool.submit(item, item)
        await pool.drain()
        assert most == 3
        assert pool.open == 0

    asyncio.run(scenario())


def test_an_error_crashes_and_nothing_behind_it_is_worked_on() -> None:
    async def scenario() -> None:
        crashes: list[str] = []
        seen: dict[bytes | None, list[int]] = defaultdict(list)

        async def work(record: Record, _: Assignment) -> None:
            seen[record.key].append(record.offset)
            if record.offset == 0:
                raise OSError("disk full")

        batch = batch_of(records(b"a", b"a", b"b"))
        await lanes(
            stream_of(batch), work, limit=10,
            on_crash=lambda where, error: crashes.append(f"{where}: {error}"),
        )  # fmt: skip
        assert crashes == ["lane: disk full"]
        assert seen == {b"a": [0], b"b": [2]}
        assert batch.assignment.watermark.position is None

    asyncio.run(scenario())


def test_work_left_to_the_next_owner_is_never_committed() -> None:
    async def scenario() -> None:
        async def work(record: Record, _: Assignment) -> None:
            if record.offset == 1:
                raise AssignmentEnded

        batch = batch_of(records(b"a", b"b", b"c"))
        await lanes(stream_of(batch), work, limit=10, on_crash=no_crash)
        assert batch.assignment.watermark.position == 1

    asyncio.run(scenario())


def test_records_of_a_lost_partition_are_not_started() -> None:
    async def scenario() -> None:
        started = []

        async def work(record: Record, _: Assignment) -> None:
            started.append(record.offset)

        batch = batch_of(records(b"a"))
        batch.assignment.end()
        await lanes(stream_of(batch), work, limit=1, on_crash=no_crash)
        assert started == []
        assert batch.assignment.watermark.position is None

    asyncio.run(scenario())
