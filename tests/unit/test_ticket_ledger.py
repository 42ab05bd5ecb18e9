from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain.ledger import (
    Done,
    DoneOutcome,
    Intent,
    TicketReplies,
    done_key,
    intent_key,
    ticket_key,
)
from pipeline.domain.ticket_ledger import ReplyState, TicketLedger, reply_state

INTENT = Intent(action_id="a1", worker="w0", deadline_at=1030.0, at=1000.0)


def done(outcome: DoneOutcome) -> Done:
    return Done(action_id="a1", outcome=outcome, at=1001.0)


@pytest.mark.parametrize(
    ("intent", "ended", "now", "state"),
    [
        (None, None, 1001.0, ReplyState.RESERVED),
        (INTENT, None, 1029.9, ReplyState.SENDING),
        (INTENT, None, 1030.0, ReplyState.UNKNOWN),
        (INTENT, DoneOutcome.SENT, 9999.0, ReplyState.SENT),
        (None, DoneOutcome.FOUND, 9999.0, ReplyState.SENT),
        (INTENT, DoneOutcome.DRAFTED, 9999.0, ReplyState.DRAFTED),
        (INTENT, DoneOutcome.FAILED, 9999.0, ReplyState.FAILED),
        (INTENT, DoneOutcome.TRIAGED, 9999.0, ReplyState.TRIAGED),
    ],
)
def test_an_operator_sees_where_a_reply_stands(
    intent: Intent | None, ended: DoneOutcome | None, now: float, state: ReplyState
) -> None:
    assert reply_state(intent, done(ended) if ended else None, now=now) is state


def row(action: str, *, attempt: int = 1, ticket: str = "t1") -> tuple[str, bytes]:
    intent = Intent(
        action_id=action, worker=f"w{attempt}", deadline_at=1030.0, at=1000.0 + attempt,
        conversation_id=ticket, attempt=attempt,
    )  # fmt: skip
    return intent_key(action, attempt), intent.to_bytes()


def shown(*rows: tuple[str, bytes | None], now: float = 1010.0) -> list[dict[str, Any]]:
    ledger = TicketLedger("t1")
    for key, value in rows:
        ledger.apply(key, value)
    return ledger.states(now)


COUNTED = TicketReplies(conversation_id="t1").plus("a1", "c", 1000.0)


def test_a_ticket_shows_its_own_replies_alone() -> None:
    ended = (done_key("a1"), done(DoneOutcome.SENT).to_bytes())
    others = [row("a9", ticket="t9"), (done_key("a9"), b"anything")]
    assert shown(row("a1"), ended, *others) == [
        {"id": "a1", "at": 1001.0, "state": "sent", "worker": "w1", "attempt": 1}
    ]


def test_a_ticket_shows_the_last_attempt() -> None:
    (line,) = shown(row("a1"), row("a1", attempt=2))
    assert (line["worker"], line["attempt"], line["state"]) == ("w2", 2, "sending")


def test_an_intent_that_was_taken_back_leaves_the_reply_reserved() -> None:
    place = (ticket_key("t1"), COUNTED.to_bytes())
    (line,) = shown(place, row("a1"), (intent_key("a1"), None))
    assert line == {"id": "a1", "at": 1000.0, "state": "reserved"}


def test_a_place_that_was_given_up_is_shown_no_more() -> None:
    assert shown((ticket_key("t1"), COUNTED.to_bytes()), (ticket_key("t1"), None)) == []
    assert shown((intent_key("a1"), None), (done_key("a1"), None)) == []


def test_an_intent_that_was_taken_back_without_a_place_leaves_nothing() -> None:
    assert shown(row("a1"), (intent_key("a1"), None)) == []


def test_a_reply_that_was_found_on_its_ticket_is_shown_without_an_intent() -> None:
    found = Done(
        action_id="a1", outcome=DoneOutcome.FOUND, at=1001.0, conversation_id="t1"
    ).to_bytes()
    assert shown((done_key("a1"), found)) == [{"id": "a1", "at": 1001.0, "state": "sent"}]
    elsewhere = Done(action_id="a9", outcome=DoneOutcome.FOUND, at=1001.0, conversation_id="t9")
    assert shown((done_key("a9"), elsewhere.to_bytes()), (done_key("a8"), None)) == []
