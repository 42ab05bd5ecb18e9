from __future__ import annotations

import time

import pytest

from pipeline.domain.keywords import classify_by_keywords
from pipeline.domain.phrases import RULES, TIER0
from pipeline.domain.wording import Index, Phrase, phrase

FAMILIES = {"ORDER": "order|orders", "WRONG": "wrong|incorrect"}


def _stands(line: str, sentence: str) -> bool:
    return phrase(line, FAMILIES).stands_in(sentence)


@pytest.mark.parametrize(
    ("line", "sentence", "stands"),
    [
        ("cancel", "please cancel", True),
        ("cancel", "cancelled", False),
        ("cancel*", "cancelled", True),
        ("credit_card", "my credit-card", True),
        ("cancel ..2 @ORDER", "cancel my last order", True),
        ("cancel ..2 @ORDER", "cancel this my very last order", False),
        ("cancel .. order", "cancel one two three four five order", True),
        ("cancel <>2 order", "order to cancel", True),
        ("please cancel <>2 order !form", "order please cancel", True),
        ("cancel <>2 order !form", "cancel the order form", False),
        ("cancel !culture", "cancel culture", False),
        ("cancel !culture", "cancel it", True),
        ("my [last|first] order", "my last order", True),
        ("my [last|first] order", "my order", True),
        ("[hi] order", "hi order", True),
        ("^ stop $", "stop!", True),
        ("^ stop $", "please stop", False),
        ("order #", "order 99", True),
        ("order #", "order it", False),
        ("@WRONG +sent|got", "the wrong one, which you sent", True),
        ("@WRONG +sent|got", "the wrong one", False),
        ("@WRONG -price", "the wrong price", False),
        ("@WRONG -price", "the wrong one", True),
    ],
)
def test_a_phrase_stands_where_its_line_says(line: str, sentence: str, *, stands: bool) -> None:
    made = phrase(line, FAMILIES)
    assert made.stands_in(sentence) is stands
    assert (Index((made,)).found([sentence]) == {0}) is stands


@pytest.mark.parametrize("line", ["^ $", "[hi]", "#", "@NOBODY"])
def test_a_line_that_names_no_word_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"no word to look for|no family"):
        phrase(line, FAMILIES)


def test_an_index_finds_what_a_look_at_every_phrase_finds() -> None:
    phrases = tuple({each for rule in (*RULES, *TIER0) for each in rule.phrases})
    sentences = [
        "where is my order 1123?",
        "you sent the wrong size and i'd like my money back",
        "the driver's photo is not my door",
        "my lawyer will call you",
        "can not log in to my account",
    ]
    every = {
        at for at, each in enumerate(phrases) if any(each.stands_in(said) for said in sentences)
    }
    assert Index(phrases).found(sentences) == every


def _patterns(each: Phrase) -> list[str]:
    return [part.pattern for part in (each.pattern, *each.also, *each.never)]


def test_no_phrase_repeats_a_repetition() -> None:
    """An unbounded repeat of a group is what makes a pattern explode; words alone may repeat."""
    for rule in (*RULES, *TIER0):
        for each in (*rule.phrases, *rule.beside, *rule.unless):
            for pattern in _patterns(each):
                assert ")*" not in pattern
                assert ")+" not in pattern


@pytest.mark.parametrize(
    "text",
    [
        "my order is not " * 500,
        "not " * 2_000,
        "cancel the wrong order of my refund to the bank " * 160,
        "if it does not want to return " * 260,
        "x" * 8_000,
        "\n" * 8_000,
        "> \n" * 2_600,
        "on a " * 1_600,
        "best\n" * 1_600,
        "this email is " * 570,
        "@a (she " * 1_000,
    ],
)
def test_a_hostile_text_of_8_kb_is_read_at_once(text: str) -> None:
    """A bound that only an exploding pattern breaks (seconds): the usual cost is a few ms."""
    started = time.process_time()
    classify_by_keywords(text)
    assert time.process_time() - started < 0.5
