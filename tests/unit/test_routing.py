from __future__ import annotations

import pytest

from pipeline.domain.routing import choose, route, slug
from pipeline.domain.taxonomy import HANDLING, Intent


def test_a_route_has_the_fixed_tags_and_exactly_one_team_tag() -> None:
    where = route(Intent.PROMO_DISCOUNT_ISSUE, channel="email", prefix="xy", triage=True)
    assert where.team == "Sales Team"
    assert set(where.tags) == {
        "xy-intent-promo", "xy-needs-sales", "xy-processed", "xy-routing-applied",
        "route-sales-team", "needs_manual_triage",
    }  # fmt: skip


def test_a_team_that_the_helpdesk_lacks_falls_back_to_email_and_says_which() -> None:
    where = route(Intent.DAMAGED_ITEM, channel="tiktok", known_teams={"Email Support Team"})
    assert where.team == "Email Support Team"
    assert "mw-needs-returns-admin" in where.tags
    assert [tag for tag in where.tags if tag.startswith("route-")] == ["route-email-support-team"]


def test_a_missing_team_that_the_intent_names_already_is_not_named_twice() -> None:
    where = route(Intent.PRE_PURCHASE_QUESTION, channel="email", known_teams=())
    needs = [tag for tag in where.tags if tag.startswith("mw-needs-")]
    assert (where.team, needs) == ("Email Support Team", ["mw-needs-sales"])


def test_a_team_that_the_helpdesk_has_is_kept() -> None:
    where = route(Intent.DAMAGED_ITEM, channel="email", known_teams={"Returns Admin"})
    assert where.team == "Returns Admin"
    assert not [tag for tag in where.tags if "needs" in tag]


@pytest.mark.parametrize("intent", list(Intent))
def test_every_intent_has_one_team_tag_and_its_own_tags_once(intent: Intent) -> None:
    where = route(intent, channel="email")
    assert [tag for tag in where.tags if tag.startswith("route-")] == [f"route-{slug(where.team)}"]
    assert {f"mw-{tag}" for tag in HANDLING[intent].tags} <= set(where.tags)
    assert len(where.tags) == len(set(where.tags))


def test_what_nobody_understood_goes_to_the_default_team_of_its_channel() -> None:
    assert route(Intent.UNKNOWN_OTHER, channel="live_chat").team == "LiveChat Support"
    assert route(Intent.UNKNOWN_OTHER, channel="email").team == "Email Support Team"


def test_a_team_is_spelled_as_a_tag_can_hold_it() -> None:
    assert slug("Chargebacks / Disputes Team") == "chargebacks-disputes-team"


@pytest.mark.parametrize(
    ("intents", "chosen"),
    [
        ({Intent.REFUND_REQUEST, Intent.DAMAGED_ITEM}, Intent.DAMAGED_ITEM),
        ({Intent.CANCEL_ORDER, Intent.DAMAGED_ITEM}, Intent.CANCEL_ORDER),
        ({Intent.CANCEL_ORDER, Intent.LEGAL_THREAT}, Intent.LEGAL_THREAT),
        ({Intent.ORDER_STATUS_TRACKING, Intent.BILLING_ISSUE}, Intent.BILLING_ISSUE),
        ({Intent.CANCEL_ORDER, Intent.RETURN_REQUEST}, Intent.CANCEL_ORDER),
        ({Intent.REFUND_REQUEST, Intent.ORDER_STATUS_TRACKING}, Intent.REFUND_REQUEST),
        ({Intent.CHARGEBACK_DISPUTE, Intent.BILLING_ISSUE}, Intent.CHARGEBACK_DISPUTE),
        ({Intent.ORDER_STATUS_TRACKING, Intent.UNKNOWN_OTHER}, Intent.ORDER_STATUS_TRACKING),
    ],
)
def test_precedence(intents: set[Intent], chosen: Intent) -> None:
    assert choose(intents) is chosen


def test_nothing_cannot_be_chosen_from() -> None:
    with pytest.raises(ValueError, match="empty"):
        choose(set())
