"""Richpanel's JSON (DOMAIN section 2), read into the values of `pipeline.ports`.

Ids may come as numbers and fields may be missing or new; what cannot be read is `Transient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.ports import Comment, Order, TicketState, Transient

_NOTES = frozenset({"note", "private_note", "internal_note"})
_MOMENT = TypeAdapter(datetime)


class _Wire(BaseModel):
    """What all parts of an answer share: ids may come as numbers, more fields may come."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", hide_input_in_errors=True)


class _CommentVia(_Wire):
    is_operator: bool = Field(default=False, alias="isOperator")


class _Comment(_Wire):
    id: str
    type: str | None = None
    public: bool = True
    author_id: str | None = None
    body: str | None = None
    plain_body: str | None = None
    created_at: Any = None
    via: _CommentVia | None = None


class _Via(_Wire):
    channel: str = "unknown"


class _Tracking(_Wire):
    tracking_url: str | None = Field(default=None, alias="trackingUrl")


class _Fulfillment(_Wire):
    tracking: list[_Tracking] | None = None


class _Order(_Wire):
    fulfillment_status: str | None = Field(default=None, alias="fulfillmentStatus")
    status_url: str | None = Field(default=None, alias="statusUrl")
    fulfillment: list[_Fulfillment] | None = None


class _Ticket(_Wire):
    id: str
    status: str
    created_at: Any = None
    assignee_id: str | None = None
    email: str | None = None
    phone: str | None = None
    via: _Via = _Via()
    tags: list[Any] | None = None
    comments: list[_Comment] | None = None


def ticket_of(answer: Mapping[str, Any]) -> tuple[frozenset[str], TicketState]:
    """The names or ids of a ticket's tags, and the ticket without them, comments oldest first.

    Raises:
        Transient: it is none.
    """
    try:
        ticket = _Ticket.model_validate(answer.get("ticket"))
    except ValidationError:
        raise Transient("garbage_ticket") from None
    state = TicketState(
        id=ticket.id,
        status=ticket.status,
        channel=ticket.via.channel,
        tags=frozenset(),
        assignee_id=ticket.assignee_id,
        comments=_in_order(ticket.comments or []),
        customer=_customer(ticket),
    )
    return _tag_words(ticket.tags or []), state


def wrote_at(answer: Mapping[str, Any]) -> list[float]:
    """When (unix seconds) the customer of each listed ticket wrote last, or opened it.

    What is listed without a readable time says nothing, nor does a ticket that an agent opened and
    no customer has answered. One that is listed without comments counts as a customer's.

    Raises:
        Transient: it is no list of tickets.
    """
    try:
        tickets = [_Ticket.model_validate(each) for each in answer.get("ticket") or []]
    except (ValidationError, TypeError):
        raise Transient("garbage_tickets") from None
    found: list[float] = []
    for ticket in tickets:
        comments = _in_order(ticket.comments or [])
        theirs = [each.created_at for each in comments if _is_customers(each)]
        if not comments or _is_customers(comments[0]):
            theirs.append(_unix(ticket.created_at))
        moments = [at for at in theirs if at is not None]
        found += [max(moments)] if moments else []
    return found


def order_of(answer: Mapping[str, Any]) -> Order:
    """What is told of an order; its number is not among it.

    Raises:
        Transient: it is none.
    """
    try:
        order = _Order.model_validate(answer)
    except ValidationError:
        raise Transient("garbage_order") from None
    tracked = (t.tracking_url for part in order.fulfillment or [] for t in part.tracking or [])
    url = next((url for url in tracked if url), order.status_url)
    return Order(number=None, status=order.fulfillment_status, tracking_url=url)


def _tag_words(tags: list[Any]) -> frozenset[str]:
    """Tags come as names, as ids or as objects with both."""
    plain = [tag.get("name") or tag.get("id") if isinstance(tag, dict) else tag for tag in tags]
    return frozenset(str(tag) for tag in plain if tag is not None)


def _is_customers(comment: Comment) -> bool:
    return not comment.is_operator and not comment.is_note


def _customer(ticket: _Ticket) -> str | None:
    """Who writes: by address or number, else by the id under which the last message came."""
    authors = [c.author_id for c in ticket.comments or [] if c.via is None or not c.via.is_operator]
    found = ticket.email or ticket.phone or next((a for a in reversed(authors) if a), None)
    return found.strip().casefold() if found else None


def _in_order(comments: list[_Comment]) -> tuple[Comment, ...]:
    read = [
        Comment(
            id=comment.id,
            body=comment.plain_body or comment.body or "",
            is_operator=comment.via is not None and comment.via.is_operator,
            created_at=_unix(comment.created_at),
            is_note=not comment.public or comment.type in _NOTES,
        )
        for comment in comments
    ]
    if all(comment.created_at is not None for comment in read):
        read.sort(key=lambda comment: comment.created_at or 0.0)
    return tuple(read)


def _unix(moment: Any) -> float | None:
    """Unix seconds of an ISO 8601 text or a number; None where it cannot be read."""
    try:
        read = _MOMENT.validate_python(moment)
    except ValidationError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
