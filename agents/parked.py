"""Parking, as a stage sees it: whose turn it is, and putting aside what must wait.

Order, and why: the parked record is durable before the row that tells of it, and both before the
record they come of counts as finished; the row goes only after everything about the work is
durable. A crash in between brings the record again, and `admit` knows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from agents.patience import Later, Patience
from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.domain.events import UnreadableValue
from pipeline.domain.parking import (
    Again,
    Behind,
    Over,
    Queue,
    Stale,
    Turn,
    Waiting,
    admit,
    due_after,
    is_limited,
    left,
    overtaking,
    parked,
    tier_for,
)
from pipeline.stream.batch import Assignment, Record
from pipeline.stream.dead_letter import DeadLetters
from pipeline.stream.parking import Parked
from pipeline.stream.producer import Outgoing
from tables.parked import ParkedTable

Read = TypeVar("Read")


@dataclass(frozen=True)
class Place:
    """A record whose turn it is, and what it has been through."""

    record: Record
    assignment: Assignment
    patience: Patience
    piece: int
    lap: int
    queue: Queue


class ParkedLetters(DeadLetters):
    """Dead letters of a stage that parks: what is buried leaves its ticket's row."""

    def __init__(
        self,
        letters: DeadLetters,
        parking: Parking,
        *,
        on_buried: Callable[[Record], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(letters.producer, letters.letter)
        self._parking = parking
        self._on_buried = on_buried

    async def admit(
        self, record: Record, assignment: Assignment, parse: Callable[[bytes | None], Read]
    ) -> tuple[Place, Read] | None:
        """The place of a record whose turn it is, and what it says; None = nothing is left to do.

        Returns only when that is durable: it was put aside, or it is over or unreadable and buried.
        """
        place = await self._parking.admit(record, assignment)
        if place is None:
            return None
        if isinstance(place, Over):
            await self.bury(record, place.reason)
            return None
        try:
            return place, parse(record.value)
        except UnreadableValue as error:
            await self.bury(record, error.reason)
            return None

    async def bury(self, record: Record, reason: str) -> None:
        """Returns when the dead letter is durable and the ticket's next piece may have its turn."""
        await super().bury(record, reason)
        await self._parking.forget(record)
        if self._on_buried is not None:
            await self._on_buried(record)


class Parking:
    """The parked work of one stage.

    `deadline` is for how many seconds a piece may be made to wait behind others, `now` gives unix
    seconds.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        deadline: float,
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._producer = stage.producer
        self._table = ParkedTable(stage.table, stage.producer)
        self._source = topics.STAGE_SOURCES[stage.name].name
        self._deadline = deadline
        self._now = now
        self._uniform = uniform

    async def admit(self, record: Record, assignment: Assignment) -> Place | Over | None:
        """The place of a record that may be worked on now; None when it was put aside.

        Returns only when that is durable: a record without a place is finished, unless it is over.
        A ticket's order hangs on its key. Without one all tickets would share a row, and of two
        that change it at once one is lost.
        """
        if not record.key:
            return Over("no_key")
        now, said = self._now(), Parked.of(record)
        piece = record.offset if said is None else said.piece
        lap = None if said is None else said.lap
        queue = await self._queue(record.key, piece, lap, assignment.partition)
        patience = Patience(assignment.sleep)
        patience.is_limited = is_limited(queue, piece)
        if said is not None:
            patience.failures, patience.since = said.failures, said.since
        place = Place(record, assignment, patience, piece, lap or 0, queue)
        match admit(queue, piece, lap, now=now, since=patience.since, deadline=self._deadline):
            case Turn():
                return place
            case Over() as over:
                return over
            case Behind(due=due, lap=next_lap):
                await self._put(place, due, next_lap, "behind")
            case Again(due=due, lap=same_lap):
                await self._put(place, due, same_lap, "again")
            case Stale():
                telemetry.STALE.inc()
        return None

    async def _queue(self, key: bytes, piece: int, lap: int | None, partition: int) -> Queue:
        """The ticket's row; that work was overtaken is durable before any goes ahead of it."""
        there = await self._table.queue(partition, key)
        queue = overtaking(there, piece, lap, deadline=self._deadline)
        if queue != there:
            await self._table.keep(partition, key, queue)
        return queue

    async def park(
        self, place: Place, later: Later, told: Callable[[Mapping[str, float]], Iterable[Outgoing]]
    ) -> None:
        """Puts the work aside, together with what is `told` of it.

        It is given the detail of the audit: the wait in seconds, when the work is due by unix seconds,
        and how many calls have failed.
        """
        due = due_after(self._now(), later.seconds, uniform=self._uniform)
        detail = {
            "wait": round(later.seconds, 3),
            "due": round(due, 3),
            "failures": place.patience.failures,
        }
        # By the wait alone: jitter must not move it to a longer tier.
        tier = tier_for(later.seconds)
        await self._put(place, due, place.lap + 1, later.code, *told(detail), tier=tier)

    async def leave(self, place: Place) -> None:
        """Everything about the work is durable: the ticket's next piece may have its turn."""
        if place.lap:
            queue = left(place.queue, place.piece)
            await self._table.keep(place.assignment.partition, place.record.key or b"", queue)

    async def forget(self, record: Record) -> None:
        """Frees a ticket of a piece that ended without its turn, as a poison record does.

        Its row would name a piece that never comes again, and all behind it would wait for ever.
        """
        said = Parked.of(record)
        piece = record.offset if said is None else said.piece
        key = record.key or b""
        queue = await self._table.queue(record.partition, key)
        if any(each.piece == piece for each in queue.waiting):
            await self._table.keep(record.partition, key, left(queue, piece))

    async def _put(
        self,
        place: Place,
        due: float,
        lap: int,
        reason: str,
        *outputs: Outgoing,
        tier: str | None = None,
    ) -> None:
        tier = tier or tier_for(due - self._now())
        record = Parked(
            place.piece,
            lap,
            due,
            self._source,
            place.patience.failures,
            self._now() if place.patience.since is None else place.patience.since,
            reason,
        ).record(topics.PARKED[tier].name, place.record)
        telemetry.count("parked", tier, reason)
        limited = place.patience.is_limited
        waiting = Waiting(piece=place.piece, lap=lap, due=due, is_limited=limited)
        queue = parked(place.queue, waiting)
        key, partition = place.record.key or b"", place.assignment.partition
        # First, and by itself: by a row of the next lap the record in hand is a mere copy, and if
        # that row alone were durable nothing would hold the work any more.
        await self._producer.send([record])
        await self._table.keep(partition, key, queue, *outputs)
