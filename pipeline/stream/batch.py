"""What a handler gets: a run of one partition, and the assignment it holds it under."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.stream.producer import Headers
from pipeline.stream.watermark import Watermark


class Record(Protocol):
    """A fetched record as aiokafka hands it over; `timestamp` in milliseconds of broker time."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


IN_HAND_BATCHES = 2
"""Fetches a partition may have unfinished however large they are: one is decided while the other
waits for the broker; more would only add memory and work that a crash repeats."""
IN_HAND_RECORDS = 500
"""Records a partition may have unfinished however small its fetches are. At a low rate a fetch is
one record, and two records in hand would leave the lanes idle."""


class AssignmentEnded(Exception):
    """The partition was taken away; what was begun for it is left to the next owner."""


class Assignment:
    """One partition for one generation of the group: what was fetched, what is durable.

    It ends with the generation. Work that still runs then may finish, but `is_current` is False
    and nothing of it is committed: the next owner reads it again from the last commit.
    """

    def __init__(self, topic: str, partition: int, generation: int, position: int | None) -> None:
        self.topic = topic
        self.partition = partition
        self.generation = generation
        self.position = position
        """The next offset to hand out; None until the committed offset is known."""
        self._ended = asyncio.Event()
        self.watermark = Watermark()
        self.on_progress: Callable[[], None] = lambda: None
        self._batch_ends: deque[int] = deque()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._gap_at: int | None = None

    def take(self, records: Sequence[Record]) -> Sequence[Record]:
        """The part of a fetch that was not handed out yet; empty when the fetch skips offsets.

        A fetch that starts above `position` means either that records were fetched and dropped
        on the way here, or that the log itself has a hole (compaction, retention, markers).
        The first time the answer is empty and the caller must seek back to `position`; when the
        same hole shows again it is the log's own and is accepted.
        """
        if self.position is None:
            return ()
        fresh = [record for record in records if record.offset >= self.position]
        if not fresh:
            return ()
        first = fresh[0].offset
        if first > self.position and self._gap_at != first:
            self._gap_at = first
            return ()
        self._gap_at = None
        self.position = fresh[-1].offset + 1
        self.watermark.hand_out(record.offset for record in fresh)
        self._batch_ends.append(fresh[-1].offset)
        return fresh

    @property
    def is_full(self) -> bool:
        """Whether enough is in hand that the next fetch leaves this partition out."""
        position = self.watermark.position or 0
        while self._batch_ends and self._batch_ends[0] < position:
            self._batch_ends.popleft()
        return (
            len(self._batch_ends) >= IN_HAND_BATCHES and self.watermark.pending >= IN_HAND_RECORDS
        )

    @property
    def has_gap(self) -> bool:
        """Whether the last fetch skipped offsets and must be asked for again."""
        return self._gap_at is not None

    def finish(self, offset: int) -> None:
        """Everything about `offset` is durable."""
        self.watermark.finish(offset)
        self.on_progress()

    @property
    def is_current(self) -> bool:
        """Whether this process still owns the partition in this generation."""
        return not self._ended.is_set()

    def end(self) -> None:
        """The generation is over; whoever sleeps in this assignment's name wakes up."""
        self._ended.set()

    async def sleep(self, seconds: float) -> None:
        """Waits without holding up a rebalance.

        Raises:
            AssignmentEnded: the partition was taken away before or while waiting.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), max(0.0, seconds))
        if self._ended.is_set():
            raise AssignmentEnded

    @contextmanager
    def running(self) -> Iterator[None]:
        """Marks work that a rebalance waits for before the partition is given up."""
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def wait_idle(self) -> None:
        """Returns when nothing runs for this assignment."""
        await self._idle.wait()


@dataclass(frozen=True, slots=True)
class Batch:
    """Raw records of one partition in offset order."""

    records: Sequence[Record]
    assignment: Assignment

    @property
    def partition(self) -> int:
        """The partition that all records come from."""
        return self.assignment.partition

    @property
    def is_current(self) -> bool:
        """Whether this process still owns the partition in the same generation."""
        return self.assignment.is_current

    def finish(self) -> None:
        """Everything about every record of the batch is durable."""
        for record in self.records:
            self.assignment.watermark.finish(record.offset)
        self.assignment.on_progress()
