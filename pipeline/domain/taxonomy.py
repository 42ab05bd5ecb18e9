"""Intents, who handles them, and what automation may do about each (DOMAIN section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

EMAIL_TEAM = "Email Support Team"
LIVE_CHAT_TEAM = "LiveChat Support"


class Intent(StrEnum):
    """What a message is about."""

    ORDER_STATUS_TRACKING = "order_status_tracking"
    SHIPPING_DELAY_NOT_SHIPPED = "shipping_delay_not_shipped"
    DELIVERED_NOT_RECEIVED = "delivered_not_received"
    MISSING_ITEMS_IN_SHIPMENT = "missing_items_in_shipment"
    WRONG_ITEM_RECEIVED = "wrong_item_received"
    DAMAGED_ITEM = "damaged_item"
    CANCEL_ORDER = "cancel_order"
    ADDRESS_CHANGE_ORDER_EDIT = "address_change_order_edit"
    CANCEL_SUBSCRIPTION = "cancel_subscription"
    BILLING_ISSUE = "billing_issue"
    PROMO_DISCOUNT_ISSUE = "promo_discount_issue"
    PRE_PURCHASE_QUESTION = "pre_purchase_question"
    INFLUENCER_MARKETING_INQUIRY = "influencer_marketing_inquiry"
    RETURN_REQUEST = "return_request"
    EXCHANGE_REQUEST = "exchange_request"
    REFUND_REQUEST = "refund_request"
    TECHNICAL_SUPPORT = "technical_support"
    PHONE_SUPPORT_REQUEST = "phone_support_request"
    TIKTOK_SUPPORT_REQUEST = "tiktok_support_request"
    SOCIAL_MEDIA_SUPPORT_REQUEST = "social_media_support_request"
    CHARGEBACK_DISPUTE = "chargeback_dispute"
    LEGAL_THREAT = "legal_threat"
    HARASSMENT_THREATS = "harassment_threats"
    FRAUD_SUSPECTED = "fraud_suspected"
    UNKNOWN_OTHER = "unknown_other"


class Confidence(StrEnum):
    """High may send, medium at most drafts, low routes with a human's look."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True)
class Verdict:
    """An intent and why; `reasons` are rule codes, never a customer's words."""

    intent: Intent
    confidence: Confidence
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Handling:
    """Who handles an intent. `tags` without prefix; `template` None = nobody is answered.

    Tier 0 = human only; 1 = an intake or information template; tier 2 (a verified reply) needs a
    linked order and is not a property of the intent alone.
    """

    team: str
    tags: tuple[str, ...]
    tier: int = 1
    template: str | None = None


def _returns(tag: str, template: str) -> Handling:
    return Handling("Returns Admin", (f"intent-{tag}",), template=f"t_{template}_intake")


def _email(tag: str, template: str) -> Handling:
    return Handling(EMAIL_TEAM, (f"intent-{tag}",), template=f"t_{template}")


def _human(team: str, tag: str) -> Handling:
    return Handling(team, (f"intent-{tag}",), tier=0)


HANDLING: dict[Intent, Handling] = {
    Intent.ORDER_STATUS_TRACKING: _email("order-status", "order_status_ask_order_number"),
    Intent.SHIPPING_DELAY_NOT_SHIPPED: _email("shipping-delay", "order_status_ask_order_number"),
    Intent.DELIVERED_NOT_RECEIVED: _returns("dnr", "delivered_not_received"),
    Intent.MISSING_ITEMS_IN_SHIPMENT: _returns("missing-items", "missing_items"),
    Intent.WRONG_ITEM_RECEIVED: _returns("wrong-item", "wrong_item"),
    Intent.DAMAGED_ITEM: _returns("damaged-item", "damaged_item"),
    Intent.CANCEL_ORDER: _email("cancel-order", "cancel_order_ack_intake"),
    Intent.ADDRESS_CHANGE_ORDER_EDIT: _email("address-change", "address_change_ack_intake"),
    Intent.CANCEL_SUBSCRIPTION: _email("cancel-subscription", "cancel_subscription_ack_intake"),
    Intent.BILLING_ISSUE: _email("billing", "billing_issue_intake"),
    Intent.PROMO_DISCOUNT_ISSUE: Handling(
        "Sales Team", ("intent-promo", "needs-sales"), template="t_promo_discount_info"
    ),
    Intent.PRE_PURCHASE_QUESTION: Handling(
        "Sales Team", ("intent-prepurchase", "needs-sales"), template="t_pre_purchase_info"
    ),
    Intent.INFLUENCER_MARKETING_INQUIRY: Handling(
        "Social Media Team", ("intent-influencer",), template="t_influencer_inquiry_route"
    ),
    Intent.RETURN_REQUEST: _returns("return", "return_request"),
    Intent.EXCHANGE_REQUEST: _returns("exchange", "exchange_request"),
    Intent.REFUND_REQUEST: _returns("refund", "refund_request"),
    Intent.TECHNICAL_SUPPORT: Handling(
        "Technical Support Team",
        ("intent-tech-support", "needs-tech-support"),
        template="t_technical_support_intake",
    ),
    Intent.PHONE_SUPPORT_REQUEST: Handling("Phone Support Team", ("intent-phone-support",)),
    Intent.TIKTOK_SUPPORT_REQUEST: Handling("TikTok Support", ("intent-tiktok",)),
    Intent.SOCIAL_MEDIA_SUPPORT_REQUEST: Handling("Social Media Team", ("intent-social",)),
    Intent.CHARGEBACK_DISPUTE: _human("Chargebacks / Disputes Team", "chargeback"),
    Intent.LEGAL_THREAT: _human("Leadership Team", "legal"),
    Intent.HARASSMENT_THREATS: _human("Leadership Team", "harassment"),
    Intent.FRAUD_SUSPECTED: _human("Leadership Team", "fraud"),
    Intent.UNKNOWN_OTHER: Handling(EMAIL_TEAM, ("intent-unknown",)),
}

VERIFIED_TEMPLATES = {
    Intent.ORDER_STATUS_TRACKING: "t_order_status_verified",
    Intent.SHIPPING_DELAY_NOT_SHIPPED: "t_shipping_delay_verified",
}
"""Templates that disclose an order; only ever with a linked one."""


def tier_of(intent: Intent) -> int:
    """0 = human only."""
    return HANDLING[intent].tier


def allowed_template(intent: Intent, *, has_linked_order: bool) -> str | None:
    """The template that may answer `intent`, or None where nobody is answered by itself."""
    if has_linked_order and intent in VERIFIED_TEMPLATES:
        return VERIFIED_TEMPLATES[intent]
    return HANDLING[intent].template


def default_team(channel: str) -> str:
    """Who gets what nobody could decide."""
    return LIVE_CHAT_TEAM if channel == "live_chat" else EMAIL_TEAM


TEAMS = frozenset({LIVE_CHAT_TEAM, *(handling.team for handling in HANDLING.values())})
