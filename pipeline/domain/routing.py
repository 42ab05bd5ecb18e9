"""From several intents to one, and from one intent to a team and tags."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.domain.taxonomy import EMAIL_TEAM, HANDLING, Intent, default_team

TRIAGE_TAG = "needs_manual_triage"

_CHANGES = (
    Intent.CANCEL_ORDER,
    Intent.ADDRESS_CHANGE_ORDER_EDIT,
    Intent.CANCEL_SUBSCRIPTION,
)
_CAUSES = (
    Intent.DAMAGED_ITEM,
    Intent.WRONG_ITEM_RECEIVED,
    Intent.MISSING_ITEMS_IN_SHIPMENT,
    Intent.DELIVERED_NOT_RECEIVED,
)
_OUTCOMES = (Intent.EXCHANGE_REQUEST, Intent.REFUND_REQUEST, Intent.RETURN_REQUEST)
STATUS = (Intent.SHIPPING_DELAY_NOT_SHIPPED, Intent.ORDER_STATUS_TRACKING)
_SERIOUS = (
    Intent.HARASSMENT_THREATS,
    Intent.LEGAL_THREAT,
    Intent.CHARGEBACK_DISPUTE,
    Intent.FRAUD_SUSPECTED,
)
PRECEDENCE: tuple[Intent, ...] = (*_SERIOUS, *_CHANGES, *_CAUSES, *_OUTCOMES)
"""Tier 0 beats all; a wish to change beats its cause, a cause its outcome (DOMAIN section 3).

What stands in neither list comes between the two; status questions lose to everything but
``unknown_other``.
"""


def choose(intents: Collection[Intent]) -> Intent:
    """The one intent that decides the route of a message with several.

    Raises:
        ValueError: none was given.
    """
    return min(intents, key=_rank)


def _rank(intent: Intent) -> tuple[int, str]:
    if intent in PRECEDENCE:
        return PRECEDENCE.index(intent), intent
    middle = len(PRECEDENCE)
    if intent in STATUS:
        return middle + 1 + STATUS.index(intent), intent
    return (middle + 10 if intent is Intent.UNKNOWN_OTHER else middle), intent


@dataclass(frozen=True)
class Route:
    """Where a ticket goes: the team's name, and the tags that say so."""

    team: str
    tags: tuple[str, ...]


def route(
    intent: Intent,
    *,
    channel: str,
    known_teams: Collection[str] | None = None,
    prefix: str = "mw",
    triage: bool = False,
) -> Route:
    """The route for `intent`.

    A team that the helpdesk does not have (`known_teams`, None = not asked) falls back to the
    email team and a ``<prefix>-needs-...`` tag that names the missing one: the intent's own where
    it has one. `triage` marks the ticket for a human.
    """
    handling = HANDLING[intent]
    team = default_team(channel) if intent is Intent.UNKNOWN_OTHER else handling.team
    tags = [f"{prefix}-{tag}" for tag in handling.tags]
    if known_teams is not None and team not in known_teams:
        if not any(tag.startswith("needs-") for tag in handling.tags):
            tags.append(f"{prefix}-needs-{slug(team)}")
        team = EMAIL_TEAM
    tags += [f"{prefix}-processed", f"{prefix}-routing-applied", f"route-{slug(team)}"]
    if triage:
        tags.append(TRIAGE_TAG)
    return Route(team, tuple(dict.fromkeys(tags)))


def slug(team: str) -> str:
    """A team's name as a tag can hold it."""
    return re.sub(r"[^a-z0-9]+", "-", team.casefold()).strip("-")
