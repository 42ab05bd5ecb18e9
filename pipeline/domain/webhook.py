"""A helpdesk's webhook body: what it says, read without trusting any of it.

The body comes from a template that may leave quotes and newlines unescaped, and its text is
written by strangers. Whatever arrives is either read or refused with a reason code.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from pipeline.domain.events import Author, UnreadableValue

CHANNELS = {
    "email": "email",
    "email_widget": "email_widget",
    "email widget": "email_widget",
    "widget": "email_widget",
    "live_chat": "live_chat",
    "livechat": "live_chat",
    "live chat": "live_chat",
    "chat": "live_chat",
    "tiktok": "tiktok",
    "tiktok_shop": "tiktok",
    "facebook": "facebook",
    "facebook_message": "facebook",
    "instagram": "instagram",
    "instagram_message": "instagram",
}
"""The helpdesk's words for a channel -> ours."""
UNKNOWN_CHANNEL = "unknown"
"""Any other; treated as not email."""

MAX_ID = 200
"""Characters of an id: the key of a record and of a table row must stay small."""


@dataclass(frozen=True)
class WebhookBody:
    """What a webhook says of one message; `message_id` None = the provider did not name it."""

    ticket_id: str
    message_id: str | None
    channel: str
    text: str
    trigger: str
    author: Author
    tags: frozenset[str]
    auto_submitted: bool


def read_webhook(
    source: str, body: bytes, *, own_author_ids: Collection[str] = frozenset()
) -> WebhookBody:
    """Reads a body of any source that speaks the helpdesk's form.

    `own_author_ids` are agents that we write as. `source` is for forms that differ by source.

    Raises:
        UnreadableValue: no JSON object, or no usable ticket id; `reason` says which.
    """
    del source  # every source of today sends one form
    fields = _object(body)
    ticket_id = _id(fields, "ticket_id", "conversation_id")
    if ticket_id is None:
        raise UnreadableValue("no_ticket_id")
    message = fields.get("message", "")
    if not isinstance(message, str):
        raise UnreadableValue("message_not_text")
    tags = fields.get("tags")
    return WebhookBody(
        ticket_id=ticket_id,
        message_id=_id(fields, "message_id"),
        channel=channel_of(str(fields.get("channel", ""))),
        text=_storable(message),
        trigger=_storable(str(fields.get("trigger", "")))[:MAX_ID],
        author=_author(fields, own_author_ids),
        tags=frozenset(
            tag.casefold()
            for tag in (tags if isinstance(tags, list) else [])
            if isinstance(tag, str)
        ),
        auto_submitted=_is_auto_submitted(fields),
    )


def channel_of(word: str) -> str:
    """Our name for a helpdesk's word for a channel; `UNKNOWN_CHANNEL` for any other word."""
    return CHANNELS.get(word.strip().casefold(), UNKNOWN_CHANNEL)


def partition_key(body: bytes) -> bytes:
    """The key of a raw record: the ticket id, so that one ticket is one ordered line.

    A body without a readable ticket id gets a hash of itself; it ends in quarantine, where order
    does not matter. Never fails.
    """
    try:
        ticket_id = _id(_object(body), "ticket_id", "conversation_id")
    except UnreadableValue:
        ticket_id = None
    if ticket_id is not None:
        return ticket_id.encode()
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = _JSON.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise UnreadableValue("not_utf8") from None
    except RecursionError:
        raise UnreadableValue("nested_too_deep") from None
    except ValueError:  # also what an integer of thousands of digits raises
        raise UnreadableValue("not_json") from None
    if not isinstance(value, dict):
        raise UnreadableValue("not_an_object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number too large")
    return number


_JSON = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
"""Made once: `json.loads` with rules of one's own makes a decoder for each text."""


def _id(fields: Mapping[str, Any], *names: str) -> str | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and 0 < len(value.strip()) <= MAX_ID:
            return _storable(value.strip())
    return None


def _storable(text: str) -> str:
    """`text` without lone surrogates, which JSON can express and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _author(fields: Mapping[str, Any], own_author_ids: Collection[str]) -> Author:
    author_id = _id(fields, "author_id")
    if author_id is not None and author_id in own_author_ids:
        return Author.SELF
    said = str(fields.get("author", "")).casefold()
    if said in {"self", "bot", "system"}:
        return Author.SELF
    if fields.get("is_operator") is True or said in {"agent", "operator"}:
        return Author.AGENT
    return Author.CUSTOMER


def _is_auto_submitted(fields: Mapping[str, Any]) -> bool:
    """Whether a machine wrote the mail and must get no answer (RFC 3834, sections 2 and 5).

    Told by ``Auto-Submitted`` other than ``no``, by an empty ``Return-Path``, or by what mail to
    many carries: a ``List-Id``, or a ``Precedence`` of bulk, junk or list.
    """
    if fields.get("auto_submitted") is True:
        return True
    headers = fields.get("headers")
    if not isinstance(headers, dict):
        return False
    said = {str(name).casefold(): str(value).strip().casefold() for name, value in headers.items()}
    return (
        said.get("auto-submitted", "no") != "no"
        or said.get("return-path") in {"", "<>"}
        or said.get("precedence") in {"bulk", "junk", "list"}
        or "list-id" in said
    )
