"""What a reply about an order says: what is known of a linked one, else a question.

Disclosure hangs on the link alone, which the helpdesk has made: an order number in a message
proves nothing about who wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipeline.domain.taxonomy import VERIFIED_TEMPLATES, Intent
from pipeline.domain.templates import template_variables

STATUS_WORDS = MappingProxyType(
    {
        "fulfilled": "shipped",
        "partial": "partly shipped",
        "partially_fulfilled": "partly shipped",
        "unfulfilled": "not shipped yet",
    }
)
"""The vendors' word -> the customer's. What is not here is not told: a person can explain it."""


@dataclass(frozen=True)
class OrderFacts:
    """What is known of the order that is linked to a ticket."""

    number: str | None
    status: str | None
    tracking_url: str | None


@dataclass(frozen=True)
class Words:
    """A template and the values of its variables."""

    template: str
    variables: Mapping[str, str]


def asks_for_order(intent: Intent) -> bool:
    """Whether knowing the order would make a better reply."""
    return intent in VERIFIED_TEMPLATES


def words_for(intent: Intent, planned: str, order: OrderFacts | None) -> Words:
    """The verified reply where everything that it says is known, else the planned one."""
    verified = VERIFIED_TEMPLATES.get(intent)
    if verified is None or order is None:
        return Words(planned, {})
    known = {
        "order_number": order.number,
        "order_status": STATUS_WORDS.get((order.status or "").casefold()),
        "tracking_url": order.tracking_url,
    }
    values = {name: known.get(name) for name in template_variables(verified)}
    complete = {name: value for name, value in values.items() if value}
    return Words(verified, complete) if len(complete) == len(values) else Words(planned, {})
