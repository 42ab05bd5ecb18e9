"""Items of one key in order, different keys side by side, under one limit.

The idea of confluentinc/parallel-consumer: a slow key delays only what stands behind it in its
own lane, and the watermark of the partition follows by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pipeline.stream.batch import Assignment, AssignmentEnded, Batch, Record
from pipeline.stream.guard import Crash

T = TypeVar("T")


class Lanes(Generic[T]):
    """Runs `work` for each item: one key in order, at most `limit` items at once.

    An exception out of `work` is an infrastructure failure: it goes to `on_crash` and the lane
    stands still, so that nothing behind it is worked on out of order.
    """

    def __init__(
        self, work: Callable[[T], Awaitable[None]], *, limit: int, on_crash: Crash
    ) -> None:
        self._work = work
        self._on_crash = on_crash
        self._turn = asyncio.Semaphore(limit)
        self._lanes: dict[Hashable, deque[T]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, key: Hashable, item: T) -> None:
        """Queues `item` behind the others of its key."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(item)
            return
        self._lanes[key] = deque([item])
        task = asyncio.get_running_loop().create_task(self._run(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: Hashable) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                async with self._turn:
                    await self._work(lane[0])
                lane.popleft()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends
            self._on_crash("lane", error)
            return
        del self._lanes[key]

    @property
    def open(self) -> int:
        """Keys that have work queued or running."""
        return len(self._lanes)

    async def drain(self) -> None:
        """Returns when nothing is queued or running."""
        while self._tasks:
            await asyncio.wait(self._tasks)


async def lanes(
    batches: AsyncIterable[Batch],
    work: Callable[[Record, Assignment], Awaitable[None]],
    *,
    limit: int,
    on_crash: Crash,
) -> None:
    """Feeds every record of `batches` to `work` in a lane of its key.

    `work` returns when everything about the record is durable, or raises `AssignmentEnded` to leave
    it to the next owner. Records of a partition that was
    taken away are skipped before they start; what runs may finish, see `Assignment`.
    """

    async def one(item: tuple[Record, Assignment]) -> None:
        record, assignment = item
        if not assignment.is_current:
            return
        with assignment.running(), contextlib.suppress(AssignmentEnded):
            await work(record, assignment)
            assignment.finish(record.offset)

    running: Lanes[tuple[Record, Assignment]] = Lanes(one, limit=limit, on_crash=on_crash)
    async for batch in batches:
        for record in batch.records:
            # A record without a key belongs to no order: its offset keeps it apart.
            running.submit(record.key or record.offset, (record, batch.assignment))
    await running.drain()
