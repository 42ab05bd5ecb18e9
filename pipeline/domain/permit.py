"""Whether a step may be executed, asked at the last instant before the call.

Plain values in, `Allow` or `Withhold` out. The checks stand in the order in which an operator
wants to hear about them: first what the operator decided, then what the ticket is, then what
happened on it meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

IGNORE_TAG = "switchboard-ignore"
"""On a ticket that automation must leave alone altogether."""
VIP_TAG = "vip"
"""On a ticket that only people answer."""
EMAIL_CHANNELS = frozenset({"email", "email_widget"})
"""Channels whose customers are reached by a message in the name of an agent only (DOMAIN 2)."""
TIER_HUMAN_ONLY = 0

_ROUTING_MODES = frozenset({"route_only", "draft", "live"})
_REPLYING_MODES = frozenset({"live"})


class WithheldReason(StrEnum):
    """Why a step was not executed."""

    MODE = "mode"
    CHANNEL = "channel"
    TIER_0 = "tier_0"
    NO_TEXT = "no_text"
    TICKET_CLOSED = "ticket_closed"
    VIP = "vip"
    HUMAN_ANSWERED = "human_answered"
    NEWER_MESSAGE = "newer_message"
    IGNORE_TAG = "ignore_tag"
    ALREADY_REPLIED = "already_replied"
    NO_BOT_AGENT = "no_bot_agent"


@dataclass(frozen=True)
class TicketView:
    """What a permit needs to know of a ticket as it is now."""

    is_open: bool
    tags: frozenset[str]
    """Names of the tags, in any case."""
    last_author_is_agent: bool
    """Whether the last message that the customer can see is an agent's."""
    has_newer_customer_message: bool
    """Whether the customer wrote again after the message that the step answers."""


@dataclass(frozen=True)
class Allow:
    """The step may be executed now."""


@dataclass(frozen=True)
class Withhold:
    """The step must not be executed."""

    reason: WithheldReason


def permit(
    kind: Literal["route", "reply"],
    *,
    mode: str,
    channel: str,
    reply_channels: Collection[str],
    tier: int,
    has_text: bool,
    ticket: TicketView,
    tag_prefix: str,
    has_bot_agent: bool,
) -> Allow | Withhold:
    """Asks for one step.

    Args:
        kind: a route needs the mode and an unmarked ticket; a reply needs everything.
        mode: the effective mode; one that is not known allows nothing.
        channel: where the customer wrote.
        reply_channels: channels that get automatic replies.
        tier: of the intent; 0 = human only (DOMAIN section 3).
        has_text: whether the customer's message has any words.
        ticket: the ticket as it was read just now.
        tag_prefix: of our own tags, e.g. ``mw``.
        has_bot_agent: whether there is an agent in whose name emails can be sent.
    """
    tags = frozenset(tag.casefold() for tag in ticket.tags)
    if kind == "route":
        denials = _route_denials(mode, tags)
    else:
        denials = _reply_denials(
            mode=mode,
            channel_may_reply=channel in reply_channels,
            tier=tier,
            has_text=has_text,
            ticket=ticket,
            tags=tags,
            replied_tag=f"{tag_prefix}-auto-replied",
            lacks_sender=channel in EMAIL_CHANNELS and not has_bot_agent,
        )
    first = next((reason for denied, reason in denials if denied), None)
    return Allow() if first is None else Withhold(first)


def _route_denials(mode: str, tags: frozenset[str]) -> Iterator[tuple[bool, WithheldReason]]:
    yield mode not in _ROUTING_MODES, WithheldReason.MODE
    yield IGNORE_TAG in tags, WithheldReason.IGNORE_TAG


def _reply_denials(
    *,
    mode: str,
    channel_may_reply: bool,
    tier: int,
    has_text: bool,
    ticket: TicketView,
    tags: frozenset[str],
    replied_tag: str,
    lacks_sender: bool,
) -> Iterator[tuple[bool, WithheldReason]]:
    yield mode not in _REPLYING_MODES, WithheldReason.MODE
    yield not channel_may_reply, WithheldReason.CHANNEL
    yield tier == TIER_HUMAN_ONLY, WithheldReason.TIER_0
    yield not has_text, WithheldReason.NO_TEXT
    yield not ticket.is_open, WithheldReason.TICKET_CLOSED
    yield VIP_TAG in tags, WithheldReason.VIP
    yield ticket.last_author_is_agent, WithheldReason.HUMAN_ANSWERED
    yield ticket.has_newer_customer_message, WithheldReason.NEWER_MESSAGE
    yield IGNORE_TAG in tags, WithheldReason.IGNORE_TAG
    yield replied_tag in tags, WithheldReason.ALREADY_REPLIED
    yield lacks_sender, WithheldReason.NO_BOT_AGENT
