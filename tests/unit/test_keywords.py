from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pipeline.domain.evaluation import Judged, evaluate
from pipeline.domain.keywords import MAX_TEXT, classify_by_keywords, normalise, tier0
from pipeline.domain.taxonomy import Intent

EMAILS = [
    ("Hi team,\n\nplease cancel order #44120, I ordered it by accident.\n\nThanks,\nDana", Intent.CANCEL_ORDER),
    ("I just moved. Could you update the shipping address on my last order to 12 Elm St?", Intent.ADDRESS_CHANGE_ORDER_EDIT),
    ("Tracking says delivered on Monday but I have not received anything.", Intent.DELIVERED_NOT_RECEIVED),
    ("One of the cups was missing from the package.", Intent.MISSING_ITEMS_IN_SHIPMENT),
    ("You sent me the wrong size, I ordered a medium.", Intent.WRONG_ITEM_RECEIVED),
    ("The screen arrived cracked, see photos.", Intent.DAMAGED_ITEM),
    ("How do I stop my monthly subscription?", Intent.CANCEL_SUBSCRIPTION),
    ("I was charged twice for order 9912", Intent.BILLING_ISSUE),
    ("My promo code SAVE10 doesn't work", Intent.PROMO_DISCOUNT_ISSUE),
    ("Do you ship to Norway?", Intent.PRE_PURCHASE_QUESTION),
    ("I'm a content creator and would love to be a brand ambassador", Intent.INFLUENCER_MARKETING_INQUIRY),
    ("I would like to return these shoes", Intent.RETURN_REQUEST),
    ("Can I exchange this for a larger size?", Intent.EXCHANGE_REQUEST),
    ("I want my money back", Intent.REFUND_REQUEST),
    ("I can't log in, I forgot my password", Intent.TECHNICAL_SUPPORT),
    ("Your website keeps crashing at checkout", Intent.TECHNICAL_SUPPORT),
    ("Can I speak to a real person please", Intent.PHONE_SUPPORT_REQUEST),
    ("I bought this through tiktok shop", Intent.TIKTOK_SUPPORT_REQUEST),
    ("I commented on your instagram post for the giveaway", Intent.SOCIAL_MEDIA_SUPPORT_REQUEST),
    ("Where is my package?", Intent.ORDER_STATUS_TRACKING),
    ("It has been 12 days and my order still hasn't shipped", Intent.SHIPPING_DELAY_NOT_SHIPPED),
    ("I want to leave a review", Intent.UNKNOWN_OTHER),
    ("My bank will do a charge back", Intent.CHARGEBACK_DISPUTE),
    ("My attorney will be in touch", Intent.LEGAL_THREAT),
    ("I will find you", Intent.HARASSMENT_THREATS),
    ("Someone used my card, I never made this purchase", Intent.FRAUD_SUSPECTED),
    ("The vase came broken, cancel the rest of the order and refund me", Intent.CANCEL_ORDER),
]  # fmt: skip


@pytest.mark.parametrize(("text", "intent"), EMAILS)
def test_an_ordinary_message_is_told(text: str, intent: Intent) -> None:
    verdict = classify_by_keywords(text)
    assert verdict is not None
    assert verdict.intent is intent
    assert verdict.reasons


@pytest.mark.parametrize("text", ["", "ok thanks", "Hello?", "Good morning, hope you are well"])
def test_what_says_nothing_is_left_undecided(text: str) -> None:
    assert classify_by_keywords(text) is None


def test_a_wish_that_is_denied_is_not_a_wish() -> None:
    verdict = classify_by_keywords("I don't want to cancel my order, I only ask where it is")
    assert verdict is not None
    assert verdict.intent is Intent.ORDER_STATUS_TRACKING


def test_equal_claims_of_two_teams_are_left_undecided() -> None:
    text = "Do you ship to Norway? And please call me back."
    assert classify_by_keywords(text) is None


def test_tier_0_is_only_what_is_serious() -> None:
    assert tier0("Where is my order?") is None
    assert tier0("I am disputing this with my credit card company") is not None


def test_reasons_are_codes_and_never_words_of_the_customer() -> None:
    verdict = classify_by_keywords("Please cancel order #99120 for Dana Lovelace")
    assert verdict is not None
    assert set(verdict.reasons) <= {"cancel_order", "order_status", "order_edit"}


def test_a_very_long_text_is_cut_before_it_is_matched() -> None:
    assert len(normalise("a " * 100_000)) <= MAX_TEXT
    assert classify_by_keywords("cancel " * 50_000) is None


def test_the_sample_messages_are_routed_to_the_right_team() -> None:
    file = Path(__file__).parents[2] / "sandbox" / "data" / "messages.csv"
    with file.open(newline="") as opened:
        rows = [(row["text"], Intent(row["intent"])) for row in csv.DictReader(opened)]
    verdicts = [classify_by_keywords(text) for text, _ in rows]
    judged = [
        Judged(truth, None if verdict is None else verdict.intent)
        for (_, truth), verdict in zip(rows, verdicts, strict=True)
    ]
    team = evaluate(judged)["team"]
    assert team["precision"] >= 0.97
    assert team["share_decided"] >= 0.60
