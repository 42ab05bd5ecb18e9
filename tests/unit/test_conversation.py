import pytest

from pipeline.domain.conversation import TicketView, view
from pipeline.domain.templates import marked
from pipeline.ports import Comment

OURS = marked("Hello", "0123456789abcdef")


def customer(name: str, at: float | None = None) -> Comment:
    return Comment(name, "words", is_operator=False, created_at=at)


def human(*, note: bool = False) -> Comment:
    return Comment("h", "I am on it", is_operator=True, is_note=note)


def ours(*, note: bool = False) -> Comment:
    return Comment("o", OURS, is_operator=True, is_note=note)


def seen(*comments: Comment, message_id: str | None = "m1", tags: str = "") -> TicketView:
    return view(
        comments,
        is_open=True,
        tags=frozenset(tags.split()),
        replied_tag="mw-auto-replied",
        message_id=message_id,
        received_at=1000.0,
    )


def test_a_first_message_stands_alone() -> None:
    ticket = seen(customer("m1"), tags="VIP")
    assert ticket == TicketView(
        is_open=True,
        tags=frozenset({"vip"}),
        human_wrote_last=False,
        has_newer_customer_message=False,
        replied_since_human=False,
    )


def test_an_empty_ticket_has_nobody_on_it() -> None:
    ticket = seen()
    assert not ticket.human_wrote_last
    assert not ticket.has_newer_customer_message


def test_a_human_who_wrote_last_is_seen_through_notes() -> None:
    assert seen(customer("m1"), human(), human(note=True)).human_wrote_last


def test_a_note_of_a_human_is_no_answer() -> None:
    assert not seen(customer("m1"), human(note=True)).human_wrote_last


def test_our_own_reply_is_not_a_humans() -> None:
    assert not seen(customer("m1"), ours()).human_wrote_last


def test_a_second_message_is_newer() -> None:
    assert seen(customer("m1"), customer("m2")).has_newer_customer_message
    assert not seen(customer("m0"), customer("m1")).has_newer_customer_message


@pytest.mark.parametrize(("at", "newer"), [(999.0, False), (1001.0, True), (None, False)])
@pytest.mark.parametrize("message_id", [None, "not shown"])
def test_a_message_without_a_place_is_told_by_time(
    message_id: str | None, at: float | None, newer: bool
) -> None:
    ticket = seen(customer("m7", at), message_id=message_id)
    assert ticket.has_newer_customer_message is newer


@pytest.mark.parametrize("note", [True, False])
def test_we_do_not_speak_twice_before_a_human_has(note: bool) -> None:
    assert seen(customer("m0"), ours(note=note), customer("m1")).replied_since_human
    assert not seen(customer("m0"), ours(note=note), human(), customer("m1")).replied_since_human


def test_a_humans_note_does_not_open_the_way_for_a_second_reply() -> None:
    assert seen(ours(), human(note=True), customer("m1")).replied_since_human


def test_the_tag_counts_while_the_reply_is_not_shown_yet() -> None:
    assert seen(customer("m1"), tags="MW-Auto-Replied").replied_since_human


def test_a_customer_who_quotes_us_is_still_a_customer() -> None:
    quoted = Comment("m1", f"> {OURS}", is_operator=False)
    assert not seen(quoted).replied_since_human
