from __future__ import annotations

import pytest

from pipeline.domain.customer_words import (
    asserted,
    own_words,
    sentences,
    without_signature,
)
from pipeline.domain.spelling import MAX_TEXT, normalise


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Can\u2019t u cancle it pls", "can not you cancel it please"),
        ("I didnt recieve my reufnd", "i did not receive my refund"),
        ("we'll see, she'd know; my mum's", "we will see, she would know; my mum's"),
        ("It isn't here, the tent went", "it is not here, the tent went"),
        ("20% off", "20 percent  off"),
    ],
)
def test_frequent_spellings_are_made_one(written: str, read: str) -> None:
    assert normalise(written) == read


def test_sentences_end_at_marks_and_empty_lines_but_not_in_numbers() -> None:
    said = "it cost 64.99! where is it?\n\nthanks; bye\n- one"
    assert sentences(said) == ["it cost 64.99!", "where is it?", "thanks;", "bye", "- one"]


@pytest.mark.parametrize(
    "quoted",
    [
        "> cancel it",
        "On Mon, 3 Mar 2025 at 10:12, Support wrote:\ncancel it",
        "---------- Forwarded message ---------\ncancel it",
        "Begin forwarded message:\ncancel it",
        "From: Support\nSent: Monday\ncancel it",
        "Subject: Re: cancel it",
    ],
)
def test_what_we_wrote_is_no_word_of_the_customer(quoted: str) -> None:
    assert own_words(f"Hello\n{quoted}").strip() == "Hello"


def test_a_salutation_and_a_mention_ask_for_nobody() -> None:
    assert own_words("Dear customer service,\nhi @ShopHelp where is it").split() == (
        [",", "hi", "where", "is", "it"]
    )


def test_a_signature_is_dropped_but_a_postscript_speaks() -> None:
    text = "See picture.\n\nKind regards,\nMaria\nFraud Officer\nPS my lawyer will call you"
    assert without_signature(text) == "See picture.\n\nPS my lawyer will call you"


def test_small_print_threatens_nobody() -> None:
    text = "Where is it?\nThis e-mail is confidential; misuse may lead to legal action."
    assert without_signature(text).strip() == "Where is it?"


def test_thanks_at_the_start_is_no_signature() -> None:
    assert without_signature("Thanks\nwhere is it\n-- \nBob") == "Thanks\nwhere is it\n"
    assert without_signature("Thanks\nwhere is it") == "Thanks\nwhere is it"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("i do not want a refund, just tell me where it is", "refund"),
        ("if it arrives damaged, what then", "damaged"),
        ("my sister returned hers, when does mine come", "returned"),
        ("i might have to return it", "return"),
        ("it was not damaged", "damaged"),
        ("i used to work with chargebacks", "chargebacks"),
    ],
)
def test_what_is_not_asserted_is_not_read(said: str, left: str) -> None:
    assert left not in asserted(said)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("you have not refunded me", "refunded"),
        ("do you know if it has shipped", "shipped"),
        ("if it has not shipped please cancel it", "cancel"),
        ("i do not know how to cancel my order", "cancel"),
    ],
)
def test_what_is_asserted_stays(said: str, word: str) -> None:
    assert word in asserted(said)


def test_an_empty_stretch_hides_no_end() -> None:
    assert normalise("a" + "\n" * 20_000 + "b") == "a\n\nb"
    assert len(normalise("a " * 50_000)) <= MAX_TEXT
