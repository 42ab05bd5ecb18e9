"""The webhooks that a helpdesk sends about its tickets: repeated, broken and its own ones too."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sandbox.tickets import Sample

Kind = Literal["message", "bare", "duplicate", "conflict", "broken", "own"]


@dataclass(frozen=True)
class Delivery:
    """One webhook body and what is wrong with it, if anything."""

    body: bytes
    kind: Kind
    ticket_id: str


SHARES: dict[Kind, float] = {"duplicate": 0.05, "conflict": 0.01, "broken": 0.015, "own": 0.02}
"""Of all deliveries; the rest are messages. A small run has one of each kind all the same."""

BARE_SHARE = 0.2
"""Of the messages: announced by ids alone, as the helpdesk's typical template does."""


def traffic(samples: Sequence[Sample], count: int, *, seed: int) -> list[Delivery]:
    """`count` deliveries about `samples`, of which at most `count` are used.

    A duplicate or conflict comes some deliveries after its original; a broken one is the only
    word about its ticket. Raises ValueError for a count below 10: every kind has a place.
    """
    if count < 10:  # noqa: PLR2004
        raise ValueError("at least 10 deliveries, so that every kind is among them")
    rng = random.Random(seed)
    numbers = {kind: max(1, round(count * share)) for kind, share in SHARES.items()}
    messages = count - sum(numbers.values())
    originals = [Delivery(body(each), "message", each.ticket["id"]) for each in samples[:messages]]
    rest = iter(samples[messages:])
    # The second half of the originals gives no repeats, so each has room to come after; and what
    # is announced by ids alone lies there, for nothing tells two such webhooks apart.
    half = max(1, messages // 2)
    for index in rng.sample(range(half, messages), max(1, round(messages * BARE_SHARE))):
        originals[index] = _bare(samples[index])
    deliveries = list(originals)
    for kind, make in (("duplicate", _again), ("conflict", _conflicting)):
        for index in rng.sample(range(half), min(numbers[kind], half)):  # type: ignore[index]
            after = deliveries.index(originals[index]) + 1
            deliveries.insert(rng.randint(after, len(deliveries)), make(samples[index]))
    for kind, make in (("broken", _broken), ("own", _own)):
        for _ in range(numbers[kind]):  # type: ignore[index]
            deliveries.insert(rng.randint(0, len(deliveries)), make(next(rest)))
    return deliveries


def body(sample: Sample, *, text: str | None = None, author: str = "customer") -> bytes:
    """A webhook body as the helpdesk's template renders it."""
    said = sample.text if text is None else text
    fields = {
        "ticket_id": sample.ticket["id"],
        "ticket_url": f"https://desk.example.com/tickets/{sample.ticket['id']}",
        "trigger": "customer_message",
        "event_type": "message_created",
        "message": said,
        "message_id": sample.message_id,
        "channel": sample.ticket["via"]["channel"],
        "author": author,
        "tags": list(sample.tags),
    }
    return json.dumps(fields).encode()


def _bare(sample: Sample) -> Delivery:
    said = json.loads(body(sample))
    kept = {name: said[name] for name in ("ticket_id", "ticket_url", "trigger")}
    return Delivery(json.dumps(kept).encode(), "bare", sample.ticket["id"])


def _again(sample: Sample) -> Delivery:
    return Delivery(body(sample), "duplicate", sample.ticket["id"])


def _conflicting(sample: Sample) -> Delivery:
    return Delivery(body(sample, text=sample.text + " (edited)"), "conflict", sample.ticket["id"])


def _broken(sample: Sample) -> Delivery:
    # What an unescaped template makes of a text with quotes and a line break.
    quoted = f'He said "{sample.text}"\nand left'
    raw = body(sample, text="%s").replace(b"%s", quoted.encode())
    return Delivery(raw, "broken", sample.ticket["id"])


def _own(sample: Sample) -> Delivery:
    return Delivery(body(sample, author="agent"), "own", sample.ticket["id"])
