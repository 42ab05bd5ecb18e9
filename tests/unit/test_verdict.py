from __future__ import annotations

from typing import Any

import pytest

from console.trail import Trail
from console.verdict import broken_promises, report
from pipeline.domain.events import Audit, Outcome, conversation_hash

SENDER = {
    "sent": 3,
    "accepted": 3,
    "failed": 0,
    "unknown": 0,
    "accepted_ids": {"i1": "message", "i2": "duplicate", "i3": "broken"},
}
VENDOR = {"double_replies": 0, "effects": {"tags": 1, "reply": 1}, "requests": {"200": 4}}
APPLIED = [{"ticket_id": "t1", "kind": "tags"}, {"ticket_id": "t1", "kind": "reply"}]


def audit(ingress_id: str, what: str, outcome: Outcome | None = None) -> Audit:
    return Audit(
        stage="act", what=what, ingress_id=ingress_id, outcome=outcome, at=12.5, received_at=10.0,
        conversation_hash=conversation_hash("default", "t1"),
    )  # fmt: skip


GOOD = (
    audit("i1", "routed"),
    audit("i1", "replied"),
    audit("i1", "ended", Outcome.ACTED),
    audit("i2", "duplicated", Outcome.DUPLICATE),
    audit("i3", "quarantined", Outcome.QUARANTINED),
)


def judged(*audits: Audit, **changed: Any) -> dict[str, Any]:
    trail = Trail()
    for each in audits:
        trail.add(each)
    given = {"sender": SENDER, "vendor": VENDOR, "applied": APPLIED, **changed}
    return report(trail=trail, restarts={"act": 1}, **given)


def test_webhooks_without_words_are_counted_as_sent_and_as_read() -> None:
    sender = {**SENDER, "accepted_ids": {"i1": "bare", "i4": "bare", "i2": "message"}}
    read = audit("i1", "classified").model_copy(update={"detail": {"read": True}})
    figures = judged(read, sender=sender)
    assert (figures["bare_sent"], figures["bare_read"]) == (2, 1)


def test_a_run_that_kept_every_promise() -> None:
    figures = judged(*GOOD, *GOOD)
    assert figures["kept"]
    assert broken_promises(figures) == []
    assert figures["outcomes"] == {"acted": 1, "duplicate": 1, "quarantined": 1}
    assert figures["latency_seconds"] == {"p50": 2.5, "p95": 2.5, "p99": 2.5}


@pytest.mark.parametrize(
    ("audits", "changed", "words"),
    [
        (GOOD[:2], {}, "accepted webhooks without an outcome"),
        (GOOD, {"vendor": {**VENDOR, "double_replies": 1}}, "replies that were sent twice"),
        ((*GOOD, audit("i1", "ended", Outcome.WITHHELD)), {}, "two different outcomes"),
        (GOOD, {"applied": APPLIED[:1]}, "routes or replies that the helpdesk has not"),
        (GOOD, {"applied": APPLIED[1:]}, "routes or replies that the helpdesk has not"),
        ((*GOOD[:3], GOOD[4]), {}, "duplicates sent and found differ"),
        (GOOD[:4], {}, "broken bodies and quarantine differ"),
        (GOOD, {"sender": {**SENDER, "failed": 1}}, "webhooks that were refused"),
    ],
)
def test_each_broken_promise_is_told(
    audits: tuple[Audit, ...], changed: dict[str, Any], words: str
) -> None:
    figures = judged(*audits, **changed)
    assert not figures["kept"]
    assert any(words in each for each in broken_promises(figures))
