from __future__ import annotations

import pytest

from pipeline.domain.bare_webhook import completed, is_bare
from pipeline.domain.classification import classify, plan
from pipeline.domain.events import AcceptedTicket, MessageRead
from pipeline.ports import Comment


def bare(message_id: str | None = None, channel: str = "unknown") -> AcceptedTicket:
    return AcceptedTicket(
        event_id="e1", tenant="default", source="richpanel", conversation_id="t1",
        message_id=message_id, channel=channel, text=" \n", ingress_id="i1", received_at=1.0,
    )  # fmt: skip


CUSTOMER = [
    Comment("m1", "I want a refund", is_operator=False),
    Comment("m2", "Where is my order?", is_operator=False),
]
OTHERS = [
    Comment("a1", "Let me look", is_operator=True),
    Comment("n1", "a note of an app", is_operator=False, is_note=True),
]


def read(ticket: AcceptedTicket, *comments: Comment, channel: str = "email") -> AcceptedTicket:
    found = completed(ticket, comments, channel=channel)
    assert found is not None
    return found


def test_the_customers_newest_message_is_what_it_speaks_of() -> None:
    found = read(bare(), *CUSTOMER, *OTHERS)
    assert (found.message_id, found.text, found.channel) == ("m2", "Where is my order?", "email")
    assert is_bare(bare())
    assert not is_bare(found)


def test_a_message_that_the_webhook_names_comes_first() -> None:
    assert read(bare("m1"), *CUSTOMER).text == "I want a refund"
    assert read(bare("gone"), *CUSTOMER).message_id == "m2"


@pytest.mark.parametrize(
    ("said", "shown", "comes_to"),
    [("unknown", "Live Chat", "live_chat"), ("email", "tiktok", "email"), ("unknown", "fax", "unknown")],
)  # fmt: skip
def test_the_channel_is_the_webhooks_or_else_the_tickets(
    said: str, shown: str, comes_to: str
) -> None:
    assert read(bare(channel=said), *CUSTOMER, channel=shown).channel == comes_to


@pytest.mark.parametrize("comments", [[], OTHERS, [Comment("m1", " ", is_operator=False)]])
def test_a_ticket_without_a_customers_words_stays_bare(comments: list[Comment]) -> None:
    assert completed(bare(), comments, channel="email") is None


def test_what_was_read_goes_into_the_plan_from_the_decision_alone() -> None:
    found = read(bare(), *CUSTOMER)
    decision = classify(found, None, "timeout", prefix="mw").model_copy(
        update={"read": MessageRead(message_id="m2", channel="email")}
    )
    first, again = plan(found, decision), plan(bare(), decision)
    assert first == again
    assert (again.message_id, again.channel, again.has_text) == ("m2", "email", True)
    assert "where is my order" not in again.model_dump_json().casefold()
