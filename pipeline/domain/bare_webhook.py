"""A webhook that brings ids alone, which is the helpdesk's typical one (DOMAIN section 2).

What it speaks of stands on the ticket. Weakness: nothing tells which message set it off, so the
customer's newest is taken; the decision keeps its id, and a still newer one withholds the reply.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.domain.conversation import Spoken
from pipeline.domain.events import AcceptedTicket
from pipeline.domain.webhook import channel_of


def is_bare(ticket: AcceptedTicket) -> bool:
    """Whether the words are still to be read at the helpdesk."""
    return not ticket.text.strip()


def completed(
    ticket: AcceptedTicket, comments: Sequence[Spoken], *, channel: str
) -> AcceptedTicket | None:
    """`ticket` with the customer's words; None where the helpdesk shows none.

    Args:
        ticket: the one that the webhook named.
        comments: all that was written on it, oldest first.
        channel: in the helpdesk's word; taken where the webhook did not say.
    """
    said = [each for each in comments if not each.is_operator and not each.is_note]
    named = [each for each in said if each.id == ticket.message_id]
    message = next(reversed(named or said), None)
    if message is None or not message.body.strip():
        return None
    known = ticket.channel != "unknown"
    return ticket.model_copy(
        update={
            "text": message.body,
            "message_id": message.id,
            "channel": ticket.channel if known else channel_of(channel),
        }
    )
