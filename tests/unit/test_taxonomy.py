from __future__ import annotations

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


def test_the_default_team_follows_the_channel() -> None:
    assert default_team("live_chat") == "LiveChat Support"
    assert default_team("email") == default_team("a channel of tomorrow") == "Email Support Team"
    assert {default_team("live_chat"), default_team("email")} <= TEAMS


def test_what_is_only_routed_has_no_template() -> None:
    routed = {
        Intent.PHONE_SUPPORT_REQUEST,
        Intent.TIKTOK_SUPPORT_REQUEST,
        Intent.SOCIAL_MEDIA_SUPPORT_REQUEST,
        Intent.UNKNOWN_OTHER,
    }
    silent = {each for each in Intent if allowed_template(each, has_linked_order=True) is None}
    assert silent == routed | {each for each in Intent if tier_of(each) == 0}
