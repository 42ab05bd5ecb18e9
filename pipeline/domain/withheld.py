"""Steps that were withheld: what stands open, what was released and what is too late.

The topic is a log: a step is withheld, perhaps released, then withheld again with what the permit
says by then. Its last record is where it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.domain.events import ActionRequest, HeldState, Withheld


def fold(records: Iterable[Withheld]) -> list[Withheld]:
    """The last record of each step, in the order in which they were first withheld."""
    last: dict[str, Withheld] = {}
    for record in records:
        before = last.get(record.action_id)
        # What an operator did carries no body and no plan: those stay with what was withheld.
        if before is not None and record.state is not HeldState.WITHHELD:
            if record.at < before.at:
                # `act` has withheld it again before this mark of its release came: it stands open.
                continue
            record = before.model_copy(  # noqa: PLW2901 - the record as it stands after all
                update={"state": record.state, "by": record.by, "at": record.at}
            )
        last[record.action_id] = record
    return list(last.values())


def state_at(held: Withheld, now: float) -> HeldState:
    """Its state at `now`, unix seconds: time alone expires a step."""
    if held.state is not HeldState.WITHHELD:
        return held.state
    is_late = held.expires_at is not None and now >= held.expires_at
    return HeldState.EXPIRED if is_late else HeldState.WITHHELD


@dataclass(frozen=True)
class Filter:
    """Which withheld steps an operator means; what is None does not narrow."""

    since: float
    """Unix seconds."""
    reason: str | None = None
    mode: str | None = None
    kind: str | None = None
    state: HeldState | None = HeldState.WITHHELD
    until: float = math.inf
    """Unix seconds; what was withheld later is not meant."""

    @property
    def is_narrow(self) -> bool:
        """Whether it says more than a time: a bulk act on everything must be asked for by name."""
        return any(each is not None for each in (self.reason, self.mode, self.kind))


def chosen(held: Iterable[Withheld], asked: Filter, *, now: float) -> list[Withheld]:
    """Those that the filter means, at `now`."""
    return [
        each
        for each in held
        if asked.since <= each.at <= asked.until
        and asked.reason in {None, each.reason}
        and asked.mode in {None, each.mode}
        and asked.kind in {None, each.kind}
        and asked.state in {None, state_at(each, now)}
    ]


def released(held: Withheld, *, by: str) -> ActionRequest | None:
    """The plan that goes back to `act`, same ids; None for a record without a plan."""
    if held.request is None:
        return None
    return held.request.model_copy(update={"released_by": by})


def mark(held: Withheld, state: HeldState, *, by: str, at: float) -> Withheld:
    """The record of what an operator did with it; without text, the first one has it."""
    return held.model_copy(
        update={"state": state, "by": by, "at": at, "rendered": None, "request": None}
    )
