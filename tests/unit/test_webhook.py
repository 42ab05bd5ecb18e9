from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.events import Author, UnreadableValue
from pipeline.domain.webhook import partition_key, read_webhook


def body(**fields: Any) -> bytes:
    return json.dumps({"ticket_id": "t1", "message": "hello", **fields}).encode()


def test_the_usual_body_is_read() -> None:
    said = read_webhook(
        "richpanel", body(message_id="m1", channel="Email", trigger="customer_message", tags=["VIP", 3])
    )  # fmt: skip
    assert (said.ticket_id, said.message_id, said.channel) == ("t1", "m1", "email")
    assert (said.text, said.trigger, said.author) == ("hello", "customer_message", Author.CUSTOMER)
    assert said.tags == {"vip"}
    assert not said.auto_submitted


def test_a_number_is_an_id_too_and_a_boolean_is_none() -> None:
    assert read_webhook("richpanel", body(ticket_id=17, message_id=True)).ticket_id == "17"
    assert read_webhook("richpanel", body(message_id=True)).message_id is None


def test_the_conversation_id_stands_in_for_a_ticket_id() -> None:
    raw = json.dumps({"conversation_id": "c9", "ticket_id": " "}).encode()
    assert read_webhook("richpanel", raw).ticket_id == "c9"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"\xff\xfe{}", "not_utf8"),
        (b'{"ticket_id": "t1", "message": "he said "hi""}', "not_json"),
        (b"[" * 100_000, "nested_too_deep"),
        (b'{"ticket_id": NaN}', "not_json"),
        (b'{"ticket_id": 1e999}', "not_json"),
        (b'{"ticket_id": ' + b"9" * 5000 + b"}", "not_json"),
        (b"[]", "not_an_object"),
        (b'{"message": "no ticket"}', "no_ticket_id"),
        (b'{"ticket_id": 1.5}', "no_ticket_id"),
        (b'{"ticket_id": "t1", "message": {"a": 1}}', "message_not_text"),
        (b'{"ticket_id": "' + b"x" * 300 + b'"}', "no_ticket_id"),
    ],
)
def test_what_cannot_be_read_says_why(raw: bytes, reason: str) -> None:
    with pytest.raises(UnreadableValue) as caught:
        read_webhook("richpanel", raw)
    assert caught.value.reason == reason


def test_an_ordinary_fraction_is_read() -> None:
    assert read_webhook("richpanel", body(score=1.5)).ticket_id == "t1"


def test_lone_surrogates_become_storable() -> None:
    said = read_webhook("richpanel", b'{"ticket_id": "t1", "message": "a\\ud800b"}')
    assert said.text.encode() == b"a?b"


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"author_id": "bot"}, Author.SELF),
        ({"author": "system"}, Author.SELF),
        ({"author": "Agent"}, Author.AGENT),
        ({"is_operator": True}, Author.AGENT),
        ({"author_id": "other"}, Author.CUSTOMER),
    ],
)
def test_who_wrote_it(fields: dict[str, Any], author: Author) -> None:
    assert read_webhook("richpanel", body(**fields), own_author_ids={"bot"}).author is author


@pytest.mark.parametrize(
    ("fields", "machine"),
    [
        ({"auto_submitted": True}, True),
        ({"headers": {"Auto-Submitted": "auto-replied"}}, True),
        ({"headers": {"Auto-Submitted": "no"}}, False),
        ({"headers": {"Return-Path": "<>"}}, True),
        ({"headers": {"return-path": "<ann@example.com>"}}, False),
        ({"headers": {"Precedence": "Bulk"}}, True),
        ({"headers": {"Precedence": "first-class"}}, False),
        ({"headers": {"List-Id": "<news.example.com>"}}, True),
        ({"headers": {}}, False),
        ({"headers": "none"}, False),
    ],
)
def test_mail_of_machines_is_told(fields: dict[str, Any], *, machine: bool) -> None:
    assert read_webhook("richpanel", body(**fields)).auto_submitted is machine


def test_every_webhook_of_a_ticket_has_one_key() -> None:
    assert partition_key(body(message="a")) == partition_key(body(message="b")) == b"t1"


@given(st.binary(max_size=200))
def test_any_bytes_have_a_key(raw: bytes) -> None:
    assert 0 < len(partition_key(raw)) <= 1000


def test_a_body_without_a_ticket_gets_a_key_of_its_own() -> None:
    assert partition_key(b"{}") != partition_key(b"{ }")
