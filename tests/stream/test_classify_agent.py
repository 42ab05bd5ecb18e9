from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents.classify import Classification, attach_classify
from agents.parked import Parking
from agents.reading import Reading
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import AcceptedTicket, ActionRequest, Outcome
from pipeline.ports import ModelAnswer, Transient
from pipeline.stream.guard import Crash
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch


class Model:
    """Says what it is told, and counts how often it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        self.asked += 1
        said = self.answers.pop(0)
        if said == "fail":
            raise Transient("timeout")
        return ModelAnswer(said, "high", "model-1", 0.1, 10, "p1")


def accepted(offset: int, text: str, event_id: str = "e1") -> FakeRecord:
    ticket = AcceptedTicket(
        event_id=event_id, tenant="default", source="richpanel", conversation_id="t1",
        message_id="m1", channel="email", text=text, ingress_id="i1", received_at=1.0,
    )  # fmt: skip
    return recorded(ticket, offset)


def recorded(ticket: AcceptedTicket, offset: int = 0) -> FakeRecord:
    return FakeRecord(topics.ACCEPTED.name, 0, offset, b"t1", ticket.to_bytes())


def classify(
    stage: Stage,
    model: Any,
    reading: Reading | None = None,
    *,
    now: Callable[[], float] = lambda: 2.0,
    on_crash: Crash = crash,
) -> Any:
    work = Classification(
        stage,
        classifier=model,
        reading=reading,
        parking=Parking(stage, deadline=1800.0, now=now, uniform=lambda low, high: low),
        tag_prefix="mw",
        now=now,
    )
    return attach_classify(stage, work, concurrency=4, on_crash=on_crash)


def requests(broker: MemoryBroker) -> list[ActionRequest]:
    return [ActionRequest.parse(each.value) for each in broker.on(topics.REQUESTED.name)]


def test_the_first_decision_is_stored_and_reused_on_redelivery(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    model = Model("refund_request", "cancel_order")

    async def scenario() -> None:
        stage = make_stage("classify")
        batch = batch_of([accepted(0, "some words"), accepted(1, "some words")])
        await run_batch(classify(stage, model), batch)
        await stage.table.close()

    asyncio.run(scenario())
    first, second = requests(memory_broker)
    assert first == second
    assert first.decision.intent == "refund_request"
    assert model.asked == 1
    assert ["repeated" in audit.detail for audit in memory_broker.audits()] == [False, True]


def test_a_decision_is_durable_before_it_is_forwarded(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("classify")
        await run_batch(classify(stage, Model("refund_request")), batch_of([accepted(0, "x y")]))
        await stage.table.close()

    asyncio.run(scenario())
    order = [record.topic for record in memory_broker.sent]
    assert order.index("rows-changelog") < order.index(topics.REQUESTED.name)


def test_a_failing_model_leaves_it_to_the_rules_and_tier_0_never_asks_it(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    model = Model("fail")

    async def scenario() -> None:
        stage = make_stage("classify")
        batch = batch_of(
            [accepted(0, "where is my order", "e1"), accepted(1, "I will sue you", "e2")]
        )
        await run_batch(classify(stage, model), batch)
        await stage.table.close()

    asyncio.run(scenario())
    decisions = [request.decision for request in requests(memory_broker)]
    assert [each.path for each in decisions] == ["rules", "tier0"]
    assert decisions[0].reasons[0] == "model_timeout"
    assert model.asked == 1


def test_a_value_of_an_unknown_version_goes_to_the_dead_letters_intact(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    value = b'{"schema_version": 99}'

    async def scenario() -> None:
        stage = make_stage("classify")
        record = FakeRecord(topics.ACCEPTED.name, 0, 0, b"t1", value, (("sb-ingress-id", b"i9"),))
        await run_batch(classify(stage, Model()), batch_of([record]))
        await stage.table.close()

    asyncio.run(scenario())
    (letter,) = memory_broker.on(f"{topics.ACCEPTED.name}.dlq")
    assert letter.value == value
    headers = dict(letter.headers)
    assert headers["sb-reason"] == b"unknown_schema_version"
    assert headers["x-original-offset"] == b"0"
    (audit,) = memory_broker.audits()
    assert (audit.ingress_id, audit.outcome) == ("i9", Outcome.DEAD_LETTERED)


def test_a_ticket_without_a_key_has_no_order_and_is_a_dead_letter(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("classify")
        record = replace(accepted(0, "where is my order"), key=None)
        await run_batch(classify(stage, None), batch_of([record]))
        await stage.table.close()

    asyncio.run(scenario())
    (letter,) = memory_broker.on(f"{topics.ACCEPTED.name}.dlq")
    assert dict(letter.headers)["sb-reason"] == b"no_key"
    assert requests(memory_broker) == []
