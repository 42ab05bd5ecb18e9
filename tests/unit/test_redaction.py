from __future__ import annotations

import pytest

from pipeline.domain.redaction import redact


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail a.b+c@example.com now", "mail ***@*** now"),
        ("call (555) 123-4567", "call ***-***-4567"),
        ("order #10423 please", "order ***0423 please"),
        ("order number 99887766", "order number ***7766"),
        ("invoice 12345", "invoice ***2345"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("it is 1Z999AA10123456784", "it is ***"),
        ("see https://track.example.com/?n=1", "see ***"),
        ("I have 3 cats and 12 hats", "I have 3 cats and 12 hats"),
    ],
)
def test_what_names_a_person_or_an_order_is_masked(text: str, left: str) -> None:
    assert redact(text) == left
