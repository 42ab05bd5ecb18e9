from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.dedup import attach_dedup
from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.domain.events import AcceptedTicket, Outcome
from pipeline.domain.webhook import read_webhook
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch


def webhook(offset: int, message_id: str = "m1", **fields: Any) -> FakeRecord:
    body = {"ticket_id": "t1", "message_id": message_id, "message": "hi", "channel": "email"}
    headers = (
        ("sb-ingress-id", f"i{offset}".encode()),
        ("sb-received-at", b"1700000000.5"),
        ("sb-source", b"richpanel"),
        ("traceparent", b"00-a-b-01"),
    )
    value = json.dumps({**body, **fields}).encode()
    return FakeRecord(topics.RECEIVED.name, 0, offset, b"t1", value, headers)


def dedup(stage: Stage) -> Any:
    return attach_dedup(
        stage, read=read_webhook, tenant="default", now=lambda: 1700000001.0, on_crash=crash
    )


def test_each_message_passes_once_and_everything_else_is_named(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("dedup")
        broken = FakeRecord(topics.RECEIVED.name, 0, 4, b"h", b'{"message": "a "b""}')
        batch = batch_of(
            [
                webhook(0),
                webhook(1),
                webhook(2, message="other"),
                webhook(3, "m2", author="agent"),
                broken,
            ]
        )
        await run_batch(dedup(stage), batch)
        await stage.table.close()

    asyncio.run(scenario())
    passed = memory_broker.on(topics.ACCEPTED.name)
    assert [AcceptedTicket.parse(each.value).ingress_id for each in passed] == ["i0"]
    assert dict(passed[0].headers)["traceparent"] == b"00-a-b-01"
    assert [each.value for each in memory_broker.on(topics.QUARANTINED.name)] == [
        b'{"message": "a "b""}'
    ]
    outcomes = Counter((audit.outcome, audit.reason) for audit in memory_broker.audits())
    assert outcomes == {
        (None, None): 1,
        (Outcome.DUPLICATE, "duplicate"): 1,
        (Outcome.DUPLICATE, "conflict"): 1,
        (Outcome.IGNORED, "agent_message"): 1,
        (Outcome.QUARANTINED, "not_json"): 1,
    }


@pytest.mark.parametrize("received_at", [b"soon", b"nan", b""])
def test_a_header_written_by_hand_does_not_stop_the_partition(
    received_at: bytes, make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("dedup")
        record = webhook(0)
        record = dataclasses.replace(record, headers=(("sb-received-at", received_at),))
        await run_batch(dedup(stage), batch_of([record]))
        await stage.table.close()

    asyncio.run(scenario())
    (passed,) = memory_broker.on(topics.ACCEPTED.name)
    assert AcceptedTicket.parse(passed.value).received_at == webhook(0).timestamp / 1000


def test_a_redelivery_after_a_crash_passes_again_with_the_same_id(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("dedup")
        await run_batch(dedup(stage), batch_of([webhook(0)]))
        again = make_stage("again")
        await again.table.close()
        # The same record, fetched once more by the same table's owner.
        await run_batch(dedup(replace(stage, app=again.app)), batch_of([webhook(0)]))
        await stage.table.close()

    asyncio.run(scenario())
    passed = [AcceptedTicket.parse(each.value) for each in memory_broker.on(topics.ACCEPTED.name)]
    assert len(passed) == 2
    assert passed[0] == passed[1]
    assert ["repeated" in audit.detail for audit in memory_broker.audits()] == [False, True]


def test_every_record_tells_how_long_the_stage_took(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    clock = iter([1700000001.0, 1700000001.25])

    def measured() -> float:
        name = "switchboard_stage_duration_seconds_sum"
        return telemetry.REGISTRY.get_sample_value(name, {"stage": "dedup"}) or 0.0

    before = measured()

    async def scenario() -> None:
        stage = make_stage("dedup")
        agent = attach_dedup(
            stage, read=read_webhook, tenant="default", now=lambda: next(clock), on_crash=crash
        )
        await run_batch(agent, batch_of([webhook(0), webhook(1)]))
        await stage.table.close()

    asyncio.run(scenario())
    first, again = [audit.detail for audit in memory_broker.audits()]
    assert first == {"seconds": 0.25}
    assert again == {"seconds": 0.25, "duplicate_of": "i0", "key_strength": "strong"}
    assert measured() - before == pytest.approx(0.5)
