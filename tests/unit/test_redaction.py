from __future__ import annotations

import pytest

from pipeline.domain.redaction import redact


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail a.b+c@example.com now", "mail ***@*** now"),
        ("call (555) 123-4567", "call ***-***-4567"),
        ("my number is 555-201-3344.", "my number is ***-***-3344."),
        ("+44 20 7946 0958 after six", "***-***-0958 after six"),
        ("020 7946 0958", "***-***-0958"),
        ("order #10423 please", "order ***0423 please"),
        ("order number 99887766", "order number ***7766"),
        ("Order no: AB-10423.", "Order no: ***0423."),
        ("order 221, please", "order ***, please"),
        ("invoice 12345", "invoice ***2345"),
        ("it was 99812345 I think", "it was ***2345 I think"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("card 4111-1111-1111-1111 please", "card [card] please"),
        ("it is 1Z999AA10123456784", "it is ***"),
        ("9400 1000 0000 0000 0000 00 never moved", "*** never moved"),
        ("the tracking number is QX7781234, thanks", "the tracking number is ***, thanks"),
        ("see https://track.example.com/?n=1", "see ***"),
        ("see www.example.com/track/1 there", "see *** there"),
    ],
)
def test_what_names_a_person_or_an_order_is_masked(text: str, left: str) -> None:
    assert redact(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "I have 3 cats and 12 hats",
        "I ordered on 23-11-2026, or 2026-11-23, for $1,249.00",
        "my order no longer matters, I want size 38",
        "tracking has not moved",
    ],
)
def test_other_words_and_numbers_stay(text: str) -> None:
    assert redact(text) == text


def test_what_is_redacted_stays_as_it_is() -> None:
    once = redact("order 10423, a@b.example, 555-201-3344, 4111 1111 1111 1111")
    assert redact(once) == once
