from __future__ import annotations

import pytest

from pipeline.domain.routing import choose, route, slug
from pipeline.domain.taxonomy import (
    HANDLING,
    TEAMS,
    Intent,
    allowed_template,
    default_team,
    tier_of,
)
from pipeline.domain.templates import template_ids, template_variables


def test_every_intent_has_a_team_and_a_tag() -> None:
    assert set(HANDLING) == set(Intent)
    assert all(handling.tags for handling in HANDLING.values())


def test_every_template_exists_and_needs_nothing_that_is_not_known() -> None:
    for intent in Intent:
        template = allowed_template(intent, has_linked_order=False)
        if template is not None:
            assert template in template_ids()
            assert template_variables(template) == frozenset()


def test_tier_0_never_has_a_template() -> None:
    serious = [intent for intent in Intent if tier_of(intent) == 0]
    assert len(serious) == 4
    assert all(allowed_template(intent, has_linked_order=True) is None for intent in serious)


def test_an_order_is_disclosed_only_when_one_is_linked() -> None:
    intent = Intent.ORDER_STATUS_TRACKING
    assert allowed_template(intent, has_linked_order=True) == "t_order_status_verified"
    assert allowed_template(intent, has_linked_order=False) == "t_order_status_ask_order_number"


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


def test_the_default_team_follows_the_channel() -> None:
    assert default_team("live_chat") == "LiveChat Support"
    assert route(Intent.UNKNOWN_OTHER, channel="live_chat").team in TEAMS
    assert slug("Chargebacks / Disputes Team") == "chargebacks-disputes-team"


@pytest.mark.parametrize(
    ("intents", "chosen"),
    [
        ({Intent.REFUND_REQUEST, Intent.DAMAGED_ITEM}, Intent.DAMAGED_ITEM),
        ({Intent.CANCEL_ORDER, Intent.DAMAGED_ITEM}, Intent.CANCEL_ORDER),
        ({Intent.CANCEL_ORDER, Intent.LEGAL_THREAT}, Intent.LEGAL_THREAT),
        ({Intent.ORDER_STATUS_TRACKING, Intent.BILLING_ISSUE}, Intent.BILLING_ISSUE),
        ({Intent.ORDER_STATUS_TRACKING, Intent.UNKNOWN_OTHER}, Intent.ORDER_STATUS_TRACKING),
    ],
)
def test_precedence(intents: set[Intent], chosen: Intent) -> None:
    assert choose(intents) is chosen
