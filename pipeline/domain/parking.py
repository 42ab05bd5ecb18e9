"""Work that waits for its time, and the order of a ticket's work while some of it does.

A ticket with parked work has a row: what waits, in the order in which it came. Its head is the
only piece that may be worked on; everything later waits behind it, so a ticket's messages are
never handled out of order. What waits is durable before the row that tells of it, and that before
the record in hand is given up; the row changes only after everything about a piece is durable. So a
crash anywhere leaves at most copies, and each copy can be told from the piece itself by its lap.

Nobody waits for ever: what was to wait behind others for longer than its total deadline is given up,
and a piece that should have been back that long before a later one that is, as one whose record was
lost, holds it up no more. If it comes after all it is given up too, since it would undo what has come
after it. Both are judged by when pieces were due and never by the time of now: a stage that stood
still finds late what was back in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.domain.events import Message

INLINE_SECONDS = 15.0
"""The longest wait that a worker sits out with a ticket in hand (RELIABILITY R11)."""
TIERS: tuple[tuple[str, float], ...] = (
    ("30s", 30.0),
    ("2m", 120.0),
    ("10m", 600.0),
    ("1h", 3600.0),
)
"""Name and longest wait in seconds, without jitter. What a tier's reader has not in hand yet waits
behind what it has; with waits all of one size that is never longer than the tier itself."""
SPREAD = 0.1
"""Part of a wait that is added at most as jitter: a gate that is closed for ten minutes lets those who
wait for it come back over one minute. All of the wait would leave an open vendor idle as long."""
SPREAD_LEAST = 1.0
"""Seconds over which even those are spread who wait shortly."""
BEHIND = 1.0
"""Seconds after its head that a follower comes back."""
BEHIND_LEAST = 5.0
"""Seconds that it stays away at least: a head that is back and waits for budget has no due time
any more, and a follower must not go round and round meanwhile."""
LAPS_TO_OVERTAKE = 2
"""How often a piece must have been put aside before anything counts as overtaken by it."""


class Waiting(Message):
    """One piece of parked work: how often it was parked, and when it is due (unix seconds)."""

    piece: int
    """The offset at which it first came; unlike its later ones it orders it among the others."""
    lap: int
    due: float
    is_limited: bool = False
    """Whether a vendor's limit has held it up, or what it waits behind."""
    is_overtaken: bool = False
    """Whether it did not come back in time, so that later work may have gone ahead of it."""


class Queue(Message):
    """A ticket's parked work, oldest first; the row of its key."""

    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True)
class Turn:
    """It is this piece's turn; `lap` tells how often it was parked."""

    lap: int = 0


@dataclass(frozen=True)
class Behind:
    """Others are before it: it waits until `due` at least, as its lap number `lap`."""

    due: float
    lap: int


@dataclass(frozen=True)
class Again:
    """It was parked before this process knew of it: park it once more, exactly the same."""

    due: float
    lap: int


@dataclass(frozen=True)
class Stale:
    """A copy of a piece that went on without it; nothing is to be done."""


@dataclass(frozen=True)
class Over:
    """It is to be worked on no more; `reason` is a code."""

    reason: str


Admission = Turn | Behind | Again | Stale | Over


def admit(
    queue: Queue,
    piece: int,
    lap: int | None,
    *,
    now: float,
    since: float | None = None,
    deadline: float = math.inf,
) -> Admission:
    """What to do with a piece that has just come.

    Args:
        queue: the row of its ticket.
        piece: see `Waiting`.
        lap: how often it was parked by its own word; None where it comes for the first time,
            or for the first time again after a crash.
        now: unix seconds.
        since: when it was put aside for the first time, unix seconds; None where it never was.
        deadline: seconds after that until which it may be made to wait behind others.
    """
    mine = _waiting(queue, piece)
    if mine is None:
        return _newcomer(queue, piece, lap, now)
    if lap is None:
        return Again(mine.due, mine.lap)
    if lap < mine.lap:
        return Stale()
    return _back(queue, mine, lap, now, is_over=since is not None and mine.due - since >= deadline)


def _back(queue: Queue, mine: Waiting, lap: int, now: float, *, is_over: bool) -> Admission:
    if mine.is_overtaken:
        return Over("overtaken")
    if (head := _head(queue)) is None or head is mine:
        return Turn(lap)
    return Over("behind") if is_over else Behind(_after(head, now), lap + 1)


def _newcomer(queue: Queue, piece: int, lap: int | None, now: float) -> Admission:
    # What came before work that waits has ended, or it would wait there too: a crash before the
    # commit brought it back, and running it now would undo what came after it.
    if lap is not None or (queue.waiting and piece < queue.waiting[-1].piece):
        return Stale()
    head = _head(queue)
    return Turn() if head is None else Behind(_after(head, now), 1)


def _head(queue: Queue) -> Waiting | None:
    return next((each for each in queue.waiting if not each.is_overtaken), None)


def _after(head: Waiting, now: float) -> float:
    return max(head.due + BEHIND, now + BEHIND_LEAST)


def overtaking(queue: Queue, piece: int, lap: int | None, *, deadline: float) -> Queue:
    """The row as `piece` finds it: what is before it and was due `deadline` seconds earlier is overtaken.

    All that is brought back in time lies before `piece` in the log. Only what was put aside twice
    overtakes: the first time may have been while nothing was brought back at all, and then what is
    before it must get the time to come.
    """
    mine = _waiting(queue, piece)
    if mine is None or lap is None or lap < max(mine.lap, LAPS_TO_OVERTAKE):
        return queue
    return Queue(
        waiting=tuple(
            each.model_copy(update={"is_overtaken": True})
            if each.piece < piece and each.due + deadline <= mine.due
            else each
            for each in queue.waiting
        )
    )


def _waiting(queue: Queue, piece: int) -> Waiting | None:
    return next((each for each in queue.waiting if each.piece == piece), None)


def parked(queue: Queue, piece: Waiting) -> Queue:
    """The row once `piece` waits: in the place it had, or last."""
    if _waiting(queue, piece.piece) is not None:
        kept = (piece if each.piece == piece.piece else each for each in queue.waiting)
        return Queue(waiting=tuple(kept))
    return Queue(waiting=(*queue.waiting, piece))


def is_limited(queue: Queue, piece: int) -> bool:
    """Whether a vendor's limit has held up `piece` or anything that stands before it.

    What is overtaken may stand there for as long as the row, and holds up nobody.
    """
    before = (each for each in queue.waiting if each.piece <= piece and not each.is_overtaken)
    return any(each.is_limited for each in before)


def left(queue: Queue, piece: int) -> Queue:
    """The row once everything about a piece is durable."""
    return Queue(waiting=tuple(each for each in queue.waiting if each.piece != piece))


def tier_for(seconds: float) -> str:
    """The shortest tier that holds a wait of `seconds`; the last one takes every longer one."""
    return next((name for name, longest in TIERS if seconds <= longest), TIERS[-1][0])


def due_after(now: float, seconds: float, *, uniform: Callable[[float, float], float]) -> float:
    """When a piece that must wait `seconds` is due, jitter included; unix seconds like `now`.

    The wait is a floor: a vendor asked for it, or nothing can change before it is over. A wait
    beyond the last tier is cut to it and drawn from its upper half: all who wait for the same far
    moment would otherwise come back together, again and again.
    """
    longest = TIERS[-1][1]
    if seconds > longest:
        return now + uniform(longest / 2, longest)
    return now + seconds + uniform(0.0, max(SPREAD_LEAST, SPREAD * seconds))
