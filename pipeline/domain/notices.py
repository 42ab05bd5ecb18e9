"""What people are told of alerts, in the forms that they take it in, and when it is sent again.

No notice holds an id of a ticket or a word of a customer: what it names are rules, vendors and
stages. A notice's id is the same however often it is sent, so a receiver can drop a second copy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pipeline.domain.alerts import WHOLE, BudgetUse, Due, Rule, Telling
from pipeline.domain.events import Message, digest

AGAIN_AFTER = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Seconds between a failed try and the next one (FEATURES section 5)."""
JITTER = 0.2
"""Part by which each of them is drawn out: sinks that failed together do not come back together."""
GONE = 410
"""An HTTP status that asks to be left alone."""
ALONE = 3600.0
"""Seconds for which a sink is, that has asked for it: an address may be gone by mistake, and come back."""


class Notice(Message):
    """One thing that is told; `at` is unix seconds."""

    id: str
    kind: str
    """``fired``, ``reminded``, ``closed`` or ``budget``."""
    severity: str
    rule: str
    group: str
    title: str
    value: float
    at: float
    since: float
    """Unix seconds at which it began."""
    runbook: str
    lever: str
    incident: str | None = None


def notice_of(due: Due, rule: Rule, *, at: float, runbook: str) -> Notice:
    """The notice of an alert; `runbook` is where the runbook lies."""
    state = due.after
    since = state.fired_at or state.since
    # A firing is told of once, and again for each time that its lever was pulled again.
    when = {Telling.FIRED: state.pulled_at, Telling.REMINDED: at, Telling.CLOSED: ""}[due.kind]
    window = "" if when is None else repr(when)
    return Notice(
        id=digest("notice", state.id, repr(since), due.kind.value, window),
        kind=due.kind.value,
        severity=state.severity.value,
        rule=state.rule,
        group=state.group,
        title=rule.title,
        value=state.worst if due.kind is Telling.CLOSED else state.value,
        at=at,
        since=since,
        runbook=f"{runbook}#{rule.runbook}",
        lever=rule.lever,
        incident=state.incident,
    )


def notice_of_budget(use: BudgetUse, *, at: float, runbook: str) -> Notice:
    """The notice of a budget that is being used up."""
    return Notice(
        id=digest("notice", "budget", use.vendor, repr(use.level), repr(at)),
        kind="budget",
        severity="NOTE",
        rule="budget",
        group=use.vendor,
        title=f"{use.level:.0%} of the budget is used",
        value=use.used,
        at=at,
        since=at,
        runbook=f"{runbook}#{BUDGET_RUNBOOK}",
        lever="./switchboard limits show",
    )


BUDGET_RUNBOOK = "a-vendor-refuses-calls"


def sentence(notice: Notice) -> str:
    """The notice as one line for people."""
    of = "" if notice.group == WHOLE else f" ({notice.group})"
    head = f"[{notice.severity}] {notice.title}{of}: {notice.kind}, {notice.value:.4g}"
    if notice.kind == Telling.CLOSED.value:
        return f"{head} at its worst, after {notice.at - notice.since:.0f} s"
    return f"{head}. First lever: {notice.lever} - {notice.runbook}"


def webhook_body(notice: Notice) -> dict[str, Any]:
    """The body of a webhook, in the shape that Standard Webhooks proposes."""
    return {
        "type": f"alert.{notice.kind}",
        "timestamp": datetime.fromtimestamp(notice.at, UTC).isoformat(),
        "data": notice.model_dump(mode="json", exclude={"schema_version"}, exclude_none=True),
    }


def slack_body(notice: Notice) -> dict[str, Any]:
    """The body that Slack's incoming webhooks, and what imitates them, take."""
    return {"text": sentence(notice)}


class Delivery(Message):
    """A notice on its way to one sink: the value of ``notice/<id>/<sink>``."""

    notice: Notice
    sink: str
    tries: int = 0
    """That failed."""
    next_at: float
    """Unix seconds."""

    @property
    def key(self) -> str:
        """Where it lies on the topic of alerts."""
        return f"notice/{self.notice.id}/{self.sink}"


class GivenUp(Message):
    """Notices that one sink was never told, since the last that arrived there."""

    sink: str
    notices: int
    since: float
    """Unix seconds at which the first of them was given up."""
    code: str
    """Why the last one was, short and stable: ``http_410``, ``timeout``."""


def given_up(before: GivenUp | None, delivery: Delivery, code: str, *, now: float) -> GivenUp:
    """What its sink was never told once a delivery is given up at `now`, for the reason `code`."""
    if before is None:
        return GivenUp(sink=delivery.sink, notices=1, since=now, code=code)
    return before.model_copy(update={"notices": before.notices + 1, "code": code})


def failed(
    delivery: Delivery, *, now: float, uniform: Callable[[float, float], float]
) -> Delivery | None:
    """The delivery after a failed try at `now`; None = it is given up."""
    if delivery.tries >= len(AGAIN_AFTER):
        return None
    wait = AGAIN_AFTER[delivery.tries]
    next_at = now + wait + uniform(0.0, JITTER * wait)
    return delivery.model_copy(update={"tries": delivery.tries + 1, "next_at": next_at})
