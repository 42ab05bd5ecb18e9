"""Sample tickets: real customers' words on an invented desk, in the desk's own proportions."""

from __future__ import annotations

import csv
import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.messages import OWN, SERIOUS, SEVERAL

CHANNELS = (
    ("email", 54), ("email_widget", 27), ("tiktok", 6), ("facebook", 4), ("instagram", 4),
    ("live_chat", 5),
)  # fmt: skip
"""Share of messages per channel in per cent (DOMAIN section 1), with some live chat."""

SPECIAL_EVERY = 25
"""Of each 25 tickets one is closed, one was answered by a human, one is a VIP's, one is to be
ignored; one message is serious and one has several intents."""

ONLY_AT_SHOP_EVERY = 7
"""Of each 7 tickets' orders one is known to the shop alone, though the helpdesk links it."""


@dataclass(frozen=True)
class Sample:
    """One ticket of the helpdesk and the customer message that a webhook will speak of."""

    ticket: dict[str, Any]
    order: dict[str, Any] | None
    message_id: str
    text: str
    intent: str
    tags: tuple[str, ...]


def labelled_messages() -> list[tuple[str, str]]:
    """(text, intent) of every sample message: the shared set and our own."""
    with (Path(__file__).parent / "data" / "messages.csv").open(newline="") as file:
        shared = [(row["text"], row["intent"]) for row in csv.DictReader(file)]
    return [*shared, *OWN, *SERIOUS, *SEVERAL]


def sample_tickets(count: int, *, seed: int, run: str, at: float) -> list[Sample]:
    """`count` tickets; ids carry `run`, so that no two runs share one. `at` is unix seconds."""
    rng = random.Random(seed)
    ordinary = [pair for pair in labelled_messages() if pair not in SERIOUS and pair not in SEVERAL]
    names, weights = zip(*CHANNELS, strict=True)
    samples = []
    for number in range(count):
        slot = number % SPECIAL_EVERY
        pool = {4: SERIOUS, 5: SEVERAL}.get(slot, ordinary)
        text, intent = rng.choice(pool)
        channel = rng.choices(names, weights)[0]
        samples.append(_sample(number, slot, channel, text, intent, run=run, at=at, rng=rng))
    return samples


def _sample(
    number: int,
    slot: int,
    channel: str,
    text: str,
    intent: str,
    *,
    run: str,
    at: float,
    rng: random.Random,
) -> Sample:
    ticket_id = f"t-{run}-{number:05d}"
    message_id = f"{ticket_id}-m1"
    comments = [_comment(message_id, text, channel, at, is_operator=False)]
    if slot == 1:  # a human was faster
        answered = _comment(
            f"{ticket_id}-a1", "Looking into it!", channel, at + 1, is_operator=True
        )
        comments.append(answered)
    tags = {2: ("vip",), 3: ("switchboard-ignore",)}.get(slot, ())
    ticket = {
        "id": ticket_id,
        "number": 10_000 + number,
        "status": "CLOSED" if slot == 0 else "OPEN",
        "priority": "normal",
        "subject": "Message from the shop",
        "email": f"customer{number}@example.com",
        "phone": f"+1555{number:07d}",
        "assignee_id": None,
        "created_at": at,
        "updated_at": at,
        "via": {"channel": channel},
        "tags": list(tags),
        "comments": comments,
    }
    order = None
    if rng.random() < 0.5:  # noqa: PLR2004 - half of the tickets have a linked order
        order = _order(f"{run}-{number}", number)
    return Sample(ticket, order, message_id, text, intent, tags)


def _comment(
    comment_id: str, text: str, channel: str, at: float, *, is_operator: bool
) -> dict[str, Any]:
    return {
        "id": comment_id,
        "body": text,
        "plain_body": text,
        "author_id": "agent-1" if is_operator else "customer",
        "created_at": at,
        "type": "message",
        "via": {"channel": channel, "isOperator": is_operator},
    }


def _order(name: str, number: int) -> dict[str, Any]:
    digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    return {
        "orderId": str(5_000_000_000_000 + int(digest, 16)),
        "appClientId": "shop-1",
        "orderNumber": 1000 + number,
        "onlyAtShop": number % ONLY_AT_SHOP_EVERY == 0,
        "fulfillmentStatus": "fulfilled",
        "statusUrl": f"https://shop.example.com/orders/{name}",
        "fulfillment": [
            {
                "tracking": [
                    {
                        "trackingNumber": f"TRACK{name}",
                        "trackingUrl": f"https://track.example.com/{name}",
                    }
                ]
            }
        ],
    }
