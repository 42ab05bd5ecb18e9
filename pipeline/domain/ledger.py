"""The reply ledger: two write-once rows for each reply, and what they allow next.

    (nothing) --Send--> #intent --(the reply is sent)--> #done
                           |
                           `-- found again without #done --> Wait --> ReadBack
                                    marker at the helpdesk -> RecordDone
                                    no marker              -> Triage

An intent is durable before the reply is sent, so while it exists nothing here says `Send`
again. Only the worker that wrote it takes it back, when the helpdesk has said that it wrote
nothing (429, refused connection). The weakness: a reply that the helpdesk shows later than `settle` seconds after the lease
counts as not sent. It is still not sent twice, but a human gets a ticket that was answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.events import Message


class DoneOutcome(StrEnum):
    """How a reply ended."""

    SENT = "sent"
    """The helpdesk acknowledged it."""
    FOUND = "found"
    """Nobody saw the acknowledgement, but its marker stands on the ticket."""
    FAILED = "failed"
    """The helpdesk refused it for good; nothing was sent."""
    TRIAGED = "triaged"
    """It is not known whether it was sent; a human has the ticket."""


class Intent(Message):
    """Someone is about to send this reply, and may do so before `deadline_at` only."""

    action_id: str
    worker: str
    deadline_at: float
    """Unix seconds at which the lease ends."""
    at: float
    """Unix seconds."""


class Done(Message):
    """This reply has ended."""

    action_id: str
    outcome: DoneOutcome
    at: float
    """Unix seconds."""


def intent_key(action_id: str) -> str:
    """The key of the `Intent` row."""
    return f"{action_id}#intent"


def done_key(action_id: str) -> str:
    """The key of the `Done` row."""
    return f"{action_id}#done"


@dataclass(frozen=True)
class Send:
    """Nobody tried yet: write the intent, then send."""


@dataclass(frozen=True)
class AlreadyDone:
    """Nothing is left to do."""

    outcome: DoneOutcome


@dataclass(frozen=True)
class Wait:
    """It may still be on its way: ask again at `until`, unix seconds."""

    until: float


@dataclass(frozen=True)
class ReadBack:
    """Read the ticket `times` times; only if all agree is the marker not there."""

    times: int = 2


@dataclass(frozen=True)
class RecordDone:
    """It was sent: write the missing `Done` row."""


@dataclass(frozen=True)
class Triage:
    """Nobody can know whether it was sent: a human gets the ticket, then `Done` is written."""


Move = Send | AlreadyDone | Wait | ReadBack | RecordDone | Triage


def next_move(
    intent: Intent | None,
    done: Done | None,
    *,
    now: float,
    settle: float,
    marker_found: bool | None,
) -> Move:
    """The one thing to do about a reply, from what is durable (RELIABILITY R9).

    Args:
        intent: the row, if there is one.
        done: the row, if there is one.
        now: unix seconds.
        settle: seconds after the lease in which the helpdesk may still come to show a reply.
        marker_found: whether the ticket shows the reply's marker; None = not read yet.
    """
    if done is not None:
        return AlreadyDone(done.outcome)
    if intent is None:
        return Send()
    if marker_found:
        return RecordDone()
    settled_at = intent.deadline_at + settle
    if now < settled_at:
        return Wait(settled_at)
    return ReadBack() if marker_found is None else Triage()
