"""What keeps a reply back, and what a plan leaves when it is run again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.counts import CustomerCounts
from agents.sending import Stalled
from pipeline import topics
from pipeline.domain.events import ActionRequest, CountedReply, customer_hash
from pipeline.domain.ledger import (
    Done,
    DoneOutcome,
    TicketReplies,
    Unsettled,
    done_key,
    ticket_key,
)
from pipeline.domain.permit import DAY
from pipeline.domain.templates import marked
from pipeline.ports import Ambiguous, Comment, RateLimited
from pipeline.stream.control import Update, View
from pipeline.stream.dead_letter import DeadLetters
from pipeline.stream.producer import Outgoing
from tests.stream.controls import Controls
from tests.stream.memory_broker import MemoryBroker
from tests.stream.test_act_agent import (
    TICKET,
    Clock,
    Desk,
    Setting,
    Watched,
    World,
    fresh_counts,
    open_intent,
    request_for,
    world,
)

__all__ = ["world"]
CUSTOMER = customer_hash("default", "ann@example.com")
KNOWN = replace(TICKET, customer="ann@example.com")


class Meanwhile(CustomerCounts):
    """Lets something happen between the permit and the fence."""

    def __init__(self, happens: Callable[[], object]) -> None:
        view = View()
        view.apply([Update("worker/0", b"{}", 0, 1_700_000_000.0)])
        view.written(0, 0.0)
        super().__init__(view, monotonic=lambda: 0.0)
        self.happens = happens

    def reserve(self, customer: str, action_id: str, at: float) -> Outgoing:
        self.happens()
        return super().reserve(customer, action_id, at)


def done_row(request: ActionRequest, step: int, outcome: DoneOutcome) -> dict[str, bytes]:
    action = request.steps[step].action_id
    return {done_key(action): Done(action_id=action, outcome=outcome, at=1.0).to_bytes()}


def test_draft_leaves_a_note_for_a_human_and_never_sends_it_later(world: World) -> None:
    desk = Desk()
    assert world.run(desk, mode="draft") == [
        ("routed", None), ("drafted", None), ("ended", "acted"),
    ]  # fmt: skip
    assert (len(desk.notes), desk.replies) == (1, [])
    world.run(desk, mode="live", rows=done_row(request_for(), 1, DoneOutcome.DRAFTED))
    assert desk.replies == []


def test_nobody_is_answered_who_is_not_on_the_allow_list(world: World) -> None:
    desk = Desk(KNOWN)
    assert world.run(desk, setting=Setting(allow_list=()))[1] == ("withheld", "allow_list")
    assert desk.replies == []


def test_an_unanswered_second_message_within_ten_minutes_is_capped(world: World) -> None:
    replies = TicketReplies(conversation_id="t1").plus("another", "c", 900.0)
    rows = {ticket_key("t1"): replies.to_bytes()}
    assert world.run(Desk(), rows=rows)[1] == ("withheld", "cap_ticket_10m")


def test_a_customers_sixth_reply_of_the_day_is_capped_over_all_tickets(world: World) -> None:
    counts = fresh_counts()
    for number in range(5):
        counts.reserve(CUSTOMER, f"a{number}", 900.0)
    assert world.run(Desk(KNOWN), setting=Setting(counts=counts))[1] == (
        "withheld", "cap_customer_24h",
    )  # fmt: skip


def test_a_reply_is_told_to_the_other_workers_with_its_intent(world: World) -> None:
    world.run(Desk(KNOWN))
    (record,) = world.broker.on(topics.COUNTED.name)
    assert record.key == f"reply/{CUSTOMER}/{request_for().steps[1].action_id}".encode()
    assert CountedReply.parse(record.value).at > 0


@pytest.mark.parametrize("lowered_to", ["stop", "shadow", "route_only", "draft"])
def test_a_mode_that_is_lowered_after_the_permit_is_seen_at_the_fence(
    world: World, lowered_to: str
) -> None:
    controls, desk = Controls().mode("live"), Desk(KNOWN)
    counts = Meanwhile(lambda: controls.mode(lowered_to))
    said = world.run(desk, setting=Setting(controls=controls, counts=counts))
    assert desk.replies == []
    if lowered_to == "draft":
        assert ("drafted", None) in said
        return
    assert ("withheld", "mode") in said
    # It gave up its place: neither the ticket's caps nor the customer's count it.
    assert counts.others(CUSTOMER, "another") == []
    rows = [each for each in world.broker.on("rows-changelog") if each.key == b"ticket:t1"]
    assert TicketReplies.parse(rows[-1].value).replies == ()


class Silent(Clock):
    """A clock by which the control topic falls silent in every long sleep, and is heard in a short."""

    def __init__(self) -> None:
        super().__init__()
        self.controls = Controls(monotonic=self).mode("live")

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if seconds < 1:
            self.controls.hear()


@pytest.mark.parametrize("first", [0, 1])
def test_a_control_topic_that_falls_silent_while_a_step_waits_in_line_withholds_nothing(
    world: World, first: int
) -> None:
    request, clock = request_for(), Silent()
    alone = request.model_copy(update={"steps": request.steps[first:]})
    setting = Setting(clock.controls, clock=clock, closed_for=10.0)
    assert world.run(Desk(), alone, setting=setting)[-1] == ("ended", "acted")


@pytest.mark.parametrize("line", [0.0, 10.0])
def test_a_control_topic_that_falls_silent_after_the_reply_does_not_withhold_its_mark(
    world: World, line: float
) -> None:
    clock, request = Silent(), request_for()
    setting = Setting(clock.controls, clock=clock, closed_for=line)

    def fall_silent() -> None:
        clock.at += 10.0

    desk = Desk(on_send=fall_silent)
    rows = None
    if line:
        rows = done_row(request, 0, DoneOutcome.APPLIED) | done_row(request, 1, DoneOutcome.SENT)
    said = world.run(desk, request, setting=setting, rows=rows)
    assert ("marked", None) in said
    assert "mw-auto-replied" in desk.state.tags


@pytest.mark.parametrize("done", [0, 1, 2])
def test_what_waits_in_line_when_the_mode_falls_to_stop_calls_nobody(
    world: World, done: int
) -> None:
    """Its first call is the one of its route, of its reply, or of the mark of that."""
    controls, request = Controls().mode("live"), request_for()

    class Falling(Clock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            controls.mode("stop")

    ends = [DoneOutcome.APPLIED, DoneOutcome.SENT][:done]
    rows = [done_row(request, step, outcome) for step, outcome in enumerate(ends)]
    bucket = Watched(limit=1000, window=1)
    setting = Setting(controls, clock=Falling(), closed_for=10.0, bucket=bucket)
    said = world.run(
        Desk(), request, setting=setting, rows={k: v for row in rows for k, v in row.items()}
    )
    assert said[done] == ("withheld", "mode")
    assert bucket.made == []


def test_a_mode_that_falls_to_stop_while_the_teams_are_read_leaves_the_ticket_unread(
    world: World,
) -> None:
    controls, reads = Controls().mode("live"), list[int]()

    class Falling(Desk):
        async def team_ids(self) -> dict[str, str]:
            controls.mode("stop")
            return await super().team_ids()

    desk = Falling(on_ticket=lambda: reads.append(1))
    assert world.run(desk, setting=Setting(controls))[0] == ("withheld", "mode")
    assert reads == []


def test_a_read_on_the_wire_holds_a_lowered_mode_unconfirmed_until_it_has_ended(
    world: World,
) -> None:
    controls, lags = Controls().mode("live"), list[bool]()

    def lower() -> None:
        controls.mode("draft")
        lags.append(controls.control.confirmed < controls.control.epoch)

    world.run(Desk(on_ticket=lower), setting=Setting(controls))
    assert lags == [True, True]
    assert controls.control.confirmed == controls.control.epoch


def test_a_lease_that_ran_out_before_the_send_is_a_humans_case(world: World) -> None:
    setting = Setting()

    def pass_a_second() -> None:
        setting.clock.at += 1.0

    setting.counts = Meanwhile(pass_a_second)
    desk = Desk()
    assert ("triaged", "unknown") in world.run(desk, setting=setting)
    assert desk.replies == []


def test_a_reply_that_is_seen_on_the_ticket_is_not_sent_though_the_ledger_is_empty(
    world: World,
) -> None:
    sent = Comment("r1", marked("Hello", request_for().steps[1].action_id), is_operator=True)
    desk = Desk(replace(TICKET, comments=(*TICKET.comments, sent)))
    assert ("replied", "found") in world.run(desk)
    assert desk.replies == []


def test_a_plan_that_is_run_again_repeats_nothing_that_is_done(world: World) -> None:
    request = request_for()
    rows = {
        **done_row(request, 0, DoneOutcome.APPLIED),
        **done_row(request, 1, DoneOutcome.SENT),
    }
    # A human has moved the ticket since; a second run must not move it back.
    desk = Desk(replace(TICKET, assignee_id="a-human"))
    assert world.run(desk, request, rows=rows) == [
        ("routed", "already"), ("replied", "already"), ("marked", None), ("ended", "acted"),
    ]  # fmt: skip
    assert desk.state.assignee_id == "a-human"
    assert desk.replies == []
    assert "mw-auto-replied" in desk.state.tags


def test_an_open_intent_is_settled_though_the_mode_is_stop(world: World) -> None:
    sent = Comment("r1", marked("Hello", request_for().steps[1].action_id), is_operator=True)
    desk = Desk(replace(TICKET, comments=(*TICKET.comments, sent)))
    said = world.run(desk, mode="stop", rows=open_intent())
    assert ("replied", "found") in said
    assert desk.state.tags == frozenset()


@pytest.mark.parametrize(("applies", "sent"), [(False, 1), (True, 1)])
def test_verify_resend_sends_what_the_ticket_does_not_show_once_more(
    world: World, *, applies: bool, sent: int
) -> None:
    desk = Desk(send_failures=[(Ambiguous("http_502"), applies)])
    said = world.run(desk, setting=Setting(unsettled=Unsettled.VERIFY_RESEND))
    assert said[-1] == ("ended", "acted")
    assert len(desk.replies) == sent


def test_a_reply_that_was_refused_keeps_its_place_and_is_sent_later(world: World) -> None:
    desk = Desk(KNOWN, send_failures=[(RateLimited("http_429", 0.01), False)])
    counts = fresh_counts()
    assert world.run(desk, setting=Setting(counts=counts))[-1] == ("ended", "acted")
    assert len(counts.others(CUSTOMER, "another") or []) == 1


def test_a_withheld_reply_is_kept_with_the_plan_that_sends_it_alone(world: World) -> None:
    request = request_for()
    world.run(Desk(), request, mode="route_only")
    (held,) = world.withheld()
    assert held.request is not None
    assert [step.kind for step in held.request.steps] == ["reply", "mark"]
    assert held.request.steps[0].action_id == held.action_id == request.steps[1].action_id
    assert held.expires_at == request.received_at + 900


def test_a_withheld_route_may_not_be_released_for_ever(world: World) -> None:
    request = request_for()
    world.run(Desk(), request, mode="shadow")
    ends = {each.kind: each.expires_at for each in world.withheld()}
    assert ends == {
        "route": request.received_at + 14_400, "reply": request.received_at + 900,
    }  # fmt: skip


def test_a_released_reply_goes_out_under_its_first_id(world: World) -> None:
    world.run(Desk(), mode="route_only")
    (held,) = world.withheld()
    assert held.request is not None
    desk = Desk()
    said = world.run(desk, held.request.model_copy(update={"released_by": "ann"}))
    assert said[-1] == ("ended", "acted")
    assert len(desk.replies) == 1
    assert world.broker.audits()[-1].detail["released"]


def test_counts_that_are_not_fresh_are_not_known() -> None:
    now = [0.0]
    view = View()
    counts = CustomerCounts(view, monotonic=lambda: now[0])
    assert counts.others("c", "a") is None
    view.apply([Update("worker/0", b"{}", 0, 1.0)])
    view.written(0, 0.0)
    assert counts.others("c", "a") == []
    now[0] = 5.1
    assert counts.others("c", "a") is None


def test_counts_follow_the_topic_and_forget_what_is_removed() -> None:
    counts_view = View()
    counts = CustomerCounts(counts_view, monotonic=lambda: 0.0)
    counts_view.written(-1, 0.0)
    key = "reply/c/a1"

    def put(value: bytes | None) -> None:
        counts_view.apply([Update(key, value, counts_view.position, 77.0)])

    put(CountedReply(at=5.0).to_bytes())
    assert counts.others("c", "a2") == [5.0]
    assert counts.others("c", "a1") == []
    assert [each.key for each in counts.too_old(5.0 + DAY + 1)] == [key.encode()]
    assert list(counts.too_old(5.0 + DAY)) == []
    put(b"unreadable")
    assert counts.others("c", "a2") == [77.0]
    put(None)
    assert counts.others("c", "a2") == []


def test_a_worker_that_stood_still_ends_and_buries_nothing(memory_broker: MemoryBroker) -> None:
    letters = DeadLetters(memory_broker, lambda record, reason: [])
    assert letters.reason(Stalled()) is None
