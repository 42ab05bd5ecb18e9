from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.events import (
    Audit,
    UnreadableValue,
    action_id,
    conversation_hash,
    customer_hash,
    digest,
    weak_event_id,
)

AUDIT = Audit(stage="act", what="routed", ingress_id="i", at=5.0)


def test_a_value_keeps_fields_that_it_does_not_know() -> None:
    raw = AUDIT.to_bytes().replace(b"{", b'{"later": 1, ', 1)
    assert b'"later":1' in Audit.parse(raw).to_bytes()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"schema_version": 2}', "unknown_schema_version"),
        (b'{"stage": "secret words", "what": 1}', "invalid_what"),
    ],
)
def test_an_unreadable_value_says_where_and_never_what(raw: bytes | None, reason: str) -> None:
    with pytest.raises(UnreadableValue) as caught:
        Audit.parse(raw)
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


def test_seconds_since_the_webhook_are_never_negative() -> None:
    assert AUDIT.seconds is None
    assert AUDIT.model_copy(update={"received_at": 4.5}).seconds == 0.5
    assert AUDIT.model_copy(update={"received_at": 6.0}).seconds == 0.0


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_parts_of_an_id_never_run_together(parts: list[str]) -> None:
    assert digest(*parts) != digest("".join(parts))
    assert digest(*parts) == digest(*parts)


def test_ids_differ_by_each_part() -> None:
    ids = {
        action_id("t", "c", "e", "reply", "v1"),
        action_id("t", "c", "e", "reply", "v2"),
        action_id("t", "c", "e", "route", "v1"),
        action_id("t", "c", "e2", "reply", "v1"),
    }
    assert len(ids) == 4
    assert conversation_hash("a", "c") != conversation_hash("b", "c")
    assert weak_event_id("s", "c", "Hi  you", 1) == weak_event_id("s", "c", "hi you", 1)


def test_a_customer_is_named_by_a_hash_that_joins_in_any_case_of_letters() -> None:
    hashed = customer_hash("default", "Ann@example.com")
    assert hashed == customer_hash("default", "ann@example.com")
    assert hashed != customer_hash("other", "ann@example.com")
    assert "ann" not in hashed
