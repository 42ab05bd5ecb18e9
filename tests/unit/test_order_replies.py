from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.domain.order_replies import OrderFacts, Words, asks_for_order, words_for
from pipeline.domain.shedding import why_shed
from pipeline.domain.taxonomy import Intent

STATUS, DELAY = Intent.ORDER_STATUS_TRACKING, Intent.SHIPPING_DELAY_NOT_SHIPPED
ASK = "t_order_status_ask_order_number"
FACTS = OrderFacts("#1001", "fulfilled", "https://track.example.com/1")


def test_a_linked_order_is_told_with_its_tracking() -> None:
    assert words_for(STATUS, ASK, FACTS) == Words(
        "t_order_status_verified",
        {
            "order_number": "#1001",
            "order_status": "shipped",
            "tracking_url": "https://track.example.com/1",
        },
    )


def test_a_delayed_order_is_told_without_tracking() -> None:
    assert words_for(DELAY, ASK, FACTS) == Words(
        "t_shipping_delay_verified", {"order_number": "#1001", "order_status": "shipped"}
    )


@pytest.mark.parametrize(
    "facts",
    [
        None,
        replace(FACTS, number=None),
        replace(FACTS, status=None),
        replace(FACTS, status="seized by customs"),
        replace(FACTS, tracking_url=None),
    ],
)
def test_without_a_linked_order_or_all_that_would_be_said_the_reply_asks(
    facts: OrderFacts | None,
) -> None:
    assert words_for(STATUS, ASK, facts) == Words(ASK, {})


def test_no_other_intent_discloses_an_order() -> None:
    for intent in set(Intent) - {STATUS, DELAY}:
        assert not asks_for_order(intent)
        assert words_for(intent, "t_refund_request_intake", FACTS).variables == {}
    assert asks_for_order(STATUS)
    assert asks_for_order(DELAY)


@pytest.mark.parametrize(
    ("mode", "flagged", "closed", "why"),
    [
        ("live", False, False, None),
        ("draft", False, False, None),
        ("route_only", False, False, "mode"),
        ("stop", True, True, "mode"),
        ("live", True, True, "flag"),
        ("live", False, True, "gate_closed"),
    ],
)
def test_optional_calls_are_the_first_to_go(
    mode: str, flagged: bool, closed: bool, why: str | None
) -> None:
    assert why_shed(mode=mode, is_flagged=flagged, is_closed=closed) == why
