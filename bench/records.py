"""The events of a measurement: about 1 kB of JSON, one in twenty of them twice."""

from __future__ import annotations

import orjson

KEYS = 5000
DUPLICATE_EVERY = 20
_BACK = 10
_TEXT = "Hello, I ordered two weeks ago and the parcel has not arrived yet. " * 9


def number(index: int) -> int:
    """Which event stands at `index`: every twentieth is the one ten before it again."""
    return index - _BACK if index % DUPLICATE_EVERY == DUPLICATE_EVERY - 1 else index


def unique(events: int) -> set[int]:
    """The numbers of the events among the first `events`, each once."""
    return {number(index) for index in range(events)}


def key(event: int) -> bytes:
    """The ticket's id; all webhooks of one ticket are on one partition."""
    return b"t-%06d" % (event % KEYS)


def value(event: int) -> bytes:
    """The event as JSON, 1,000 bytes give or take a few."""
    return orjson.dumps(
        {
            "event_id": event_id(event),
            "event_type": "ticket.message.created",
            "ticket_id": f"t-{event % KEYS:06d}",
            "conversation_no": event,
            "created_at": "2026-01-05T09:00:00.000000Z",
            "channel": "email",
            "subject": "Where is my order #10423?",
            "body": _TEXT,
            "customer": {
                "id": f"c-{event % 997}",
                "email": "jane.doe@example.com",
                "name": "Jane Doe",
            },
            "tags": ["vip", "returns"],
            "order_ids": ["10423"],
            "is_spam": False,
        }
    )


def event_id(event: int) -> str:
    """What dedup goes by."""
    return f"evt-{event:012d}"


def number_of(value: bytes) -> int:
    """Which event a forwarded value is; -1 when it is none of ours."""
    try:
        name = orjson.loads(value)["event_id"]
        return int(name.removeprefix("evt-"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return -1
