"""The act stage against a helpdesk that fails where it is told to.

Each test is one history of a reply: what the ledger held, what the helpdesk did, what came of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agents.act import Acting, attach_act
from agents.calls import Calls
from agents.counts import CustomerCounts
from agents.gate import Gate
from agents.orders import Orders
from agents.parked import Parking
from agents.permits import Permits
from agents.plan_records import Releasable
from agents.reply import Replier
from agents.sending import Lease, Sending
from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.domain.classification import Opinion, classify, plan
from pipeline.domain.events import AcceptedTicket, ActionRequest, Outcome, Withheld
from pipeline.domain.ledger import Intent as ReplyIntent
from pipeline.domain.ledger import Unsettled, intent_key
from pipeline.domain.permit import Policy
from pipeline.domain.ticket_ledger import TicketLedger
from pipeline.domain.token_bucket import WindowBucket
from pipeline.domain.windows import fold
from pipeline.ports import (
    Ambiguous,
    Comment,
    LinkedOrder,
    Meter,
    Order,
    Permanent,
    RateLimited,
    TicketState,
    Transient,
    Unmetered,
    VendorError,
)
from pipeline.stream.control import Update, View
from pipeline.stream.guard import Crash
from pipeline.stream.stall import StallMonitor
from tables.ledger import LedgerTable
from tests.stream.controls import Controls
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch

TICKET = TicketState(
    "t1", "OPEN", "email", frozenset(), None, (Comment("m1", "words", is_operator=False),)
)


@dataclass
class Clock:
    """Time that passes only when somebody sleeps or the test says so."""

    at: float = 1000.0

    def __call__(self) -> float:
        self.at += 0.001
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)
        await asyncio.sleep(0)


@dataclass
class Desk:
    """A helpdesk in memory; `send_failures` are raised by sends, `applies` says if it wrote."""

    state: TicketState = TICKET
    send_failures: list[tuple[Exception, bool]] = field(default_factory=list)
    route_failures: list[VendorError] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    on_ticket: Callable[[], None] = lambda: None
    """Called at each read, after it."""
    on_send: Callable[[], None] = lambda: None
    linked: LinkedOrder | None = None
    known_order: Order | None = None
    meter: Meter = field(default_factory=Unmetered)

    async def ticket(self, ticket_id: str) -> TicketState:
        self.meter.spent()
        seen = self.state
        self.on_ticket()
        return seen

    async def team_ids(self) -> dict[str, str]:
        self.meter.spent()
        return {"Returns Admin": "team-3", "Email Support Team": "team-1"}

    async def apply_route(
        self, ticket: TicketState, *, team_id: str | None, tags: tuple[str, ...]
    ) -> None:
        self.meter.spent()
        if team_id is not None:
            self.meter.spent()  # the id of a tag is not known: team and tags are two writes
        if self.route_failures:
            raise self.route_failures.pop(0)
        self.state = replace(
            self.state,
            assignee_id=team_id or self.state.assignee_id,
            tags=self.state.tags | frozenset(tags),
        )

    async def add_tags(self, ticket_id: str, tags: tuple[str, ...]) -> None:
        if self.route_failures:
            raise self.route_failures.pop(0)
        self.state = replace(self.state, tags=self.state.tags | frozenset(tags))

    async def send_reply(self, ticket: TicketState, *, body: str) -> None:
        self.meter.spent()
        self.on_send()
        failure, applies = self.send_failures.pop(0) if self.send_failures else (None, True)
        if applies:
            self.replies.append(body)
            shown = Comment(f"r{len(self.replies)}", body, is_operator=True)
            self.state = replace(self.state, comments=(*self.state.comments, shown))
        if failure is not None:
            raise failure

    async def add_note(self, ticket: TicketState, *, body: str) -> None:
        self.notes.append(body)
        shown = Comment(f"n{len(self.notes)}", body, is_operator=True, is_note=True)
        self.state = replace(self.state, comments=(*self.state.comments, shown))

    async def linked_order(self, ticket_id: str) -> LinkedOrder | None:
        return self.linked

    async def order(self, linked: LinkedOrder) -> Order | None:
        return self.known_order


def request_for(
    text: str = "I want a refund", intent: str = "refund_request", confidence: str = "high"
) -> ActionRequest:
    ticket = AcceptedTicket(
        event_id="e1", tenant="default", source="richpanel", conversation_id="t1",
        message_id="m1", channel="email", text=text, ingress_id="i1", received_at=999.0,
    )  # fmt: skip
    opinion = Opinion(intent, confidence, "m", 0.1, 1, "p")
    return plan(ticket, classify(ticket, opinion, None, prefix="mw"))


def recorded(request: ActionRequest, offset: int = 0) -> FakeRecord:
    return FakeRecord(topics.REQUESTED.name, 0, offset, b"t1", request.to_bytes())


def fresh_counts() -> CustomerCounts:
    view = View()
    view.apply([Update("worker/0", b"{}", 0, 1_700_000_000.0)])
    view.written(0, 0.0)
    return CustomerCounts(view, monotonic=lambda: 0.0)


class Watched(WindowBucket):
    """A budget that remembers when each request was made."""

    def __init__(self, *, limit: float, window: float) -> None:
        super().__init__(limit=limit, window=window)
        self.made: list[float] = []

    def spend(self, now: float, count: float = 1.0) -> None:
        self.made.append(now)
        super().spend(now, count)


@dataclass
class Setting:
    """What is around one worker."""

    controls: Controls = field(default_factory=lambda: Controls().mode("live"))
    counts: CustomerCounts = field(default_factory=fresh_counts)
    clock: Clock = field(default_factory=Clock)
    stalls: StallMonitor | None = None
    unsettled: Unsettled = Unsettled.TRIAGE
    allow_list: tuple[str, ...] = ("*",)
    lease: float = 0.05
    longest_call: float = 5.0
    deadline: float = 1e9
    closed_for: float = 0.0
    on_crash: Crash = crash
    bucket: WindowBucket = field(default_factory=lambda: WindowBucket(limit=1000, window=1))


BROKER_AHEAD = 3600.0
"""Seconds by which the broker's clock is ahead of this machine's."""


def acting(stage: Stage, desk: Desk, setting: Setting | None = None) -> Any:
    setting = setting or Setting()
    clock = setting.clock
    gate = Gate("richpanel", setting.bucket, monotonic=clock, now=clock)
    gate.close(setting.closed_for)
    desk.meter = gate
    calls = Calls(gate, deadline=setting.deadline, now=clock, uniform=lambda low, high: 0.0)
    policy = Policy(("email", "live_chat"), setting.allow_list)
    permits = Permits(
        setting.controls.control, setting.counts, policy=policy, tag_prefix="mw",
        longest_call=setting.longest_call, now=clock,
    )  # fmt: skip
    ledger = LedgerTable(stage.table, stage.producer)
    lease = Lease(setting.lease, 0.0, setting.unsettled)
    sending = Sending(
        ledger, desk, calls, permits,
        counts=setting.counts,
        stalls=setting.stalls or StallMonitor(limit=3.3, monotonic=clock),
        worker="0", lease=lease,
        now=clock, broker_now=clock, monotonic=clock,
    )  # fmt: skip
    replier = Replier(ledger, desk, calls, sending, lease=lease, broker_now=clock)
    work = Acting(
        stage, desk, calls, permits, replier,
        parking=Parking(
            stage, deadline=setting.deadline, now=clock, uniform=lambda low, high: low
        ),
        orders=Orders(desk, calls, None, calls, is_shed=lambda _: False),
        releasable=Releasable(reply=900.0, others=14_400.0), tag_prefix="mw",
        now=clock, broker_now=lambda: clock() + BROKER_AHEAD, monotonic=clock,
    )  # fmt: skip
    return attach_act(stage, work, concurrency=4, on_crash=setting.on_crash)


@dataclass
class World:
    stage: Callable[[str], Stage]
    broker: MemoryBroker

    def run(
        self,
        desk: Desk,
        request: ActionRequest | None = None,
        *,
        mode: str = "live",
        setting: Setting | None = None,
        rows: dict[str, bytes] | None = None,
    ) -> list[tuple[str, str | None]]:
        """Runs one request; (what, outcome or reason) of every audit record so far."""
        request = request or request_for()
        setting = setting or Setting(Controls().mode(mode))

        async def scenario() -> None:
            stage = self.stage("act")
            await stage.table.ready(0)
            if rows is not None:
                puts = {key.encode(): value for key, value in rows.items()}
                await stage.table.commit(0, puts, self.broker)
            batch = batch_of([recorded(request)])
            batch.assignment.sleep = setting.clock.sleep  # type: ignore[method-assign]
            await run_batch(acting(stage, desk, setting), batch)
            await stage.table.close()

        asyncio.run(scenario())
        return [
            (audit.what, audit.outcome.value if audit.outcome else audit.reason)
            for audit in self.broker.audits()
        ]

    def withheld(self) -> list[Withheld]:
        return [Withheld.parse(each.value) for each in self.broker.on(topics.WITHHELD.name)]


def open_intent(request: ActionRequest | None = None, *, attempt: int = 1) -> dict[str, bytes]:
    """The row of a worker that died with a reply in hand."""
    action = (request or request_for()).steps[1].action_id
    row = ReplyIntent(action_id=action, worker="dead", deadline_at=1.0, at=0.5, attempt=attempt)
    return {intent_key(action, attempt): row.to_bytes()}


@pytest.fixture
def world(make_stage: Callable[[str], Stage], memory_broker: MemoryBroker) -> World:
    return World(make_stage, memory_broker)


@pytest.fixture(autouse=True)
def _quick_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.reply.READ_BACK_PAUSE", 0.0)


def test_a_ticket_is_routed_then_answered_once(world: World) -> None:
    desk = Desk()
    assert world.run(desk) == [
        ("routed", None), ("replied", None), ("marked", None), ("ended", "acted"),
    ]  # fmt: skip
    assert len(desk.replies) == 1
    assert desk.state.assignee_id == "team-3"
    assert {"mw-processed", "route-returns-admin", "mw-auto-replied"} <= desk.state.tags


def test_a_plan_reads_the_ticket_for_its_route_and_for_its_reply_and_no_third_time(
    world: World,
) -> None:
    reads: list[int] = []
    desk = Desk(on_ticket=lambda: reads.append(1))
    assert world.run(desk)[-1] == ("ended", "acted")
    assert len(reads) == 2
    assert "mw-auto-replied" in desk.state.tags


@pytest.mark.parametrize("limit", [3, 4, 5])
def test_a_plan_never_makes_a_request_that_the_budget_has_no_place_for(
    world: World, limit: int
) -> None:
    """Its route reads once and may write twice; when it begins, the teams have been read."""
    window = 0.02
    bucket = Watched(limit=limit, window=window)
    assert world.run(Desk(), setting=Setting(bucket=bucket))[-1] == ("ended", "acted")
    assert len(bucket.made) == 7
    for begin in bucket.made:
        assert sum(begin <= at < begin + window for at in bucket.made) <= limit


@pytest.mark.parametrize("mode", ["live", "route_only"])
def test_a_plan_that_comes_again_after_its_end_counts_once(world: World, mode: str) -> None:
    desk, request = Desk(), request_for()
    if mode == "route_only":
        request = request.model_copy(update={"steps": request.steps[:1]})
    world.run(desk, request, mode=mode)
    once = fold(None, 0, enumerate(world.broker.audits())).counts
    world.run(desk, request, mode=mode)
    twice = fold(None, 0, enumerate(world.broker.audits())).counts
    assert twice == once | {"stage_records|act": 2}
    assert once["outcomes|acted"] == 1
    assert len(desk.replies) == (mode == "live")


@pytest.mark.parametrize(
    ("failure", "applies", "reason"),
    [
        (Ambiguous("read_timeout"), True, "found"),
        (Ambiguous("http_502"), False, "unknown"),
        (Permanent("http_422"), False, "refused"),
    ],
)
def test_a_reply_that_ended_with_a_reason_counts_once_too(
    world: World, failure: VendorError, applies: bool, reason: str
) -> None:
    world.run(Desk(send_failures=[(failure, applies)]))
    once = fold(None, 0, enumerate(world.broker.audits())).counts
    said = world.run(Desk())[4:]
    assert [why for what, why in said if what in {"replied", "triaged"}] == [reason]
    twice = fold(None, 0, enumerate(world.broker.audits())).counts
    assert twice == once | {"stage_records|act": 2}


def test_an_unknown_write_of_a_route_is_compared_before_it_is_made_again(world: World) -> None:
    reads: list[int] = []
    failures: list[VendorError] = [Ambiguous("http_502"), Transient("unreachable")]
    desk = Desk(route_failures=failures, on_ticket=lambda: reads.append(1))
    assert world.run(desk, mode="route_only")[0] == ("routed", None)
    assert len(reads) == 3


@dataclass
class Stuck(Desk):
    """Its first write never ends."""

    writes: int = 0

    async def apply_route(self, ticket: TicketState, **wanted: Any) -> None:
        await self._stuck()
        await super().apply_route(ticket, **wanted)

    async def add_tags(self, ticket_id: str, tags: tuple[str, ...]) -> None:
        await self._stuck()
        await super().add_tags(ticket_id, tags)

    async def _stuck(self) -> None:
        self.writes += 1
        if self.writes == 1:
            await asyncio.sleep(3600)


def test_a_route_that_stays_on_the_wire_too_long_is_ended_and_made_again(world: World) -> None:
    desk = Stuck()
    setting = Setting(Controls().mode("route_only"), longest_call=0.05)
    assert world.run(desk, setting=setting)[0] == ("routed", None)
    assert desk.writes == 2
    assert desk.state.assignee_id == "team-3"


def test_the_tag_of_a_dead_letter_stays_on_the_wire_no_longer_than_any_write(world: World) -> None:
    class Refused(Stuck):
        async def apply_route(self, ticket: TicketState, **wanted: Any) -> None:
            raise Permanent("http_400")

    desk = Refused()
    assert world.run(desk, setting=Setting(longest_call=0.05))[-1] == ("ended", "dead_lettered")
    assert desk.writes == 1
    assert desk.state.tags == frozenset()


def test_a_finished_plan_tells_how_long_the_stage_took(world: World) -> None:
    def measured() -> float:
        name = "switchboard_stage_duration_seconds_sum"
        return telemetry.REGISTRY.get_sample_value(name, {"stage": "act"}) or 0.0

    before = measured()
    world.run(Desk())
    (spent,) = [each.detail["seconds"] for each in world.broker.audits() if each.what == "routed"]
    assert float(spent) > 0
    assert measured() - before > float(spent) - 1e-6  # sums of fractions


def test_the_intent_is_durable_before_the_send_and_done_after_it(world: World) -> None:
    world.run(Desk())
    keys = [record.key or b"" for record in world.broker.on("rows-changelog")]
    # The last two are those of the steps that are safe to repeat: route and mark.
    kinds = [key.rpartition(b"#")[2] for key in keys]
    assert kinds == [b"ticket:t1", b"intent", b"done", b"done", b"done"]


def test_every_write_tells_under_which_mode_it_was_begun_and_a_later_run_that_it_wrote_none(
    world: World,
) -> None:
    world.run(Desk(), mode="live")
    steps = [each for each in world.broker.audits() if each.what in {"routed", "replied", "marked"}]
    assert [each.detail["mode"] for each in steps] == ["live", "live", "live"]
    # By the clock that all processes share, not by this machine's own.
    called = [float(each.detail["called_at"]) for each in steps]
    assert all(0 <= at - BROKER_AHEAD - 1000 < 60 for at in called)
    (ended,) = [each for each in world.broker.audits() if each.what == "ended"]
    assert "mode" not in ended.detail


def test_shadow_executes_nothing_and_keeps_what_it_would_have_said(world: World) -> None:
    desk = Desk()
    assert world.run(desk, mode="shadow")[-1] == ("ended", "withheld")
    assert desk.replies == []
    assert desk.state == TICKET
    held = world.withheld()
    assert [(each.kind, each.reason) for each in held] == [("route", "mode"), ("reply", "mode")]
    assert held[1].rendered


def test_route_only_routes_and_withholds_the_reply(world: World) -> None:
    desk = Desk()
    assert world.run(desk, mode="route_only") == [
        ("routed", None), ("withheld", "mode"), ("ended", "withheld"),
    ]  # fmt: skip
    assert desk.replies == []


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (replace(TICKET, status="CLOSED"), "ticket_closed"),
        (replace(TICKET, tags=frozenset({"vip"})), "vip"),
        (
            replace(TICKET, comments=(*TICKET.comments, Comment("a", "hi", is_operator=True))),
            "human_answered",
        ),
        (
            replace(TICKET, comments=(*TICKET.comments, Comment("m2", "and", is_operator=False))),
            "newer_message",
        ),
    ],
)
def test_a_reply_is_withheld_for_what_the_ticket_shows_now(
    world: World, state: TicketState, reason: str
) -> None:
    desk = Desk(state)
    assert world.run(desk)[1] == ("withheld", reason)
    assert desk.replies == []


def test_an_answer_that_was_lost_after_the_effect_is_found_and_not_sent_again(
    world: World,
) -> None:
    desk = Desk(send_failures=[(Ambiguous("read_timeout"), True)])
    assert world.run(desk) == [
        ("routed", None), ("replied", "found"), ("marked", None), ("ended", "acted"),
    ]  # fmt: skip
    assert len(desk.replies) == 1


def test_an_unknown_send_that_left_no_mark_goes_to_a_human_and_is_not_sent_again(
    world: World,
) -> None:
    desk = Desk(send_failures=[(Ambiguous("http_502"), False)])
    assert world.run(desk) == [
        ("routed", None), ("triaged", "unknown"), ("marked", None), ("ended", "triaged"),
    ]  # fmt: skip
    assert desk.replies == []
    assert "needs_manual_triage" in desk.state.tags


@pytest.mark.parametrize(
    ("applies", "end", "tag"),
    [
        pytest.param(True, ("replied", "found"), "mw-auto-replied", id="after the effect"),
        pytest.param(False, ("triaged", "unknown"), "needs_manual_triage", id="before it"),
    ],
)
def test_a_send_that_breaks_in_our_own_code_is_read_back_like_any_unknown_one(
    world: World, applies: bool, end: tuple[str, str], tag: str
) -> None:
    desk = Desk(send_failures=[(KeyError("a bug"), applies)])
    assert end in world.run(desk)
    assert len(desk.replies) == applies
    assert tag in desk.state.tags


def test_a_bug_while_an_intent_is_open_leaves_a_dead_letter_a_tag_and_an_unknown_reply(
    world: World,
) -> None:
    class Unreadable(Desk):
        """Its tickets break our own code once a reply may have gone out."""

        async def ticket(self, ticket_id: str) -> TicketState:
            if self.replies:
                raise KeyError("a bug")
            return await super().ticket(ticket_id)

    desk = Unreadable(send_failures=[(Ambiguous("http_502"), True)])
    assert world.run(desk)[-1] == ("dead_lettered", "dead_lettered")
    assert desk.state.tags >= {"middleware_error_needs_attention"}
    ledger = TicketLedger("t1")
    for row in world.broker.on("rows-changelog"):
        ledger.apply((row.key or b"").decode(), row.value)
    assert [each["state"] for each in ledger.states(2000.0)] == ["unknown"]
    # Sent back, the letter settles it by what the ticket shows.
    mended = Desk(desk.state)
    assert world.run(mended)[-1] == ("ended", "acted")
    assert mended.replies == []


def test_a_medium_confidence_leaves_a_draft_though_the_mode_is_live(world: World) -> None:
    desk = Desk()
    assert world.run(desk, request_for(confidence="medium")) == [
        ("routed", None), ("drafted", None), ("ended", "acted"),
    ]  # fmt: skip
    assert (len(desk.notes), desk.replies) == (1, [])


def test_an_intent_of_a_dead_worker_is_never_sent_blind(world: World) -> None:
    desk = Desk()
    assert world.run(desk, rows=open_intent())[-1] == ("ended", "triaged")
    assert desk.replies == []


def test_a_refusal_that_wrote_nothing_is_sent_later(world: World) -> None:
    desk = Desk(send_failures=[(RateLimited("http_429", 0.01), False)])
    assert world.run(desk)[-1] == ("ended", "acted")
    assert len(desk.replies) == 1


def test_a_definite_no_is_a_humans_case(world: World) -> None:
    desk = Desk(send_failures=[(Permanent("http_422"), False)])
    assert world.run(desk)[-1] == ("ended", "triaged")
    assert "mw-send-failed" in desk.state.tags


def test_a_ticket_that_cannot_be_routed_is_a_dead_letter_and_not_answered(world: World) -> None:
    desk = Desk(route_failures=[Permanent("http_404")])
    assert world.run(desk) == [("failed", "http_404"), ("ended", "dead_lettered")]
    assert desk.replies == []
    (letter,) = world.broker.on(f"{topics.REQUESTED.name}.dlq")
    assert dict(letter.headers)["sb-reason"] == b"http_404"


def test_tier_0_is_routed_and_nobody_is_answered(world: World) -> None:
    desk = Desk()
    assert world.run(desk, request_for("I will sue you")) == [("routed", None), ("ended", "acted")]
    # This fake desk has no Leadership Team: the fallback and the tag that names it.
    assert "mw-needs-leadership-team" in desk.state.tags
    assert desk.replies == []


def test_an_unreadable_plan_is_kept_as_a_dead_letter(
    world: World, make_stage: Callable[[str], Stage], memory_broker: MemoryBroker, tmp_path: Path
) -> None:
    async def scenario() -> None:
        stage = make_stage("act")
        bad = FakeRecord(topics.REQUESTED.name, 0, 0, b"t1", b"{}")
        await run_batch(acting(stage, Desk()), batch_of([bad]))
        await stage.table.close()

    asyncio.run(scenario())
    assert [audit.outcome for audit in memory_broker.audits()] == [Outcome.DEAD_LETTERED]
