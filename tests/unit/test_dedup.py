from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.domain.dedup import (
    Accept,
    Arrival,
    Duplicate,
    Identified,
    Ignore,
    Quarantine,
    Seen,
    identify,
    judge,
)
from pipeline.domain.webhook import read_webhook


def arrival(offset: int = 0, ingress_id: str = "i1", **fields: Any) -> Arrival:
    content = {"ticket_id": "t1", "message_id": "m1", "message": "hello", **fields}
    body = json.dumps({k: v for k, v in content.items() if v is not None}).encode()
    return Arrival(2, offset, ingress_id, "richpanel", 100.0, 100.5, body)


def found(each: Arrival) -> Identified:
    item = identify(each, read_webhook)
    assert isinstance(item, Identified)
    return item


def winner(each: Arrival) -> Seen:
    verdict = judge(found(each), None, tenant="default")
    assert isinstance(verdict, Accept | Ignore)
    assert verdict.seen is not None
    return verdict.seen


def test_the_first_is_accepted_with_its_mark() -> None:
    verdict = judge(found(arrival()), None, tenant="default")
    assert isinstance(verdict, Accept)
    assert verdict.ticket.event_id == "evt:richpanel:t1:m1"
    assert verdict.seen is not None
    assert (verdict.seen.partition, verdict.seen.offset) == (2, 0)


def test_a_redelivery_passes_again_with_the_same_ids_and_no_new_mark() -> None:
    first = judge(found(arrival()), None, tenant="default")
    again = judge(found(arrival()), winner(arrival()), tenant="default")
    assert isinstance(first, Accept)
    assert isinstance(again, Accept)
    assert again.ticket == first.ticket
    assert again.seen is None


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (arrival(5, "i2"), "duplicate"),
        (arrival(5, "i2", message="other words"), "conflict"),
        (arrival(5, "i1"), "producer_retry"),
    ],
)
def test_another_record_of_the_same_id_is_a_duplicate(other: Arrival, reason: str) -> None:
    verdict = judge(found(other), winner(arrival()), tenant="default")
    assert isinstance(verdict, Duplicate)
    assert (verdict.reason, verdict.winner, verdict.is_weak) == (reason, "i1", False)


def test_without_a_message_id_the_same_words_within_minutes_are_one_event() -> None:
    first = found(arrival(message_id=None, message="Where is it?"))
    same = found(arrival(1, "i2", message_id=None, message="  where is\nIT? "))
    later = found(replace(arrival(2, "i3", message_id=None, message="Where is it?"), at=9999.0))
    assert first.is_weak
    assert first.event_id == same.event_id != later.event_id


def test_without_words_only_what_comes_within_a_minute_is_one_event() -> None:
    first, same, later = (
        found(replace(arrival(offset, message_id=None, message=None), at=at))
        for offset, at in ((0, 120.0), (1, 179.0), (2, 181.0))
    )
    assert first.event_id == same.event_id != later.event_id


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"author": "agent"}, "agent_message"),
        ({"author": "system"}, "self_message"),
        ({"tags": ["switchboard-ignore"]}, "ignore_tag"),
        ({"auto_submitted": True}, "auto_submitted"),
    ],
)
def test_loops_are_ignored_and_still_marked(fields: dict[str, Any], reason: str) -> None:
    verdict = judge(found(arrival(**fields)), None, tenant="default")
    assert isinstance(verdict, Ignore)
    assert verdict.reason == reason
    assert verdict.seen is not None


def test_what_cannot_be_read_is_quarantined_with_its_reason() -> None:
    broken = replace(arrival(), body=b'{"ticket_id": "t1", "message": "he said "no""}')
    assert identify(broken, read_webhook) == Quarantine("not_json")
