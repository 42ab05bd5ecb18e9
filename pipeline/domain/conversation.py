"""What a ticket says about who has spoken: the customer, a human agent or we ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.domain.templates import is_ours


class Spoken(Protocol):
    """One comment of a ticket."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def body(self) -> str: ...  # noqa: D102
    @property
    def is_operator(self) -> bool: ...  # noqa: D102
    @property
    def is_note(self) -> bool: ...  # noqa: D102
    @property
    def created_at(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class TicketView:
    """What a permit needs to know of a ticket as it is now."""

    is_open: bool
    tags: frozenset[str]
    """Names of the tags, lower case."""
    human_wrote_last: bool
    """Whether the last message that the customer can see is a human agent's."""
    has_newer_customer_message: bool
    """Whether the customer wrote again after the message that the step answers."""
    replied_since_human: bool
    """Whether we wrote on it, a note or a message, and no human has answered since."""


def view(
    comments: Sequence[Spoken],
    *,
    is_open: bool,
    tags: frozenset[str],
    replied_tag: str,
    message_id: str | None,
    received_at: float,
) -> TicketView:
    """Reads a ticket.

    Args:
        comments: oldest first.
        is_open: whether the helpdesk counts it as open.
        tags: their names in any case.
        replied_tag: what we put on a ticket once we have answered.
        message_id: of the message that the step answers; None = the helpdesk did not name it.
        received_at: when its webhook came, unix seconds.
    """
    said = [each for each in comments if not each.is_note]
    last = said[-1] if said else None
    names = frozenset(tag.casefold() for tag in tags)
    return TicketView(
        is_open=is_open,
        tags=names,
        human_wrote_last=last is not None and _is_human(last),
        has_newer_customer_message=_is_newer(said, message_id, received_at),
        replied_since_human=_replied_since_human(comments, has_tag=replied_tag in names),
    )


def _is_human(comment: Spoken) -> bool:
    return comment.is_operator and not is_ours(comment.body)


def _is_newer(said: Sequence[Spoken], message_id: str | None, received_at: float) -> bool:
    """By the message's place; by time where it was not named or is not shown.

    A helpdesk's clock that is ahead of ours makes the message itself look newer, and the reply
    is withheld: the harmless side.
    """
    customers = [each for each in said if not each.is_operator]
    if message_id is not None and any(each.id == message_id for each in customers):
        return customers[-1].id != message_id
    times = [each.created_at for each in customers if each.created_at is not None]
    return any(at > received_at for at in times)


def _replied_since_human(comments: Sequence[Spoken], *, has_tag: bool) -> bool:
    """The tag alone counts too: a reply may not be shown yet."""
    ours = [n for n, each in enumerate(comments) if each.is_operator and is_ours(each.body)]
    humans = [n for n, each in enumerate(comments) if _is_human(each) and not each.is_note]
    if not ours:
        return has_tag
    return not humans or humans[-1] < ours[-1]
