"""The reply ledger: write-once rows for each reply, and what they allow next.

    (nothing) --Send--> #intent --(the reply is sent)--> #done
                           |
                           `-- found again without #done --> Wait --> ReadBack
                                    mark at the helpdesk -> RecordDone
                                    no mark              -> Triage, or once more Send (`resend`)

An intent is durable before the reply is sent, so while it exists nothing here says `Send`
again. Only the worker that wrote it takes it back, when the helpdesk has said that it wrote
nothing (429, refused connection) or when the fence kept it from sending.

Weakness: a reply that the helpdesk shows later than `settle` seconds after the lease counts as not
sent. With `Unsettled.TRIAGE` it is still not sent twice, but a human gets a ticket that was
answered. `Unsettled.VERIFY_RESEND` may send it twice then: it is for a helpdesk that honours an
idempotency key, or shows every write within `settle`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from pipeline.domain.events import Message
from pipeline.domain.permit import DAY

MOST_ATTEMPTS = 2
"""Intents of one reply: the first, and one more where `Unsettled.VERIFY_RESEND` is set."""


class DoneOutcome(StrEnum):
    """How a step ended."""

    SENT = "sent"
    """The helpdesk acknowledged the reply."""
    FOUND = "found"
    """Nobody saw the acknowledgement, but the reply's mark stands on the ticket."""
    DRAFTED = "drafted"
    """It stands on the ticket as a note for a human."""
    FAILED = "failed"
    """The helpdesk refused it for good; nothing was sent."""
    TRIAGED = "triaged"
    """It is not known whether it was sent; a human has the ticket."""
    APPLIED = "applied"
    """Of a step that sets team or tags."""


class Unsettled(StrEnum):
    """What becomes of a reply that nobody saw go out and that the ticket does not show."""

    TRIAGE = "triage"
    VERIFY_RESEND = "verify_resend"


class Intent(Message):
    """Someone is about to send this reply, and may do so before `deadline_at` only."""

    action_id: str
    worker: str
    deadline_at: float
    """Unix seconds at which the lease ends."""
    at: float
    """Unix seconds."""
    conversation_id: str = ""
    generation: int = -1
    """Of the group, when it was written."""
    attempt: int = 1
    as_note: bool = False


class Done(Message):
    """This step has ended."""

    action_id: str
    outcome: DoneOutcome
    at: float
    """Unix seconds."""
    conversation_id: str = ""
    """Of a reply: where no intent stands, its ticket is not known otherwise."""


class Reserved(Message):
    """One reply of a ticket, counted from its reservation on."""

    action_id: str
    customer: str
    """The hash under which it counts for the customer too."""
    at: float
    """Unix seconds."""


class TicketReplies(Message):
    """The replies of one ticket within a day: the row that its caps are counted from."""

    conversation_id: str
    replies: tuple[Reserved, ...] = Field(default=())

    def plus(self, action_id: str, customer: str, at: float) -> TicketReplies:
        """With one more; a second reservation of the same action keeps its first time."""
        if any(each.action_id == action_id for each in self.replies):
            return self
        kept = [each for each in self.replies if each.at > at - DAY]
        return self._with([*kept, Reserved(action_id=action_id, customer=customer, at=at)])

    def minus(self, action_id: str) -> TicketReplies:
        """Without the one that was not sent after all."""
        return self._with(each for each in self.replies if each.action_id != action_id)

    def others(self, action_id: str) -> list[float]:
        """When the others were reserved."""
        return [each.at for each in self.replies if each.action_id != action_id]

    def _with(self, replies: Iterable[Reserved]) -> TicketReplies:
        return self.model_copy(update={"replies": tuple(replies)})


def intent_key(action_id: str, attempt: int = 1) -> str:
    """The key of an `Intent` row; each attempt has its own, so none is ever written over."""
    return f"{action_id}#intent" if attempt == 1 else f"{action_id}#intent.{attempt}"


def done_key(action_id: str) -> str:
    """The key of the `Done` row."""
    return f"{action_id}#done"


def ticket_key(conversation_id: str) -> str:
    """The key of the `TicketReplies` row."""
    return f"ticket:{conversation_id}"


@dataclass(frozen=True)
class Send:
    """Nobody may have sent it: write the intent of this attempt, then send."""

    attempt: int = 1


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
    """Read the ticket `times` times; only if all agree is the mark not there."""

    times: int = 2


@dataclass(frozen=True)
class RecordDone:
    """It was sent: write the missing `Done` row."""

    outcome: DoneOutcome


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
    unsettled: Unsettled = Unsettled.TRIAGE,
) -> Move:
    """The one thing to do about a reply, from what is durable (RELIABILITY R9).

    Args:
        intent: the row of the last attempt, if there is one.
        done: the row, if there is one.
        now: unix seconds.
        settle: seconds after the lease in which the helpdesk may still come to show a reply.
        marker_found: whether the ticket shows the reply's mark; None = not read since the intent.
        unsettled: what follows when it does not.
    """
    if done is not None:
        return AlreadyDone(done.outcome)
    if intent is None:
        return Send()
    if marker_found:
        return RecordDone(DoneOutcome.DRAFTED if intent.as_note else DoneOutcome.FOUND)
    return _settle(intent, now, settle, is_absent=marker_found is False, unsettled=unsettled)


def _settle(
    intent: Intent, now: float, settle: float, *, is_absent: bool, unsettled: Unsettled
) -> Move:
    settled_at = intent.deadline_at + settle
    if now < settled_at:
        return Wait(settled_at)
    if not is_absent:
        return ReadBack()
    if unsettled is Unsettled.VERIFY_RESEND and intent.attempt < MOST_ATTEMPTS:
        return Send(intent.attempt + 1)
    return Triage()


class Breach(StrEnum):
    """Why the fence does not let a reply out, in the order in which they are looked at."""

    PARTITION_LOST = "partition_lost"
    STALLED = "stalled"
    """This process stood still so long that another one may have taken its place unseen."""
    LEASE_OVER = "lease_over"
    FORBIDDEN = "forbidden"
    """The mode was lowered since the permit was asked."""


def fence(
    *, is_current: bool, has_stalled: bool, lease_left: float, is_allowed: bool
) -> Breach | None:
    """The last look before a send, in the same step that begins it; None lets it out.

    Being current is what this process believes: one that was stopped still believes it when it
    wakes up, which is what the stall and the lease are for.
    """
    if not is_current:
        return Breach.PARTITION_LOST
    if has_stalled:
        return Breach.STALLED
    if lease_left <= 0:
        return Breach.LEASE_OVER
    return None if is_allowed else Breach.FORBIDDEN
