"""What a handler gets: a run of one partition, and the assignment it holds it under."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.stream.attempts import CALM, Suspicion
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

IN_HAND_BYTES = 32 << 20
"""Bytes of keys and values a partition may have unfinished: large records must not fill memory."""


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
        self._start = position or 0
        self.watermark = Watermark()
        self.on_progress: Callable[[], None] = lambda: None
        self.take_back: Callable[[], Awaitable[None]] = _nothing
        """Takes the attempt back that was noted for what is in hand: it was not the event's fault."""
        self.found = Suspicion()
        """What the committed offset told of earlier deaths."""
        self.noted: Suspicion | None = None
        """What is noted of this attempt; None until something was handed out."""
        self._noted_at = 0
        self._is_taken_back = False
        self._ended = asyncio.Event()
        self._batches: deque[tuple[int, int, float]] = deque()
        """(last offset, bytes, when handed out) of each batch in hand."""
        self._bytes = 0
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._gap_at: int | None = None
        self._must_seek = False
        self._is_burying = False
        self._began = 0.0
        self.rest: Sequence[Record] = ()
        """What was fetched and is to be handed out next, before anything else is fetched."""

    def begin(self, position: int, found: Suspicion, *, end: int, now: float = 0.0) -> None:
        """Starts at the committed offset with what its note says; `now` is monotonic seconds.

        `end` is the offset at which the log ends now.
        """
        self.position = self._start = position
        self.found = found.at_start(position, end)
        self._began = now

    # -- handing out --------------------------------------------------------------------------

    def take(self, records: Sequence[Record], *, now: float = 0.0) -> Sequence[Record]:
        """The part of a fetch to hand out now; may be empty. See `must_seek` and `rest` afterwards.

        A fetch that starts above `position` means either that records were fetched and dropped
        on the way here, or that the log itself has a hole (compaction, retention, markers).
        The first time the answer is empty and the caller must seek back to `position`; when the
        same hole shows again it is the log's own and is accepted. `now` is monotonic seconds.
        """
        self._must_seek = False
        if self.position is None:
            return ()
        fresh = self._fresh(records)
        if not fresh:
            return ()
        first = fresh[0].offset
        if first > self.position and self._gap_at != first:
            self._gap_at = first
            self._must_seek = True
            return ()
        self._gap_at = None
        limit = self.at_once
        if limit is not None and len(fresh) > limit:
            # Kept: a seek back would wait each time for the broker's answer to the fetch behind it.
            fresh, self.rest = fresh[:limit], fresh[limit:]
        else:
            self.rest = ()
        self.position = fresh[-1].offset + 1
        self.watermark.hand_out(record.offset for record in fresh)
        size = sum(len(record.value or b"") + len(record.key or b"") for record in fresh)
        self._batches.append((fresh[-1].offset, size, now))
        self._bytes += size
        return fresh

    def _fresh(self, records: Sequence[Record]) -> Sequence[Record]:
        position = self.position or 0
        return [record for record in records if record.offset >= position]

    @property
    def must_seek(self) -> bool:
        """Whether records are missing before the last fetch, so that they must be asked for again."""
        return self._must_seek

    @property
    def is_full(self) -> bool:
        """Whether enough is in hand that the next fetch leaves this partition out."""
        self._forget_finished()
        pending = self.watermark.pending
        if not pending:
            self._is_burying = False
        # Until the last suspect is durable, not only handed out: the note that comes next carries
        # the position, which may not pass it.
        if self._bytes >= IN_HAND_BYTES or (pending and (self._is_burying or self.is_watched)):
            return True
        return len(self._batches) >= IN_HAND_BATCHES and pending >= IN_HAND_RECORDS

    def age(self, now: float) -> float:
        """Seconds since the oldest batch with something unfinished was handed out; 0 for none."""
        self._forget_finished()
        return max(0.0, now - self._batches[0][2]) if self._batches else 0.0

    def _forget_finished(self) -> None:
        position = self.watermark.position or 0
        while self._batches and self._batches[0][0] < position:
            self._bytes -= self._batches.popleft()[1]

    # -- attempts -----------------------------------------------------------------------------

    @property
    def at_once(self) -> int | None:
        """Records that may be in hand while one of them is suspected; None is no limit."""
        is_past = self.noted is not None and (self.position or 0) >= self.found.until
        return None if is_past else self.found.at_once

    @property
    def is_watched(self) -> bool:
        """Whether few records are handed out at once, since one of them is suspected."""
        return self.found.at_once is not None

    @property
    def is_poisoned(self) -> bool:
        """Whether the next record is to be buried unread."""
        return self.noted is None and self.found.is_poison

    @property
    def must_note(self) -> bool:
        """Whether an attempt must be noted before the next record is handed out."""
        return not self.is_poisoned and (self.noted is None or self.at_once is not None)

    def count(self, records: Sequence[Record]) -> tuple[int, str]:
        """Counts this attempt; the offset and note to commit before any of `records` is handed out.

        Raises:
            ValueError: something is in hand; a commit of the position would pass it.
        """
        if self.watermark.pending:
            raise ValueError("an attempt is noted while records are in hand")
        position = self.position or 0
        # By offsets, not by how many: a log may have holes.
        in_hand = self._fresh(records)[: self.at_once]
        end = in_hand[-1].offset + 1 if in_hand else position
        self.noted, self._noted_at = self.found.counted(position, end), position
        return position, self.noted.note()

    @property
    def is_suspect(self) -> bool:
        """Whether the next record must be the only one in the whole process."""
        return self.at_once == 1

    @property
    def stands_alone(self) -> bool:
        """Whether one suspect is in hand, beside which nothing else may be."""
        return self.found.at_once == 1 and self.watermark.pending > 0

    def waits_for_calm(self, now: float) -> bool:
        """Whether it is too early for the last try of a record that was alone at a death."""
        return self.noted is None and self.found.is_last_try and now < self._began + CALM

    def forget_past(self) -> None:
        """Ends the suspicion once every suspect is past; what follows is noted anew."""
        if self.noted is not None and self.found.at_once is not None and self.at_once is None:
            self.clear()

    def clear(self) -> None:
        """Nothing that is left is suspected."""
        self.found, self.noted = Suspicion(), None

    def absolve(self) -> None:
        """The poison is on its way to the dead letters; nothing follows before it is there."""
        self.clear()
        self._is_burying = True

    def note_at(self, offset: int) -> str:
        """The note that a commit of `offset` carries."""
        if self.noted is None:
            return ""
        # A process without a limit has handled what was in hand at the last death, or some of it:
        # whichever record it was, it can begin to count anew.
        if not self.is_watched and offset > self._noted_at:
            return ""
        found = self.found.at(offset).note()
        # Past what this process had in hand, what it found still holds for those that come.
        return found if self._is_taken_back else self.noted.at(offset).note() or found

    def take_attempt_back(self) -> tuple[int, str] | None:
        """What to commit so that this attempt counts for nothing; None when none is noted.

        No later commit carries it again: running work may outlast the end of an assignment.
        """
        if self.noted is None:
            return None
        self._is_taken_back = True
        offset = self.reached or 0
        return offset, self.note_at(offset)

    # -- life ---------------------------------------------------------------------------------

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
        # Not `wait_for`: it can swallow a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._ended.wait()
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

    @property
    def reached(self) -> int | None:
        """The offset to commit, or where it started; None until that is known."""
        reached = self.watermark.position
        return reached if reached is not None or self.position is None else self._start

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs for this assignment."""
        return self._idle.is_set()

    async def wait_idle(self) -> None:
        """Returns when nothing runs for this assignment."""
        await self._idle.wait()


@dataclass(frozen=True, slots=True)
class Batch:
    """Raw records of one partition in offset order."""

    records: Sequence[Record]
    assignment: Assignment
    is_poison: bool = False
    """Its one record took the process down too often: to be buried, not to be read."""

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
        self.assignment.watermark.finish_run(record.offset for record in self.records)
        self.assignment.on_progress()

    def joined(self, behind: Batch) -> Batch | None:
        """This batch and the one `behind` it as one; None where they must stay apart.

        Fetches at a low rate are a record or two. Handled one by one, each waits for the broker by
        itself and a partition gets no further than one fetch for each of its answers.
        """
        if (
            self.assignment is not behind.assignment
            or self.is_poison
            or behind.is_poison
            or len(self.records) + len(behind.records) > IN_HAND_RECORDS
        ):
            return None
        return Batch([*self.records, *behind.records], self.assignment)

    def one_by_one(self) -> Iterator[Batch]:
        """The same records as batches of one."""
        for record in self.records:
            yield Batch([record], self.assignment)


async def _nothing() -> None:
    return None
