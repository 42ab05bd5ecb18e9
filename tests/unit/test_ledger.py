from collections.abc import Iterator
from typing import Any, Literal, assert_never

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.events import UnreadableValue
from pipeline.domain.ledger import (
    MOST_ATTEMPTS,
    AlreadyDone,
    Breach,
    Done,
    DoneOutcome,
    Intent,
    Move,
    ReadBack,
    RecordDone,
    Send,
    TicketReplies,
    Triage,
    Unsettled,
    Wait,
    done_key,
    fence,
    intent_key,
    next_move,
    ticket_key,
)
from pipeline.domain.permit import DAY

LEASE, SETTLE = 30.0, 120.0
INTENT = Intent(action_id="a1", worker="w0", deadline_at=1030.0, at=1000.0)


def move(
    intent: Intent | None = INTENT,
    done: Done | None = None,
    *,
    now: float,
    marker_found: bool | None = None,
    unsettled: Unsettled = Unsettled.TRIAGE,
) -> Move:
    return next_move(
        intent, done, now=now, settle=SETTLE, marker_found=marker_found, unsettled=unsettled
    )


def test_rows_of_one_action_have_their_own_keys() -> None:
    keys = [intent_key("a1"), intent_key("a1", 2), done_key("a1"), ticket_key("a1")]
    assert keys == ["a1#intent", "a1#intent.2", "a1#done", "ticket:a1"]


def test_rows_survive_the_way_through_bytes() -> None:
    done = Done(action_id="a1", outcome=DoneOutcome.FOUND, at=1001.0)
    assert Intent.parse(INTENT.to_bytes()) == INTENT
    assert Done.parse(done.to_bytes()) == done


def test_a_damaged_row_is_refused_and_never_read_as_absent() -> None:
    with pytest.raises(UnreadableValue):
        Intent.parse(b"")
    with pytest.raises(UnreadableValue):
        Done.parse(b'{"action_id":"a1","outcome":"perhaps","at":1}')


def test_without_rows_the_reply_is_sent() -> None:
    assert move(None, now=1000.0) == Send()


def test_a_done_reply_is_never_sent_again() -> None:
    done = Done(action_id="a1", outcome=DoneOutcome.SENT, at=1001.0)
    assert move(done=done, now=9999.0, marker_found=False) == AlreadyDone(DoneOutcome.SENT)


def test_a_done_row_counts_even_where_the_intent_has_gone() -> None:
    done = Done(action_id="a1", outcome=DoneOutcome.TRIAGED, at=1001.0)
    assert move(None, done, now=9999.0) == AlreadyDone(DoneOutcome.TRIAGED)


@pytest.mark.parametrize("marker_found", [None, False])
def test_an_intent_waits_for_lease_and_settling(marker_found: bool | None) -> None:
    assert move(now=1149.9, marker_found=marker_found) == Wait(1150.0)


def test_a_settled_intent_is_read_back_twice() -> None:
    assert move(now=1150.0) == ReadBack(times=2)


def test_a_marker_proves_the_reply_at_any_time() -> None:
    assert move(now=1001.0, marker_found=True) == RecordDone(DoneOutcome.FOUND)
    assert move(now=1150.0, marker_found=True) == RecordDone(DoneOutcome.FOUND)


def test_the_mark_of_a_draft_proves_a_draft() -> None:
    intent = INTENT.model_copy(update={"as_note": True})
    assert move(intent, now=1150.0, marker_found=True) == RecordDone(DoneOutcome.DRAFTED)


def test_a_settled_intent_without_marker_goes_to_a_human() -> None:
    assert move(now=1150.0, marker_found=False) == Triage()


def test_where_it_is_set_an_unseen_reply_is_sent_once_more_and_then_given_to_a_human() -> None:
    def unseen(attempt: int) -> Move:
        intent = INTENT.model_copy(update={"attempt": attempt})
        return move(intent, now=1150.0, marker_found=False, unsettled=Unsettled.VERIFY_RESEND)

    assert [unseen(1), unseen(MOST_ATTEMPTS)] == [Send(2), Triage()]


@pytest.mark.parametrize(
    ("breach", "lets"),
    [
        (None, {}),
        (Breach.FORBIDDEN, {"is_allowed": False}),
        (Breach.LEASE_OVER, {"is_allowed": False, "lease_left": 0.0}),
        (Breach.STALLED, {"is_allowed": False, "lease_left": -1.0, "has_stalled": True}),
        (
            Breach.PARTITION_LOST,
            {"is_current": False, "has_stalled": True, "lease_left": -1.0, "is_allowed": False},
        ),
    ],
)
def test_the_fence_names_the_gravest_breach(breach: Breach | None, lets: dict[str, Any]) -> None:
    sound = {"is_current": True, "has_stalled": False, "lease_left": 1.0, "is_allowed": True}
    assert fence(**{**sound, **lets}) == breach


def test_a_ticket_counts_each_reply_once_from_its_first_reservation() -> None:
    replies = TicketReplies(conversation_id="t").plus("a1", "c", 100.0).plus("a1", "c", 200.0)
    assert replies.others("a2") == [100.0]
    assert replies.others("a1") == []
    assert replies.plus("a2", "c", 300.0).others("a1") == [300.0]


def test_a_ticket_forgets_what_was_given_up_or_is_older_than_a_day() -> None:
    replies = TicketReplies(conversation_id="t").plus("a1", "c", 100.0)
    assert replies.minus("a1") == TicketReplies(conversation_id="t")
    assert replies.plus("a2", "c", 100.0 + DAY).others("a3") == [100.0 + DAY]


Crash = Literal["before_intent", "before_send", "after_send", "before_done"] | None
Delivery = tuple[Crash, float, bool]


class Sender:
    """A sender that follows the ledger and may die between any two of its acts."""

    def __init__(self, unsettled: Unsettled = Unsettled.TRIAGE) -> None:
        self.unsettled = unsettled
        self.intent: Intent | None = None
        self.done: Done | None = None
        self.sends = 0
        self.sends_after_intent_found = 0

    def deliver(self, now: float, crash: Crash, *, shown: bool) -> None:
        """One delivery of the request; `shown` = the helpdesk shows what was sent by now."""
        for step in self.steps(now, shown=shown):
            if step == crash:
                return

    def steps(self, now: float, *, shown: bool) -> Iterator[str]:
        found_intent = self.intent is not None
        marker_found: bool | None = None
        while True:
            move = next_move(
                self.intent, self.done, now=now, settle=SETTLE, marker_found=marker_found,
                unsettled=self.unsettled,
            )  # fmt: skip
            match move:
                case Send(attempt=attempt):
                    yield "before_intent"
                    self.intent = Intent(
                        action_id="a1", worker="w0", deadline_at=now + LEASE, at=now,
                        attempt=attempt,
                    )  # fmt: skip
                    yield "before_send"
                    self.sends += 1
                    self.sends_after_intent_found += found_intent and attempt == 1
                    yield "after_send"
                    outcome = DoneOutcome.SENT
                case ReadBack():
                    marker_found = shown and self.sends > 0
                    continue
                case RecordDone(outcome=found):
                    outcome = found
                case Triage():
                    outcome = DoneOutcome.TRIAGED
                case Wait() | AlreadyDone():
                    return
                case _:
                    assert_never(move)
            yield "before_done"
            self.done = Done(action_id="a1", outcome=outcome, at=now)
            return


crashes = st.sampled_from([None, "before_intent", "before_send", "after_send", "before_done"])
deliveries = st.lists(st.tuples(crashes, st.floats(-3600, 3600), st.booleans()), max_size=30)


@given(deliveries)
def test_no_run_of_crashes_and_redeliveries_sends_twice(history: list[Delivery]) -> None:
    sender, now = Sender(), 1_000_000.0
    for crash, passed, shown in history:
        now += passed  # the clock may jump back too
        sender.deliver(now, crash, shown=shown)
        assert sender.sends <= 1
        assert sender.sends_after_intent_found == 0


@given(deliveries)
def test_every_reply_ends_once_time_has_passed_without_a_crash(history: list[Delivery]) -> None:
    sender, now = Sender(), 1_000_000.0
    for crash, passed, shown in history:
        now += passed
        sender.deliver(now, crash, shown=shown)
    sender.deliver(2_000_000.0, None, shown=True)
    assert sender.done is not None
    assert sender.sends == 1 or sender.done.outcome is DoneOutcome.TRIAGED


@given(deliveries)
def test_with_verify_resend_a_reply_that_is_shown_in_time_is_sent_once(
    history: list[Delivery],
) -> None:
    sender, now = Sender(Unsettled.VERIFY_RESEND), 1_000_000.0
    for crash, passed, _ in history:
        now += passed
        sender.deliver(now, crash, shown=True)
        assert sender.sends <= 1


@given(deliveries)
def test_with_verify_resend_there_is_one_more_attempt_and_no_third(
    history: list[Delivery],
) -> None:
    sender, now = Sender(Unsettled.VERIFY_RESEND), 1_000_000.0
    for crash, passed, shown in history:
        now += passed
        sender.deliver(now, crash, shown=shown)
        assert sender.sends <= MOST_ATTEMPTS
        assert sender.sends_after_intent_found == 0


def test_the_reader_of_histories_notices_a_sender_that_ignores_the_intent() -> None:
    class Forgetful(Sender):
        def deliver(self, now: float, crash: Crash, *, shown: bool) -> None:
            self.intent = None
            super().deliver(now, crash, shown=shown)

    sender = Forgetful()
    sender.deliver(1000.0, "after_send", shown=True)
    sender.deliver(1001.0, None, shown=True)
    assert sender.sends == 2
