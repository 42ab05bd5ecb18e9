"""How the steps of a plan ended, and the one terminal outcome that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.events import Outcome
from pipeline.domain.ledger import DoneOutcome


class StepEnd(StrEnum):
    """How one step of a plan ended."""

    ROUTED = "routed"
    REPLIED = "replied"
    DRAFTED = "drafted"
    """Written for a human to send."""
    MARKED = "marked"
    """The ticket says what became of its reply."""
    SKIPPED = "skipped"
    """There was nothing to do, as for the mark of a reply that was withheld."""
    WITHHELD = "withheld"
    """Policy did not allow it."""
    TRIAGED = "triaged"
    """Given to a human: refused by the helpdesk, or not known whether it happened."""
    FAILED = "failed"
    """Given up; a dead letter holds the plan."""


SUCCESSES = frozenset({StepEnd.ROUTED, StepEnd.REPLIED, StepEnd.DRAFTED, StepEnd.MARKED})
"""Ends in which the step stands at the helpdesk as planned."""

DONE = SUCCESSES | {StepEnd.TRIAGED}
"""Ends that the ledger keeps: a later run of the plan does not try the step again."""
ALREADY = "already"
"""Why a step was not executed that an earlier run has done; it was told of then."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended and, where it was not executed, why (a reason code)."""

    end: StepEnd
    reason: str | None = None


REPLY_ENDS = {
    DoneOutcome.SENT: StepResult(StepEnd.REPLIED),
    DoneOutcome.FOUND: StepResult(StepEnd.REPLIED, "found"),
    DoneOutcome.DRAFTED: StepResult(StepEnd.DRAFTED),
    DoneOutcome.FAILED: StepResult(StepEnd.TRIAGED, "refused"),
    DoneOutcome.TRIAGED: StepResult(StepEnd.TRIAGED, "unknown"),
}
"""How a reply step ended, from its row in the ledger."""


def again(result: StepResult) -> StepResult:
    """`result` as a later run of its plan tells it: nothing was written this time."""
    return StepResult(result.end, result.reason or ALREADY)


def marks(results: Iterable[tuple[str, StepResult]], prefix: str) -> tuple[str, ...]:
    """The tags that tell people what became of a plan's reply; none where nothing did.

    `results` are the kinds of the steps so far and how they ended.
    """
    tags = {
        StepEnd.REPLIED: (f"{prefix}-auto-replied",),
        StepEnd.TRIAGED: (f"{prefix}-send-failed", "needs_manual_triage"),
    }
    return next((tags.get(each.end, ()) for kind, each in results if kind == "reply"), ())


def limited_tag(prefix: str) -> str:
    """The tag that tells people that a vendor's limit has held up a ticket's automation."""
    return f"{prefix}-auto-rate-limited"


def terminal_outcome(results: Sequence[StepResult], *, triage: bool) -> Outcome:
    """Where the webhook ends, the outcome that needs a person most first.

    A reply that was planned and withheld makes the whole WITHHELD, though the ticket was routed:
    it is what an operator may still release. A fallback decision (`triage`) counts as TRIAGED
    only once its tag stands on the ticket; withheld in shadow mode it is WITHHELD.

    Raises:
        ValueError: no results; a plan without steps reaches no outcome.
    """
    if not results:
        raise ValueError("a plan without step results has no outcome; its plan was empty")
    ends = {result.end for result in results}
    if StepEnd.FAILED in ends:
        return Outcome.DEAD_LETTERED
    if StepEnd.TRIAGED in ends or (triage and StepEnd.ROUTED in ends):
        return Outcome.TRIAGED
    return Outcome.WITHHELD if StepEnd.WITHHELD in ends else Outcome.ACTED


def is_partial(results: Sequence[StepResult]) -> bool:
    """Whether the plan was given up with some steps done: running it again does the others."""
    ends = {result.end for result in results}
    return StepEnd.FAILED in ends and bool(ends & SUCCESSES)
