"""Whether a step may be executed, asked at the last instant before the call.

Plain values in, `Allow` or `Withhold` out. The grounds stand in the order in which an operator
wants to hear about them: what the operator decided, what was sent already, what the ticket is and
what happened on it meanwhile, what the message is. The first one is the reason; there is only one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.domain.conversation import TicketView
from pipeline.domain.modes import Mode
from pipeline.domain.taxonomy import Confidence

IGNORE_TAG = "switchboard-ignore"
"""On a ticket that automation must leave alone altogether."""
VIP_TAG = "vip"
"""On a ticket that only people answer."""
EMAIL_CHANNELS = frozenset({"email", "email_widget"})
"""Channels whose customers are reached by a message in the name of an agent only (DOMAIN 2)."""
TIER_HUMAN_ONLY = 0
EVERYONE = "*"
"""The entry of an allow-list that stands for every customer."""
_SURE_ENOUGH = frozenset({Confidence.HIGH, Confidence.MEDIUM})
SHORT, DAY = 600.0, 86_400.0
"""Seconds in which replies are counted: ten minutes, and a day."""


class WithheldReason(StrEnum):
    """Why a step was not executed."""

    MODE = "mode"
    CHANNEL = "channel"
    TEMPLATE_OFF = "template_off"
    ALLOW_LIST = "allow_list"
    CAP_TICKET_10M = "cap_ticket_10m"
    CAP_TICKET_24H = "cap_ticket_24h"
    CAP_CUSTOMER_24H = "cap_customer_24h"
    CAP_UNKNOWN = "cap_unknown"
    """What the customer was sent is not known freshly enough to count it."""
    TICKET_CLOSED = "ticket_closed"
    HUMAN_ANSWERED = "human_answered"
    NEWER_MESSAGE = "newer_message"
    VIP = "vip"
    IGNORE_TAG = "ignore_tag"
    ALREADY_REPLIED = "already_replied"
    """We answered, and no human has written since: two machines would talk for ever."""
    TIER_0 = "tier_0"
    LOW_CONFIDENCE = "low_confidence"
    """Nobody was sure what the message is about; medium confidence is enough for a draft."""
    NO_TEXT = "no_text"
    TOO_OLD = "too_old"
    NO_BOT_AGENT = "no_bot_agent"


@dataclass(frozen=True)
class Policy:
    """What the operator has set for all tickets."""

    reply_channels: Collection[str]
    allow_list: Collection[str] = ()
    """Who may be answered in `live`: addresses, ``@domain``, ticket ids or ``*``. Empty = nobody."""
    has_bot_agent: bool = True
    """Whether there is an agent in whose name emails can be sent."""
    per_ticket_10m: int = 1
    per_ticket_24h: int = 3
    per_customer_24h: int = 5
    max_age: float = 900.0
    """Seconds after the message came; an automatic answer later than that puzzles a customer."""


@dataclass(frozen=True)
class Asked:
    """The reply that is asked for."""

    channel: str
    """Where the customer wrote."""
    ticket_id: str
    customer: str | None
    template_is_on: bool
    tier: int
    """Of the intent; 0 = human only (DOMAIN section 3)."""
    has_text: bool
    """Whether the customer's message has any words."""
    received_at: float
    """Unix seconds."""
    confidence: str = Confidence.HIGH
    """Of the decision; a word that is not in `Confidence` counts as low."""


@dataclass(frozen=True)
class Earlier:
    """When other replies were reserved, unix seconds; the one that is asked for is not among them."""

    on_ticket: Sequence[float] = ()
    to_customer: Sequence[float] | None = ()
    """None = not known freshly enough."""


@dataclass(frozen=True)
class Allow:
    """The step may be executed now; a reply `as_note` goes to a human, who may send it."""

    as_note: bool = False


@dataclass(frozen=True)
class Withhold:
    """The step must not be executed."""

    reason: WithheldReason


Verdict = Allow | Withhold


def may_route(mode: Mode) -> bool:
    """Whether `mode` lets anything be written at the helpdesk."""
    return mode >= Mode.ROUTE_ONLY


def reply_form(mode: Mode) -> Allow | None:
    """The most that `mode` allows of a reply."""
    return {Mode.DRAFT: Allow(as_note=True), Mode.LIVE: Allow()}.get(mode)


def capped(form: Allow, confidence: str) -> Allow:
    """`form` where the decision is sure; the words of one that is less so a human sends, or not."""
    return form if confidence == Confidence.HIGH else Allow(as_note=True)


def still_allowed(form: Allow, mode: Mode) -> bool:
    """Whether what was allowed is so under `mode` too; a note is what `live` allows as well."""
    now = reply_form(mode)
    return now is not None and (form.as_note or not now.as_note)


def permit_route(mode: Mode, ticket: TicketView) -> Verdict:
    """Asks for team and tags: only the mode and the tag that forbids everything count."""
    if not may_route(mode):
        return Withhold(WithheldReason.MODE)
    if IGNORE_TAG in ticket.tags:
        return Withhold(WithheldReason.IGNORE_TAG)
    return Allow()


def permit_reply(
    asked: Asked, *, mode: Mode, policy: Policy, ticket: TicketView, earlier: Earlier, now: float
) -> Verdict:
    """Asks for one reply.

    What reaches a customer needs the mode `live` and high confidence; medium makes a draft of it,
    low nothing. The allow-list and the agent to send as concern what reaches a customer; a note
    needs neither. All else counts in every mode.

    Args:
        asked: the reply.
        mode: the effective mode.
        policy: what the operator has set.
        ticket: as it was read just now.
        earlier: other replies to the same ticket and customer.
        now: unix seconds.
    """
    form = reply_form(mode)
    if form is None:
        return Withhold(WithheldReason.MODE)
    form = capped(form, asked.confidence)
    grounds = [
        _operator(asked, policy, sends=not form.as_note),
        _caps(policy, earlier, now),
        _ticket(ticket),
        _message(asked, policy, now, sends=not form.as_note),
    ]
    first = next((reason for part in grounds for denied, reason in part if denied), None)
    return form if first is None else Withhold(first)


Grounds = Iterator[tuple[bool, WithheldReason]]


def _operator(asked: Asked, policy: Policy, *, sends: bool) -> Grounds:
    yield asked.channel not in policy.reply_channels, WithheldReason.CHANNEL
    yield not asked.template_is_on, WithheldReason.TEMPLATE_OFF
    yield sends and not is_listed(asked, policy.allow_list), WithheldReason.ALLOW_LIST


def is_listed(asked: Asked, allow_list: Collection[str]) -> bool:
    """Whether the customer or the ticket stands on the list, in any case of letters."""
    customer = (asked.customer or "").casefold()
    names = {EVERYONE, asked.ticket_id.casefold(), customer, "@" + customer.rpartition("@")[2]}
    return any(entry.casefold() in names - {"", "@"} for entry in allow_list)


def _caps(policy: Policy, earlier: Earlier, now: float) -> Grounds:
    ticket, customer = earlier.on_ticket, earlier.to_customer
    yield _count(ticket, now, SHORT) >= policy.per_ticket_10m, WithheldReason.CAP_TICKET_10M
    yield _count(ticket, now, DAY) >= policy.per_ticket_24h, WithheldReason.CAP_TICKET_24H
    yield customer is None, WithheldReason.CAP_UNKNOWN
    yield (
        _count(customer or (), now, DAY) >= policy.per_customer_24h,
        WithheldReason.CAP_CUSTOMER_24H,
    )


def _count(times: Sequence[float], now: float, seconds: float) -> int:
    # A time ahead of `now` is another worker's clock; it counts.
    return sum(at > now - seconds for at in times)


def _ticket(ticket: TicketView) -> Grounds:
    yield not ticket.is_open, WithheldReason.TICKET_CLOSED
    yield ticket.human_wrote_last, WithheldReason.HUMAN_ANSWERED
    yield ticket.has_newer_customer_message, WithheldReason.NEWER_MESSAGE
    yield VIP_TAG in ticket.tags, WithheldReason.VIP
    yield IGNORE_TAG in ticket.tags, WithheldReason.IGNORE_TAG
    yield ticket.replied_since_human, WithheldReason.ALREADY_REPLIED


def _message(asked: Asked, policy: Policy, now: float, *, sends: bool) -> Grounds:
    lacks_sender = asked.channel in EMAIL_CHANNELS and not policy.has_bot_agent
    yield asked.tier == TIER_HUMAN_ONLY, WithheldReason.TIER_0
    yield asked.confidence not in _SURE_ENOUGH, WithheldReason.LOW_CONFIDENCE
    yield not asked.has_text, WithheldReason.NO_TEXT
    yield now - asked.received_at > policy.max_age, WithheldReason.TOO_OLD
    yield sends and lacks_sender, WithheldReason.NO_BOT_AGENT
