"""Items of one key in order, different keys side by side, under one limit.

The idea of confluentinc/parallel-consumer: a slow key delays only what stands behind it in its
own lane, and the watermark of the partition follows by itself. Groups of lanes (the partitions of
a source) take turns, so one with a thousand keys waiting does not hold up one with a single key.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.stream.batch import Assignment, AssignmentEnded, Batch, Record
from pipeline.stream.dead_letter import DeadLetters, is_nobodys_fault
from pipeline.stream.deadline import OwnTime
from pipeline.stream.guard import Crash, give_up

T = TypeVar("T")
Lane = tuple[Hashable, Hashable]
"""(group, key)"""


class Lanes(Generic[T]):
    """Runs `work` for each item: one key in order, at most `limit` items at once.

    An exception out of `work` is an infrastructure failure: it goes to `on_crash` and the lane
    stands still, so that nothing behind it is worked on out of order.

    `merge` makes one item of the last that waits and the one that comes behind it, or says None.
    """

    def __init__(
        self,
        work: Callable[[T], Awaitable[None]],
        *,
        limit: int,
        on_crash: Crash,
        merge: Callable[[T, T], T | None] = lambda _last, _new: None,
    ) -> None:
        self._work = work
        self._merge = merge
        self._limit = limit
        self._on_crash = on_crash
        self._lanes: dict[Lane, deque[T]] = {}
        self._ready: dict[Hashable, deque[Lane]] = {}
        self._turns: deque[Hashable] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, key: Hashable, item: T, *, group: Hashable = None) -> None:
        """Queues `item` behind the others of its key; a key belongs to one group for good."""
        lane = (group, key)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            # The first may have begun already.
            merged = self._merge(waiting[-1], item) if len(waiting) > 1 else None
            if merged is None:
                waiting.append(item)
            else:
                waiting[-1] = merged
            return
        self._lanes[lane] = deque([item])
        self._make_ready(lane)
        self._start()

    def _make_ready(self, lane: Lane) -> None:
        group = self._ready.get(lane[0])
        if group is None:
            self._ready[lane[0]] = deque([lane])
            self._turns.append(lane[0])
        else:
            group.append(lane)

    def _start(self) -> None:
        while self._turns and len(self._tasks) < self._limit:
            group = self._turns.popleft()
            ready = self._ready[group]
            lane = ready.popleft()
            if ready:
                self._turns.append(group)
            else:
                del self._ready[group]
            task = asyncio.get_running_loop().create_task(self._run(lane))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _run(self, lane: Lane) -> None:
        waiting = self._lanes[lane]
        try:
            await self._work(waiting[0])
        except BaseException as error:
            mine = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and mine is not None and mine.cancelling():
                raise
            self._on_crash("lane", error)
            return
        waiting.popleft()
        if waiting:
            # To the end of its group: a busy key gets one turn among the others.
            self._make_ready(lane)
        else:
            del self._lanes[lane]

    @property
    def open(self) -> int:
        """Keys that have work queued or running."""
        return len(self._lanes)

    async def drain(self) -> None:
        """Returns when nothing is queued or running."""
        while self._tasks:
            await asyncio.wait(self._tasks)


Work = Callable[[Record, Assignment], Awaitable[None]]


async def lanes(
    batches: AsyncIterable[Batch],
    work: Work,
    *,
    limit: int,
    on_crash: Crash,
    deadline: float | None = None,
    letters: DeadLetters | None = None,
) -> None:
    """Feeds every record of `batches` to `work` in a lane of its key.

    `work` returns when everything about the record is durable, or raises `AssignmentEnded` to leave
    it to the next owner. Records of a partition that was taken away are skipped before they start;
    what runs may finish, see `Assignment`.

    Args:
        batches: what the agent's stream hands out.
        work: handles one record.
        limit: records worked on at once, over all partitions.
        on_crash: what ends the process.
        deadline: seconds that one record may take, without those that it waits for the broker;
            later it is cancelled and buried. Needs `letters`.
        letters: where a record goes that is late, makes `work` raise, or took the process down
            too often. Without it each of these ends the process.
    """
    each = _Records(work, deadline, letters)
    running: Lanes[tuple[Record, Batch]] = Lanes(each.handle, limit=limit, on_crash=on_crash)
    async for batch in batches:
        for record in batch.records:
            # A record without a key belongs to no order: its offset keeps it apart.
            running.submit(record.key or record.offset, (record, batch), group=batch.partition)
    await running.drain()


@dataclass(frozen=True)
class _Records:
    work: Work
    deadline: float | None
    letters: DeadLetters | None

    async def handle(self, item: tuple[Record, Batch]) -> None:
        record, batch = item
        assignment = batch.assignment
        if not assignment.is_current:
            return
        with assignment.running():
            try:
                await self._work_or_bury(record, batch)
            except AssignmentEnded:
                return
            except BaseException as error:
                if is_nobodys_fault(error):
                    await give_up(assignment)
                raise
            assignment.finish(record.offset)

    async def _work_or_bury(self, record: Record, batch: Batch) -> None:
        if self.letters is None:
            await self.work(record, batch.assignment)
            return
        reason = "poison" if batch.is_poison else await self._failure(record, batch, self.letters)
        if reason is not None:
            await self.letters.bury(record, reason)

    async def _failure(self, record: Record, batch: Batch, letters: DeadLetters) -> str | None:
        """Why the record is to be buried; None when it went well."""
        try:
            async with OwnTime(self.deadline) as clock:
                await self.work(record, batch.assignment)
        except AssignmentEnded:
            raise
        except BaseException as error:
            is_late = isinstance(error, TimeoutError) and clock.is_used_up
            reason = "deadline" if is_late else letters.reason(error)
            if reason is None:
                raise
            if not batch.is_current:
                # Its table may have been closed under it: the next owner has the last word.
                raise AssignmentEnded from error
            return reason
        letters.handled()
        return None
