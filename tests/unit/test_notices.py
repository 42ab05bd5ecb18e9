from __future__ import annotations

from pipeline.domain.alerts import AlertState, BudgetUse, Due, Phase, Rule, Severity, Telling
from pipeline.domain.notices import (
    AGAIN_AFTER,
    Delivery,
    GivenUp,
    Notice,
    failed,
    given_up,
    notice_of,
    notice_of_budget,
    sentence,
    slack_body,
    webhook_body,
)

RULE = Rule.model_validate(
    {
        "name": "throttled", "severity": "SEV2", "title": "A vendor answers 429",
        "signal": "gate_closed_seconds", "enter": 10, "leave": 2, "runbook": "a-vendor",
        "lever": "./switchboard limits show",
    }
)  # fmt: skip
STATE = AlertState(
    rule="throttled", group="richpanel", severity=Severity.SEV2, phase=Phase.FIRING, since=100.0,
    value=0.25, worst=0.5, fired_at=100.0, incident="i1",
)  # fmt: skip


def notice(kind: Telling = Telling.FIRED, at: float = 101.0, state: AlertState = STATE) -> Notice:
    return notice_of(Due(kind, state), RULE, at=at, runbook="RUNBOOK.md")


def test_a_notice_says_what_how_bad_and_what_to_do() -> None:
    assert sentence(notice()) == (
        "[SEV2] A vendor answers 429 (richpanel): fired, 0.25. First lever: "
        "./switchboard limits show - RUNBOOK.md#a-vendor"
    )
    assert sentence(notice(Telling.CLOSED, 160.0)) == (
        "[SEV2] A vendor answers 429 (richpanel): closed, 0.5 at its worst, after 60 s"
    )
    whole = STATE.model_copy(update={"group": "all", "fired_at": None})
    assert "(all)" not in sentence(notice(state=whole))
    assert slack_body(notice()) == {"text": sentence(notice())}


def test_the_same_telling_has_the_same_id_and_a_reminder_its_own() -> None:
    assert notice().id == notice(at=150.0).id
    ids = {notice(kind, at).id for kind in Telling for at in (101.0, 1001.0)}
    assert len(ids) == 4
    again = notice(state=STATE.model_copy(update={"pulled_at": 480.0}))
    assert again.id not in ids


def test_a_webhook_has_the_shape_that_the_standard_proposes() -> None:
    body = webhook_body(notice())
    assert body["type"] == "alert.fired"
    assert body["timestamp"] == "1970-01-01T00:01:41+00:00"
    assert body["data"]["rule"] == "throttled"


def test_a_budget_is_told_in_per_cent() -> None:
    told = notice_of_budget(BudgetUse("openai", 0.9, 0.93), at=5.0, runbook="R")
    assert "90% of the budget is used (openai)" in sentence(told)


def test_a_failing_sink_is_tried_for_half_a_day_and_then_given_up() -> None:
    delivery = Delivery(notice=notice(), sink="slack", next_at=0.0)
    waits = []
    while (again := failed(delivery, now=delivery.next_at, uniform=lambda low, _: low)) is not None:
        waits.append(again.next_at - delivery.next_at)
        delivery = again
        assert delivery.key == f"notice/{notice().id}/slack"
    assert tuple(waits) == AGAIN_AFTER


def test_what_is_given_up_is_counted_from_the_first_on_with_the_last_reason() -> None:
    delivery = Delivery(notice=notice(), sink="slack", next_at=0.0)
    first = given_up(None, delivery, "http_410", now=5.0)
    assert given_up(first, delivery, "left_alone", now=9.0) == GivenUp(
        sink="slack", notices=2, since=5.0, code="left_alone"
    )
