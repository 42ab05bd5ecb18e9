"""The one terminal outcome of a plan, from how its steps ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.events import Outcome


class StepEnd(StrEnum):
    """How one step of a plan ended."""

    ROUTED = "routed"
    REPLIED = "replied"
    WITHHELD = "withheld"
    """Policy did not allow it."""
    TRIAGED = "triaged"
    """Given to a human: refused by the helpdesk, or not known whether it happened."""
    FAILED = "failed"
    """Given up; a dead letter holds the plan."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended and, where it was not executed, why (a reason code)."""

    end: StepEnd
    reason: str | None = None


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
