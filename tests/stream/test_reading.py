"""A webhook without words: read at the helpdesk, now or when it can be, or given to a human.

The log in memory is the broker; what lies on the tiers comes back as the scheduler produces it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from agents.calls import Calls
from agents.gate import Gate
from agents.patience import Later, Patience
from agents.reading import Reading
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import AcceptedTicket, ActionRequest
from pipeline.domain.token_bucket import WindowBucket
from pipeline.domain.windows import fold
from pipeline.ports import Comment, Permanent, RateLimited, TicketState, Transient, VendorError
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.parking import Parked
from pipeline.stream.producer import Changes, Outgoing
from tests.stream.controls import Controls
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch
from tests.stream.test_classify_agent import classify, recorded, requests

BARE = AcceptedTicket(
    event_id="e1", tenant="default", source="richpanel", conversation_id="t1",
    channel="unknown", text="", ingress_id="i1", received_at=1.0, weak_key=True,
)  # fmt: skip
SPOKEN = BARE.model_copy(update={"event_id": "e2", "message_id": "m8", "text": "cancel my order"})
REFUND = Comment("m7", "I want a refund", is_operator=False)
STORM = RateLimited("http_429", 600.0)


@dataclass
class Desk:
    """One ticket; `failures` are raised first, and `reads` counts every try."""

    comments: tuple[Comment, ...] = (REFUND,)
    failures: list[VendorError] = field(default_factory=list)
    reads: int = 0
    on_read: Callable[[], None] = lambda: None

    async def ticket(self, ticket_id: str) -> TicketState:
        self.reads += 1
        self.on_read()
        if self.failures:
            raise self.failures.pop(0)
        return TicketState(ticket_id, "OPEN", "email", frozenset(), None, self.comments)


def gate_of(bucket: WindowBucket, now: Callable[[], float]) -> Gate:
    return Gate("richpanel", bucket, monotonic=now, now=now)


def reading_of(
    desk: Desk,
    gate: Gate,
    now: Callable[[], float],
    *,
    controls: Controls | None = None,
    rate: float = 1.0,
    longest_read: float = 5.0,
) -> Reading:
    calls = Calls(gate, deadline=900.0, now=now, uniform=lambda low, high: 0.0)
    control = (controls or Controls().mode("shadow")).control
    return Reading(desk, calls, control, rate=rate, longest_read=longest_read)  # type: ignore[arg-type]


class World:
    """One classify worker, restarted for every batch; its table and the broker's logs stay."""

    def __init__(self, make_stage: Callable[[str], Stage], broker: MemoryBroker) -> None:
        self._make_stage = make_stage
        self.broker = broker
        self.desk = Desk()
        self.at = 1000.0

    def work(
        self,
        *records: FakeRecord,
        mode: str = "shadow",
        closed_for: float = 0.0,
        is_poison: bool = False,
        dies: bool = False,
    ) -> None:
        """Hands `records` out until they are done, or until the worker `dies` of them."""

        async def play() -> None:
            stage = self._make_stage("classify")
            await stage.table.ready(0)
            gate = gate_of(WindowBucket(limit=100, window=30), lambda: self.at)
            gate.close(closed_for)
            controls = Controls().mode(mode)
            reading = reading_of(self.desk, gate, lambda: self.at, controls=controls)
            died = asyncio.Event()
            agent = classify(
                stage,
                None,
                reading,
                now=lambda: self.at,
                on_crash=(lambda *_: died.set()) if dies else crash,
            )
            batch = replace(batch_of(list(records)), is_poison=is_poison)
            if dies:
                async with agent.test_context() as running:
                    await running.put(batch)
                    await asyncio.wait_for(died.wait(), 10)
                agent.app.consumer._thread.thread_loop.close()
                assert batch.assignment.watermark.position is None
            else:
                await run_batch(agent, batch)
            await stage.table.close()

        asyncio.run(play())

    @property
    def parked(self) -> list[Outgoing]:
        tiers = {spec.name for spec in topics.PARKED.values()}
        return [each for each in self.broker.sent if each.topic in tiers]

    @property
    def rows(self) -> list[bytes]:
        """The keys whose work waits."""
        rows = {each.key: each.value for each in self.broker.on("rows-changelog")}
        return [k for k, row in rows.items() if k and k.startswith(b"parked:") and row is not None]

    def plans(self) -> list[ActionRequest]:
        return requests(self.broker)

    def plan(self, desk: Desk, *, mode: str = "shadow", closed_for: float = 0.0) -> ActionRequest:
        """What one bare webhook comes to, the second time that it is handed out."""
        self.desk = desk
        self.work(recorded(BARE), recorded(BARE, 1), mode=mode, closed_for=closed_for)
        first, again = self.plans()
        assert first == again
        return again


@pytest.fixture
def world(make_stage: Callable[[str], Stage], memory_broker: MemoryBroker) -> World:
    return World(make_stage, memory_broker)


def back(parked: Outgoing, offset: int) -> FakeRecord:
    """The parked record as the scheduler produces it."""
    headers = tuple(parked.headers)
    to = dict(headers)["sb-parked-to"].decode()
    return FakeRecord(to, 0, offset, parked.key, parked.value, headers)


# -- read, or not to be read ------------------------------------------------------------------


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


def test_stop_reads_nothing_and_waits_for_no_gate(world: World) -> None:
    desk = Desk()
    unread(world.plan(desk, mode="stop", closed_for=600.0), "mode")
    assert desk.reads == 0


def test_a_ticket_without_words_goes_to_a_human(world: World) -> None:
    unread(world.plan(Desk(comments=())), "no_words")


def test_what_passes_is_tried_again_and_what_does_not_is_not(world: World) -> None:
    desk = Desk(failures=[Transient("http_503")])
    assert world.plan(desk).message_id == "m7"
    assert desk.reads == 2


def test_what_can_never_be_read_goes_to_a_human_at_once(world: World) -> None:
    desk = Desk(failures=[Permanent("http_404")])
    unread(world.plan(desk), "http_404")
    assert desk.reads == 1


def test_ten_failures_go_to_a_human(world: World) -> None:
    desk = Desk(failures=[Transient("http_503") for _ in range(20)])
    unread(world.plan(desk), "http_503")
    assert desk.reads == 10


def test_a_read_that_stays_on_the_wire_too_long_is_ended_and_made_again(world: World) -> None:
    class Stuck(Desk):
        async def ticket(self, ticket_id: str) -> TicketState:
            if not self.reads:
                self.reads += 1
                await asyncio.sleep(3600)
            return await super().ticket(ticket_id)

    desk = Stuck()

    async def play() -> AcceptedTicket:
        gate = gate_of(WindowBucket(limit=100, window=30), lambda: 0.0)
        reading = reading_of(desk, gate, lambda: 0.0, longest_read=0.05)
        return await asyncio.wait_for(reading.complete(BARE, Patience(asyncio.sleep)), 5)

    assert asyncio.run(play()).message_id == "m7"
    assert desk.reads == 2


def test_a_control_topic_that_falls_silent_while_one_waits_in_line_is_no_verdict(
    world: World,
) -> None:
    at = [0.0]
    controls = Controls(monotonic=lambda: at[0]).mode("shadow")

    async def sleep(seconds: float) -> None:
        at[0] += seconds
        if seconds < 1:
            controls.hear()

    async def play() -> AcceptedTicket:
        gate = gate_of(WindowBucket(limit=100, window=30), lambda: at[0])
        gate.close(10.0)
        reading = reading_of(world.desk, gate, lambda: at[0], controls=controls)
        return await reading.complete(BARE, Patience(sleep))

    assert asyncio.run(play()).message_id == "m7"


# -- parked -----------------------------------------------------------------------------------


def test_a_message_that_cannot_be_read_soon_is_parked_and_nobody_sleeps(world: World) -> None:
    world.desk.failures = [STORM]
    world.work(recorded(BARE))
    (parked,) = world.parked
    assert parked.topic == topics.PARKED["10m"].name
    assert (parked.key, parked.value, parked.partition) == (b"t1", BARE.to_bytes(), 0)
    said = Parked.of(back(parked, 1))
    assert said is not None
    assert (said.back_to, said.piece, said.lap) == (topics.ACCEPTED.name, 0, 1)
    assert said.due >= 1600.0
    (audit,) = world.broker.audits()
    assert (audit.stage, audit.what, audit.reason) == ("classify", "parked", "http_429")
    assert (audit.detail["wait"], audit.detail["due"]) == (600.0, said.due)
    assert world.plans() == []


def test_it_comes_back_is_read_and_leaves_no_row(world: World) -> None:
    world.work(recorded(BARE), closed_for=600.0)
    assert world.rows
    world.at += 601
    world.work(back(world.parked[0], 1))
    (request,) = world.plans()
    assert (request.decision.intent, request.message_id) == ("refund_request", "m7")
    assert world.desk.reads == 1
    assert world.rows == []


def test_a_later_message_of_the_ticket_waits_behind_it_though_its_words_are_here(
    world: World,
) -> None:
    world.work(recorded(BARE), recorded(SPOKEN, 1), closed_for=600.0)
    first, second = world.parked
    # The follower is back first: it is not its turn, so it waits for another lap.
    world.work(back(second, 2))
    world.at += 601
    world.work(back(first, 3), back(world.parked[2], 4))
    assert [each.event_id for each in world.plans()] == ["e1", "e2"]
    assert world.rows == []


def test_another_ticket_is_not_held_up(world: World) -> None:
    other = FakeRecord(topics.ACCEPTED.name, 0, 1, b"t2", SPOKEN.to_bytes())
    world.work(recorded(BARE), other, closed_for=600.0)
    assert [each.event_id for each in world.plans()] == ["e2"]


def test_a_copy_of_what_was_decided_is_not_decided_again(world: World) -> None:
    world.work(recorded(BARE), closed_for=600.0)
    (parked,) = world.parked
    world.work(back(parked, 1), back(parked, 2))
    world.work(back(parked, 2))
    assert len(world.plans()) == 1


def test_a_kill_between_row_and_commit_parks_the_same_lap_again(world: World) -> None:
    world.work(recorded(BARE), closed_for=600.0)
    world.work(recorded(BARE))
    first, copy = world.parked
    assert [dict(each.headers)["sb-parked-lap"] for each in (first, copy)] == [b"1", b"1"]
    world.work(back(first, 1), back(copy, 2))
    assert len(world.plans()) == 1


def test_a_broker_that_fails_while_it_is_decided_leaves_it_to_the_next_life(world: World) -> None:
    world.work(recorded(BARE), closed_for=600.0)
    (parked,) = world.parked

    def fails() -> None:
        world.broker.fail_next = True

    world.desk.on_read = fails
    world.work(back(parked, 1), dies=True)
    assert world.plans() == []
    world.desk.on_read = lambda: None
    world.work(back(parked, 1))
    assert len(world.plans()) == 1
    assert world.rows == []


def test_a_decision_whose_plan_was_not_sent_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = world.broker.send

    async def dead(records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        if any(each.topic == topics.REQUESTED.name for each in records):
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
        return await send(records, changes)

    with monkeypatch.context() as patch:
        patch.setattr(world.broker, "send", dead)
        world.work(recorded(BARE), dies=True)
    world.work(recorded(BARE))
    assert len(world.plans()) == 1
    assert world.desk.reads == 1
    counted = fold(None, 0, enumerate(world.broker.audits())).counts
    assert sum(v for k, v in counted.items() if k.startswith("decisions_made|")) == 1


def test_a_gate_that_stays_closed_ends_with_a_human_and_the_next_message_goes_on(
    world: World,
) -> None:
    world.work(recorded(BARE), recorded(SPOKEN, 1), closed_for=600.0)
    first, second = world.parked
    world.at += 601
    world.work(back(first, 2), closed_for=300.0)
    world.at += 300
    world.work(back(world.parked[2], 3), back(second, 4), closed_for=300.0)
    bare, spoken = world.plans()
    unread(bare, "gate_closed")
    assert (spoken.event_id, spoken.decision.intent) == ("e2", "cancel_order")
    assert world.desk.reads == 0
    assert world.rows == []


def test_a_gate_that_is_closed_for_longer_than_the_deadline_and_opened_before_it_costs_no_words(
    world: World,
) -> None:
    world.work(recorded(BARE), closed_for=6 * 3600.0)
    world.at += 899
    world.work(back(world.parked[0], 1))
    (request,) = world.plans()
    assert request.message_id == "m7"


def test_a_poison_one_frees_its_ticket(world: World) -> None:
    world.work(recorded(BARE), recorded(SPOKEN, 1), closed_for=600.0)
    first, second = world.parked
    world.work(back(first, 2), is_poison=True)
    world.work(back(second, 3))
    assert [each.event_id for each in world.plans()] == ["e2"]
    assert world.rows == []


# -- budget -----------------------------------------------------------------------------------


def test_a_spent_budget_is_waited_for_as_long_as_one_waits_in_line(world: World) -> None:
    bucket = WindowBucket(limit=100, window=30)
    bucket.spend(0.0, 100)

    async def play() -> str:
        reading = reading_of(world.desk, gate_of(bucket, lambda: 0.0), lambda: 0.0)
        with pytest.raises(Later) as later:
            await reading.complete(BARE, Patience(asyncio.sleep, inline=0.01))
        return later.value.code

    assert asyncio.run(play()) == "over_budget"
    assert world.desk.reads == 0


def test_no_more_wait_in_line_than_the_budget_lets_through_meanwhile(world: World) -> None:
    bucket = WindowBucket(limit=100, window=30)
    bucket.spend(0.0, 100)

    async def play() -> tuple[int, int]:
        gate = gate_of(bucket, lambda: 0.0)
        reading = reading_of(world.desk, gate, lambda: 0.0, rate=0.2)
        reads = [reading.complete(BARE, Patience(asyncio.sleep)) for _ in range(8)]
        tasks = [asyncio.create_task(each) for each in reads]
        done, waiting = await asyncio.wait(tasks, timeout=0.1)
        for task in waiting:
            task.cancel()
        assert all(isinstance(task.exception(), Later) for task in done)
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(done), len(waiting)

    assert asyncio.run(play()) == (5, 3)
