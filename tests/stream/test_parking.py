"""Parked work of the act stage: put aside, brought back, in order, ended once.

The log in memory is the broker and `Lap` the scheduler: what is on the tiers comes back as it
would, or twice, or late.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import ActionRequest, Outcome
from pipeline.domain.parking import Queue
from pipeline.domain.windows import fold
from pipeline.ports import Permanent, RateLimited, Transient
from pipeline.stream.parking import DUE, Parked, bare
from pipeline.stream.producer import Outgoing
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, run_batch
from tests.stream.test_act_agent import Clock, Desk, Setting, acting, request_for

SOURCE = topics.REQUESTED.name


def plan_of(event: str) -> ActionRequest:
    """A plan of ticket t1 whose event is `event`."""
    request = request_for()
    steps = tuple(
        step.model_copy(update={"action_id": (event + step.kind[:3]) * 8}) for step in request.steps
    )
    return request.model_copy(update={"event_id": event, "ingress_id": event, "steps": steps})


def arrives(event: str, offset: int) -> FakeRecord:
    return FakeRecord(SOURCE, 0, offset, b"t1", plan_of(event).to_bytes(), (("ce_id", b"x"),))


class World:
    """One act worker, restarted for every batch; its table and the broker's logs stay."""

    def __init__(self, make_stage: Callable[[str], Stage], broker: MemoryBroker) -> None:
        self._make_stage = make_stage
        self.broker = broker
        self.desk = Desk()
        self.taken = 0

    def work(
        self,
        *records: FakeRecord,
        deadline: float = 1e9,
        is_poison: bool = False,
        closed_for: float = 0.0,
        at: float = 1000.0,
    ) -> None:
        async def play() -> None:
            stage = self._make_stage("act")
            await stage.table.ready(0)
            setting = Setting(clock=Clock(at), deadline=deadline, closed_for=closed_for)
            agent = acting(stage, self.desk, setting)
            batch = replace(batch_of(list(records)), is_poison=is_poison)
            await run_batch(agent, batch)
            await stage.table.close()

        asyncio.run(play())

    def dies(self, record: FakeRecord) -> None:
        """Hands `record` out to a worker that dies of it."""
        crashed: list[str] = []

        async def play() -> None:
            ended = asyncio.Event()

            def on_crash(where: str, _: BaseException) -> None:
                crashed.append(where)
                ended.set()

            stage = self._make_stage("act")
            await stage.table.ready(0)
            agent = acting(stage, self.desk, Setting(on_crash=on_crash))
            batch = batch_of([record])
            async with agent.test_context() as running:
                await running.put(batch)
                await asyncio.wait_for(ended.wait(), 10)
            agent.app.consumer._thread.thread_loop.close()
            assert batch.assignment.watermark.position is None
            await stage.table.close()

        asyncio.run(play())
        assert crashed == ["lane"]

    @property
    def parked(self) -> list[Outgoing]:
        """What was parked since the last look."""
        tiers = {spec.name for spec in topics.PARKED.values()}
        there = [record for record in self.broker.sent if record.topic in tiers]
        fresh, self.taken = there[self.taken :], len(there)
        return fresh

    @property
    def rows(self) -> dict[bytes, bytes | None]:
        """The rows of parked work that are left."""
        changes = self.broker.logs["rows-changelog", 0]
        rows = {
            each.key: each.value
            for each in changes
            if each is not None and (each.key or b"").startswith(b"parked")
        }
        return {key: value for key, value in rows.items() if key and value is not None}

    def ends(self) -> list[tuple[str, Outcome]]:
        return [(a.ingress_id, a.outcome) for a in self.broker.audits() if a.outcome is not None]


@pytest.fixture
def world(make_stage: Callable[[str], Stage], memory_broker: MemoryBroker) -> World:
    return World(make_stage, memory_broker)


def back(parked: Outgoing, offset: int) -> FakeRecord:
    """The parked record as the scheduler produces it."""
    return FakeRecord(SOURCE, 0, offset, parked.key, parked.value, tuple(parked.headers))


def storm(seconds: float = 600.0) -> RateLimited:
    return RateLimited("http_429", seconds)


def test_work_that_must_wait_is_parked_and_nobody_sleeps(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    (parked,) = world.parked
    assert parked.topic == topics.PARKED["10m"].name
    assert (parked.key, parked.partition) == (b"t1", 0)
    assert parked.value == plan_of("a").to_bytes()
    assert parked.headers[0] == ("ce_id", b"x")
    said = Parked.of(back(parked, 1))
    assert said is not None
    assert (said.piece, said.lap, said.failures, said.reason) == (0, 1, 0, "http_429")
    assert 1500 < said.due < 1700  # the test's clock began at 1000
    assert said.since is not None
    assert world.ends() == []
    (audit,) = world.broker.audits()
    assert (audit.what, audit.detail["due"]) == ("parked", said.due)
    assert world.desk.replies == []


def test_it_comes_back_is_done_and_leaves_no_row(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    assert world.rows
    world.work(back(world.parked[0], 1))
    assert world.ends() == [("a", Outcome.ACTED)]
    assert len(world.desk.replies) == 1
    assert world.rows == {}


def test_what_a_parked_run_has_done_is_told_then_and_counted_once(world: World) -> None:
    world.desk.send_failures = [(storm(), False)]
    world.work(arrives("a", 0))
    routed, parked = world.broker.audits()
    assert (routed.what, routed.reason, parked.what) == ("routed", None, "parked")
    # What must always hold is judged by these two.
    assert {"mode", "called_at"} <= set(routed.detail)
    world.work(back(world.parked[0], 1))
    again = world.broker.audits()[2]
    assert (again.what, again.reason) == ("routed", "already")
    # Its own time, though the plan ended later.
    assert again.at == pytest.approx(routed.at, abs=0.1)
    counted = fold(None, 0, enumerate(world.broker.audits()))
    assert counted.counts["actions|route|routed"] == 1
    assert sum(counted.histograms["end_to_end_seconds|email"].values()) == 1
    assert counted.counts["auto_reply_sent|refund_request|email"] == 1


def test_a_reply_is_told_of_together_with_its_row(world: World) -> None:
    told: list[list[str]] = []

    class Watched(Desk):
        async def apply_route(self, ticket: Any, **wanted: Any) -> None:
            told.append([audit.what for audit in world.broker.audits()])
            await super().apply_route(ticket, **wanted)

    world.desk = Watched()
    world.work(arrives("a", 0))
    # A worker that dies before its mark leaves a reply that is done, and the audit of it.
    assert told == [[], ["routed", "replied"]]
    assert [audit.what for audit in world.broker.audits()] == [
        "routed", "replied", "marked", "ended",
    ]  # fmt: skip


def test_a_ticket_that_a_limit_held_up_says_so_with_its_next_write(world: World) -> None:
    wrote: list[tuple[str, ...]] = []

    class Watched(Desk):
        async def apply_route(self, ticket: Any, **wanted: Any) -> None:
            await super().apply_route(ticket, **wanted)
            wrote.append(wanted["tags"])

    world.desk = Watched(route_failures=[storm()])
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    world.work(back(first, 2), back(second, 3))
    # Its route and its mark, and those of the work behind it, whose reply is withheld.
    assert ["mw-auto-rate-limited" in tags for tags in wrote] == [True, True, True]
    assert len(wrote) == 3


def test_a_ticket_that_waited_for_anything_else_does_not_say_so(world: World) -> None:
    world.desk.route_failures = [Transient("http_503")]
    world.work(arrives("a", 0))
    assert world.ends() == [("a", Outcome.ACTED)]
    assert "mw-auto-rate-limited" not in world.desk.state.tags


def test_later_work_of_the_ticket_waits_behind_it_and_keeps_the_order(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    assert Parked.of(back(second, 3)).reason == "behind"  # type: ignore[union-attr]
    # The follower is back first: it is not its turn, so it waits for another lap.
    world.work(back(second, 2))
    (again,) = world.parked
    world.work(back(first, 3), back(again, 4))
    assert [ingress for ingress, _ in world.ends()] == ["a", "b"]
    assert world.rows == {}


def test_another_tickets_work_is_not_held_up(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    other = FakeRecord(SOURCE, 0, 2, b"t2", plan_of("o").to_bytes())
    world.work(arrives("b", 1), other)
    assert [ingress for ingress, _ in world.ends()] == ["o"]
    assert len(world.rows) == 1


def test_a_copy_of_what_has_ended_does_nothing(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    (parked,) = world.parked
    world.work(back(parked, 1), back(parked, 2))
    world.work(back(parked, 2))
    assert world.ends() == [("a", Outcome.ACTED)]
    assert len(world.desk.replies) == 1


def test_a_kill_between_row_and_commit_parks_the_same_lap_again(world: World) -> None:
    """The original comes again: its row is durable, whether its parked record is nobody knows."""
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    world.work(arrives("a", 0))
    first, copy = world.parked
    assert Parked.of(back(copy, 1)).lap == Parked.of(back(first, 1)).lap == 1  # type: ignore[union-attr]
    world.work(back(first, 1), back(copy, 2))
    assert world.ends() == [("a", Outcome.ACTED)]


def test_a_broker_that_fails_while_parking_leaves_the_work_to_the_next_life(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.broker.fail_next = True
    world.dies(arrives("a", 0))
    world.work(arrives("a", 0))
    assert world.ends() == [("a", Outcome.ACTED)]


@pytest.mark.parametrize("refused", [topics.PARKED["10m"].name, "rows-changelog"])
@pytest.mark.parametrize("laps", [0, 1, 2])
def test_parking_that_is_cut_off_in_the_middle_loses_nothing(
    world: World, laps: int, refused: str
) -> None:
    """The parked record or the row of that lap is durable, or neither; never the row alone."""
    record = arrives("a", 0)
    for lap in range(laps):
        world.desk.route_failures = [storm()]
        world.work(record)
        (parked,) = world.parked
        record = back(parked, lap + 1)
    world.desk.route_failures = [storm()]
    world.broker.refuses = refused
    world.dies(record)
    world.broker.refuses = None
    copies = world.parked
    world.work(record)
    for copy in copies:
        world.work(back(copy, laps + 1))
    assert world.ends() == [("a", Outcome.ACTED)]
    assert len(world.desk.replies) == 1
    assert world.rows == {}


def test_the_total_deadline_ends_in_a_dead_letter_and_a_tag_that_asks_for_a_human(
    world: World,
) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    assert {replace_headers(first)["sb-parked-attempt"]} == {"0"}
    world.desk.route_failures = [Transient("http_503")]
    world.work(back(first, 2), back(second, 3), deadline=-1.0)  # it is over
    assert world.ends() == [("a", Outcome.DEAD_LETTERED), ("b", Outcome.ACTED)]
    (letter,) = world.broker.on(f"{SOURCE}.dlq")
    headers = dict(letter.headers)
    assert headers["sb-reason"] == b"http_503"
    assert headers["sb-attempt"] == b"1"
    assert not any(name.startswith("sb-parked-") for name in headers)
    assert letter.value == plan_of("a").to_bytes()
    assert "middleware_error_needs_attention" in world.desk.state.tags
    assert world.rows == {}


def test_a_gate_that_stays_closed_ends_in_a_dead_letter_too(world: World) -> None:
    world.work(arrives("a", 0), deadline=900.0, closed_for=600.0)
    (parked,) = world.parked
    assert Parked.of(back(parked, 1)).since is not None  # type: ignore[union-attr]
    world.work(back(parked, 1), deadline=900.0, closed_for=300.0, at=1899.0)
    (parked,) = world.parked
    world.work(back(parked, 2), deadline=900.0, closed_for=300.0, at=1901.0)
    assert world.ends() == [("a", Outcome.DEAD_LETTERED)]
    (letter,) = world.broker.on(f"{SOURCE}.dlq")
    assert dict(letter.headers)["sb-reason"] == b"gate_closed"
    assert world.desk.state.tags == frozenset()  # nobody is called behind a closed gate
    assert world.rows == {}


@pytest.mark.parametrize("closed_for", [3600.0, math.inf])
def test_a_gate_that_is_closed_for_longer_than_the_deadline_and_opened_before_it_buries_nothing(
    world: World, closed_for: float
) -> None:
    world.work(arrives("a", 0), deadline=900.0, closed_for=closed_for)
    (parked,) = world.parked
    assert 1890.0 < Parked.of(back(parked, 1)).due < 2000.0  # type: ignore[union-attr]
    world.work(back(parked, 1), deadline=900.0, at=1800.0)
    assert world.ends() == [("a", Outcome.ACTED)]


def test_work_behind_a_head_that_never_comes_back_is_given_up_at_the_total_deadline(
    world: World,
) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    _, second = world.parked
    for offset, at in ((2, 1800.0), (3, 1900.0)):
        world.work(back(second, offset), deadline=900.0, at=at)
        (second,) = world.parked
    world.work(back(second, 4), deadline=900.0, at=2000.0)
    assert world.parked == []
    assert [outcome for _, outcome in world.ends()] == [Outcome.DEAD_LETTERED]
    (letter,) = world.broker.on(f"{SOURCE}.dlq")
    assert letter.value == plan_of("b").to_bytes()
    assert dict(letter.headers)["sb-reason"] == b"behind"
    assert "middleware_error_needs_attention" in world.desk.state.tags
    (row,) = world.rows.values()
    assert [each.piece for each in Queue.parse(row).waiting] == [0]


def test_a_head_that_stays_away_holds_up_no_later_work_and_is_given_up_when_it_comes_after_all(
    world: World,
) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    (first,) = world.parked
    record = arrives("b", 1)
    for offset, at in ((2, 2600.0), (3, 2610.0)):
        world.work(record, deadline=900.0, at=at)
        (second,) = world.parked
        record = back(second, offset)
    world.work(record, deadline=900.0, at=2620.0)
    assert [ingress for ingress, _ in world.ends()] == ["b"]
    world.work(back(first, 4), deadline=900.0, at=2700.0)
    assert [outcome for _, outcome in world.ends()[1:]] == [Outcome.DEAD_LETTERED]
    (letter,) = world.broker.on(f"{SOURCE}.dlq")
    assert dict(letter.headers)["sb-reason"] == b"overtaken"
    assert world.rows == {}


def test_a_stage_that_stood_still_buries_nothing_and_keeps_the_order(world: World) -> None:
    """All came and was brought back in time; it was the stage that came late."""
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    world.work(arrives("c", 2), back(second, 3), back(first, 4), deadline=900.0, at=9000.0)
    third, second = world.parked
    world.work(back(second, 5), back(third, 6), deadline=900.0, at=9010.0)
    assert [ingress for ingress, _ in world.ends()] == ["a", "b", "c"]
    assert world.broker.on(f"{SOURCE}.dlq") == []
    assert world.rows == {}


def test_parking_that_stood_still_buries_nothing_and_keeps_the_order(world: World) -> None:
    """Nothing was brought back for long, and then the later piece first."""
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0))
    (first,) = world.parked
    world.work(arrives("b", 1), deadline=900.0, at=2600.0)
    (second,) = world.parked
    world.work(back(second, 2), back(first, 3), deadline=900.0, at=9000.0)
    (second,) = world.parked
    world.work(back(second, 4), deadline=900.0, at=9010.0)
    assert [ingress for ingress, _ in world.ends()] == ["a", "b"]
    assert world.broker.on(f"{SOURCE}.dlq") == []
    assert world.rows == {}


def test_work_without_a_key_is_a_dead_letter_that_asks_for_a_human(world: World) -> None:
    world.work(*(replace(arrives(event, at), key=None) for at, event in enumerate("ab")))
    assert [outcome for _, outcome in world.ends()] == [Outcome.DEAD_LETTERED] * 2
    letters = world.broker.on(f"{SOURCE}.dlq")
    assert [(each.key, dict(each.headers)["sb-reason"]) for each in letters] == [
        (None, b"no_key")
    ] * 2
    assert world.desk.replies == []
    assert world.desk.state.tags == {"middleware_error_needs_attention"}


def replace_headers(record: Outgoing) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def test_a_permanent_failure_is_marked_on_the_ticket_where_that_is_possible(world: World) -> None:
    world.desk.route_failures = [Permanent("http_400"), Permanent("http_400")]
    world.work(arrives("a", 0))
    assert world.ends() == [("a", Outcome.DEAD_LETTERED)]
    assert world.desk.state.tags == frozenset()


def test_a_reply_that_was_sent_before_the_work_was_parked_is_not_sent_again(world: World) -> None:
    class Desk429(Desk):
        """Refuses the tag after the reply, once."""

        async def apply_route(self, ticket: Any, **wanted: Any) -> None:
            if self.replies and not self.linked:
                self.linked = object()  # type: ignore[assignment]
                raise storm()
            await super().apply_route(ticket, **wanted)

    world.desk = Desk429()
    world.work(arrives("a", 0))
    world.work(back(world.parked[0], 1))
    assert world.ends() == [("a", Outcome.ACTED)]
    assert len(world.desk.replies) == 1
    assert "mw-auto-replied" in world.desk.state.tags


def test_an_unreadable_plan_that_was_parked_frees_its_ticket(world: World) -> None:
    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    world.work(replace(back(first, 2), value=b"{}"), back(second, 3))
    assert [outcome for _, outcome in world.ends()] == [Outcome.DEAD_LETTERED, Outcome.ACTED]


def test_parked_work_that_raises_is_buried_and_frees_its_ticket(world: World) -> None:
    class Broken(Desk):
        """Answers so that our own code breaks on it, once."""

        async def ticket(self, ticket_id: str) -> Any:
            if not self.linked:
                self.linked = object()  # type: ignore[assignment]
                return None
            return await super().ticket(ticket_id)

    world.desk.route_failures = [storm()]
    world.work(arrives("a", 0), arrives("b", 1))
    first, second = world.parked
    world.desk = Broken()
    world.work(back(first, 2), back(second, 3))
    assert [outcome for _, outcome in world.ends()] == [Outcome.DEAD_LETTERED, Outcome.ACTED]
    assert world.rows == {}


def test_a_poison_plan_asks_for_a_human_and_its_ticket_is_not_read(world: World) -> None:
    class Deadly(Desk):
        async def ticket(self, ticket_id: str) -> Any:
            raise AssertionError

    world.desk = Deadly()
    world.work(arrives("a", 0), is_poison=True)
    assert world.ends() == [("0-0", Outcome.DEAD_LETTERED)]
    assert world.desk.state.tags == {"middleware_error_needs_attention"}


def test_what_parking_adds_to_a_record_is_taken_off_again() -> None:
    record = arrives("a", 0)
    parked = Parked(0, 1, 5.0, SOURCE, 2, 3.0, "x").record("t", record)
    assert [name for name, _ in parked.headers].count(DUE) == 1
    assert bare(parked.headers) == list(record.headers)
    again = Parked(0, 2, 9.0, SOURCE).record("t", back(parked, 7))
    assert [name for name, _ in again.headers].count(DUE) == 1
    assert Parked.of(back(again, 8)) == Parked(0, 2, 9.0, SOURCE)
