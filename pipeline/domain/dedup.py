"""Is a webhook new, the same delivery again, or a duplicate?

Presence of an event id is never a verdict: a worker killed between the mark and the commit gets
the same record again and must pass it on. So the entry holds the winner's coordinates. The same
coordinates are a redelivery; any other record of the same id is a duplicate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.domain.events import (
    AcceptedTicket,
    Message,
    UnreadableValue,
    strong_event_id,
    weak_event_id,
)
from pipeline.domain.webhook import WebhookBody

WEAK_BUCKET_SECONDS = 600
"""Two equal texts of one conversation within this time count as one when no message id is sent."""
BARE_BUCKET_SECONDS = 60
"""The same where there is no text either: enough for several rules that fire at one message, and
little, for a second message within it is taken for the first one again."""


class Seen(Message):
    """The winner of an event id: the value of the `seen` table."""

    partition: int
    offset: int
    ingress_id: str
    body_hash: str
    first_seen: float


@dataclass(frozen=True)
class Arrival:
    """One record of `tickets.received`; `at` is unix seconds of broker time."""

    partition: int
    offset: int
    ingress_id: str
    source: str
    received_at: float
    at: float
    body: bytes


@dataclass(frozen=True)
class Accept:
    """Pass it on; `seen` is None for a redelivery, whose mark is already there."""

    ticket: AcceptedTicket
    seen: Seen | None


@dataclass(frozen=True)
class Ignore:
    """Ours, a machine's, or asked to be left alone: `reason` says which."""

    event_id: str
    ticket_id: str
    reason: str
    seen: Seen | None


@dataclass(frozen=True)
class Duplicate:
    """Another record won this id. `reason`: duplicate, conflict (other body) or producer_retry."""

    event_id: str
    ticket_id: str
    winner: str
    reason: str
    is_weak: bool


@dataclass(frozen=True)
class Quarantine:
    """Bytes that we could not read; kept as they are."""

    reason: str


Verdict = Accept | Ignore | Duplicate | Quarantine


@dataclass(frozen=True)
class Identified:
    """An arrival that could be read, with its event id."""

    arrival: Arrival
    webhook: WebhookBody
    event_id: str
    is_weak: bool


def identify(
    arrival: Arrival, read: Callable[[str, bytes], WebhookBody]
) -> Identified | Quarantine:
    """Reads the body and names the event: by message id, else by text within a time bucket."""
    try:
        webhook = read(arrival.source, arrival.body)
    except UnreadableValue as error:
        return Quarantine(error.reason)
    if webhook.message_id is not None:
        event_id = strong_event_id(arrival.source, webhook.ticket_id, webhook.message_id)
        return Identified(arrival, webhook, event_id, is_weak=False)
    width = WEAK_BUCKET_SECONDS if webhook.text.strip() else BARE_BUCKET_SECONDS
    bucket = int(arrival.at // width)
    event_id = weak_event_id(arrival.source, webhook.ticket_id, webhook.text, bucket)
    return Identified(arrival, webhook, event_id, is_weak=True)


def judge(found: Identified, known: Seen | None, *, tenant: str) -> Verdict:
    """The verdict for one arrival, given what the table holds for its event id."""
    arrival, webhook = found.arrival, found.webhook
    body_hash = hashlib.blake2b(arrival.body, digest_size=8).hexdigest()
    is_winner = known is None or (known.partition, known.offset) == (
        arrival.partition,
        arrival.offset,
    )
    if known is not None and not is_winner:
        return Duplicate(
            found.event_id, webhook.ticket_id, known.ingress_id,
            _why_duplicate(known, arrival, body_hash), found.is_weak,
        )  # fmt: skip
    seen = None
    if known is None:
        seen = Seen(
            partition=arrival.partition,
            offset=arrival.offset,
            ingress_id=arrival.ingress_id,
            body_hash=body_hash,
            first_seen=arrival.at,
        )
    reason = loop_reason(webhook)
    if reason is not None:
        return Ignore(found.event_id, webhook.ticket_id, reason, seen)
    return Accept(_ticket(found, tenant), seen)


def _why_duplicate(known: Seen, arrival: Arrival, body_hash: str) -> str:
    if known.ingress_id == arrival.ingress_id:
        return "producer_retry"
    return "duplicate" if known.body_hash == body_hash else "conflict"


def loop_reason(webhook: WebhookBody) -> str | None:
    """Why a message must not be worked on at all, or None.

    Answering ourselves, another machine (RFC 3834) or a colleague makes loops.
    """
    if webhook.author != "customer":
        return f"{webhook.author}_message"
    if "switchboard-ignore" in webhook.tags:
        return "ignore_tag"
    if webhook.auto_submitted:
        return "auto_submitted"
    return None


def _ticket(found: Identified, tenant: str) -> AcceptedTicket:
    return AcceptedTicket(
        event_id=found.event_id,
        tenant=tenant,
        source=found.arrival.source,
        conversation_id=found.webhook.ticket_id,
        message_id=found.webhook.message_id,
        channel=found.webhook.channel,
        text=found.webhook.text,
        ingress_id=found.arrival.ingress_id,
        received_at=found.arrival.received_at,
        weak_key=found.is_weak,
    )
