"""A webhook without words: read at the helpdesk, or given to a human."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.calls import Calls
from agents.gate import Gate
from agents.reading import Reading
from pipeline.app import Stage
from pipeline.domain.events import AcceptedTicket, ActionRequest
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import Comment, Permanent, RateLimited, TicketState, Transient, VendorError
from tests.stream.controls import Controls
from tests.stream.memory_broker import MemoryBroker, batch_of, run_batch
from tests.stream.test_classify_agent import classify, recorded, requests

BARE = AcceptedTicket(
    event_id="e1", tenant="default", source="richpanel", conversation_id="t1",
    channel="unknown", text="", ingress_id="i1", received_at=1.0, weak_key=True,
)  # fmt: skip
REFUND = Comment("m7", "I want a refund", is_operator=False)


@dataclass
class Desk:
    """One ticket; `failures` are raised first, and `reads` counts every try."""

    comments: tuple[Comment, ...] = (REFUND,)
    failures: list[VendorError] = field(default_factory=list)
    hangs: bool = False
    reads: int = 0

    async def ticket(self, ticket_id: str) -> TicketState:
        self.reads += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.failures:
            raise self.failures.pop(0)
        return TicketState(ticket_id, "OPEN", "email", frozenset(), None, self.comments)


@dataclass
class World:
    stage: Callable[[str], Stage]
    broker: MemoryBroker
    bucket: WindowBucket = field(default_factory=lambda: WindowBucket(limit=100, window=30))

    def plan(self, desk: Any, *, mode: str = "shadow", within: float = 45.0) -> ActionRequest:
        """What one bare webhook comes to, the second time that it is handed out."""
        gate = Gate("richpanel", self.bucket, monotonic=lambda: 0.0, now=lambda: 0.0)
        calls = Calls(gate, deadline=within, now=lambda: 0.0, uniform=lambda low, high: 0.0)
        reading = Reading(desk, calls, Controls().mode(mode).control, within=within)

        async def scenario() -> None:
            stage = self.stage("classify")
            batch = batch_of([recorded(BARE), recorded(BARE, 1)])
            await run_batch(classify(stage, None, reading), batch)
            await stage.table.close()

        asyncio.run(scenario())
        first, again = requests(self.broker)
        assert first == again
        return again


@pytest.fixture
def world(make_stage: Callable[[str], Stage], memory_broker: MemoryBroker) -> World:
    return World(make_stage, memory_broker)


def test_its_words_are_read_once_and_the_plan_names_the_message(world: World) -> None:
    desk = Desk()
    request = world.plan(desk)
    assert (request.decision.intent, request.decision.path) == ("refund_request", "rules")
    assert (request.message_id, request.channel, request.has_text) == ("m7", "email", True)
    assert desk.reads == 1
    assert world.broker.audits()[0].detail["read"] is True
    assert all(b"I want" not in (each.value or b"") for each in world.broker.sent)


def unread(request: ActionRequest, code: str) -> None:
    assert request.decision.reasons == (f"unread_{code}", "model_no_text")
    assert request.decision.path == "default_team"
    assert "needs_manual_triage" in request.decision.tags
    assert (request.message_id, request.has_text) == (None, False)


def test_stop_reads_nothing(world: World) -> None:
    desk = Desk()
    unread(world.plan(desk, mode="stop"), "mode")
    assert desk.reads == 0


def test_a_ticket_without_words_goes_to_a_human(world: World) -> None:
    unread(world.plan(Desk(comments=())), "no_words")


def test_what_passes_is_tried_again_and_what_does_not_is_not(world: World) -> None:
    desk = Desk(failures=[Transient("http_503")])
    assert world.plan(desk).message_id == "m7"
    assert desk.reads == 2


@pytest.mark.parametrize(
    ("failure", "code"),
    [(Permanent("http_404"), "http_404"), (RateLimited("http_429", 600.0), "http_429")],
)
def test_what_cannot_be_read_goes_to_a_human(world: World, failure: VendorError, code: str) -> None:
    desk = Desk(failures=[failure])
    unread(world.plan(desk), code)
    assert desk.reads == 1


def test_a_hanging_helpdesk_is_not_waited_for_long(world: World) -> None:
    unread(world.plan(Desk(hangs=True), within=0.01), "timeout")


def test_a_spent_budget_is_not_waited_for_long(world: World) -> None:
    world.bucket.spend(0.0, 100)
    desk = Desk()
    unread(world.plan(desk, within=0.01), "timeout")
    assert desk.reads == 0
