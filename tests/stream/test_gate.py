"""The gate: budget, closing, and the vendor's own word for what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from agents.calls import Calls, GivenUp
from agents.gate import Gate
from agents.gate_on_control import make_gate
from agents.patience import Later, Patience
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import Ambiguous, Permanent, RateLimited, Transient, VendorError
from pipeline.settings import Settings
from pipeline.stream.delivery import DeliveryError, Failure
from tests.stream.controls import Controls

UNIX = 1_700_000_000.0


@dataclass
class World:
    """A clock that sleep moves, a gate on it, and what was told to the other processes."""

    bucket: WindowBucket = field(default_factory=lambda: WindowBucket(limit=3, window=3))
    part: float | None = 1.0
    at: float = 0.0
    is_cut_off: bool = False
    told: list[tuple[float, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    answers: list[VendorError | None] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)

    def gate(self) -> Gate:
        return Gate(
            "v", self.bucket, monotonic=lambda: self.at, now=lambda: UNIX + self.at,
            part=lambda: self.part, announce=self.announce,
        )  # fmt: skip

    def calls(self, deadline: float = 1e9) -> Calls:
        return Calls(
            self.gate(), deadline=deadline, now=lambda: UNIX + self.at, uniform=lambda low, _: low
        )

    async def announce(self, until: float, reason: str) -> None:
        self.told.append((until - UNIX, reason))
        if self.is_cut_off:
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def patience(self) -> Patience:
        return Patience(self.sleep)

    def request(self, gate: Gate) -> Callable[[], Awaitable[str]]:
        """A call of the vendor that answers as scripted."""

        async def call() -> str:
            self.requests.append(self.at)
            gate.spent()
            error = self.answers.pop(0) if self.answers else None
            if error is not None:
                raise error
            return "answer"

        return call


def through(world: World, calls: int, *, before: Callable[[Gate], object] = id) -> list[float]:
    """When each of some calls was let through."""

    async def play() -> list[float]:
        gate = world.gate()
        before(gate)
        for _ in range(calls):
            async with gate.turn(world.patience()):
                await world.request(gate)()
        return world.requests

    return asyncio.run(play())


def test_calls_within_the_budget_do_not_wait() -> None:
    assert through(World(), 4) == [0, 0, 0, 3]


def test_a_gate_that_is_closed_shortly_is_waited_for() -> None:
    assert through(World(), 2, before=lambda gate: gate.close(10)) == [10, 10]


def test_a_gate_that_is_closed_for_long_sends_the_work_away_at_once() -> None:
    world = World()
    with pytest.raises(Later) as later:
        through(world, 1, before=lambda gate: gate.close(600))
    assert (later.value.seconds, later.value.code) == (600, "gate_closed")
    assert world.requests == world.slept == []


def test_a_wait_for_budget_is_done_in_line_however_long_it_takes() -> None:
    world = World(WindowBucket(limit=1, window=100))
    assert through(world, 2) == [0, 100]


def test_what_the_vendor_says_is_left_beats_our_own_count() -> None:
    assert through(World(), 3, before=lambda gate: gate.remaining(1)) == [0, 3, 3]
    assert through(World(), 4, before=lambda gate: gate.remaining(99)) == [0, 0, 0, 3]


def test_the_vendors_word_lets_not_one_more_through_when_its_call_ends() -> None:
    async def play() -> list[float]:
        world = World()
        gate = world.gate()
        async with gate.turn(world.patience()):
            await world.request(gate)()
            gate.remaining(0)
        async with gate.turn(world.patience()):
            await world.request(gate)()
        return world.requests

    assert asyncio.run(play()) == [0, 3]


def test_a_request_of_a_call_in_hand_counts_once() -> None:
    async def no_wait(seconds: float) -> None:
        raise AssertionError(seconds)

    async def play() -> float:
        world = World()
        gate = world.gate()
        async with gate.turn(world.patience()):
            await world.request(gate)()
        world.at = 10.0
        async with gate.turn(world.patience(), requests=2):
            await world.request(gate)()
            async with gate.turn(Patience(no_wait)):
                return world.at

    assert asyncio.run(play()) == 10.0


def test_a_token_that_is_too_little_for_who_came_first_is_not_left_unused() -> None:
    """Of three tokens one is left: who needs two waits, who came later and needs one does not."""
    world = World()
    order: list[str] = []

    async def play() -> None:
        gate = world.gate()
        for _ in range(2):
            async with gate.turn(world.patience()):
                await world.request(gate)()
        later = asyncio.Event()

        async def call(name: str, requests: int) -> None:
            async def sleep(seconds: float) -> None:
                await later.wait()
                await world.sleep(seconds)

            async with gate.turn(Patience(sleep), requests=requests):
                order.append(name)

        large = asyncio.create_task(call("large", 2))
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await call("small", 1)
        later.set()
        await large

    asyncio.run(play())
    assert order == ["small", "large"]


def test_a_call_that_asked_the_vendor_nothing_costs_nothing() -> None:
    async def play() -> float:
        world = World()
        gate = world.gate()
        for _ in range(10):
            async with gate.turn(world.patience()):
                pass
        return world.at

    assert asyncio.run(play()) == 0


def test_a_workers_part_of_the_budget_is_its_part_of_the_partitions() -> None:
    assert through(World(WindowBucket(limit=4, window=10), part=0.5), 3) == [0, 0, 10]


def test_a_part_that_is_not_known_changes_nothing() -> None:
    assert through(World(part=None), 3) == [0, 0, 0]


def test_whoever_has_no_part_for_now_waits_for_its_turn() -> None:
    world = World(part=0.0)

    async def play() -> float:
        gate = world.gate()

        async def sleep(seconds: float) -> None:
            await world.sleep(seconds)
            world.part = 1.0 if world.at >= 60.0 else 0.0

        async with gate.turn(Patience(sleep)):
            return world.at

    assert asyncio.run(play()) == 60.0


def test_a_429_closes_the_gate_and_is_told_to_everybody_once() -> None:
    world = World(answers=[RateLimited("http_429", 60.0)] * 2)

    async def play() -> None:
        gate = world.gate()
        gate._alone = False
        first, second = (gate.turn(world.patience()) for _ in range(2))
        await first.__aenter__()
        await second.__aenter__()
        for turn in (first, second):
            error = RateLimited("http_429", 60.0)
            assert not await turn.__aexit__(type(error), error, None)
        assert gate.closed_for == 60
        with pytest.raises(Later):
            await gate.turn(world.patience()).__aenter__()

    asyncio.run(play())
    assert world.told == [(60.0, "http_429")]


@pytest.mark.parametrize("named", [0.0, 1.0, 60.0])
def test_the_first_429_closes_every_workers_gate_whatever_it_names(named: float) -> None:
    world = World(answers=[RateLimited("http_429", named)])

    async def play() -> float:
        refused, other = world.gate(), world.gate()
        with pytest.raises(RateLimited):
            async with refused.turn(world.patience()):
                await world.request(refused)()
        world.at += 0.5  # until it is heard
        for until, _ in world.told:
            other.follow(UNIX + until)
        return other.closed_for

    assert asyncio.run(play()) == max(named, 2.0) - 0.5


def test_a_storm_of_429_that_names_no_time_is_told_of_ten_times_in_ten_minutes() -> None:
    world = World(answers=[RateLimited("http_429", 0.0) for _ in range(20)])
    calls = world.calls()
    patience = Patience(world.sleep, inline=1e9)
    asyncio.run(calls.repeatable(world.request(calls.gate), patience))
    assert sum(until < 600 for until, _ in world.told) <= 10


@pytest.mark.parametrize("answer", [None, Permanent("http_404")])
def test_the_first_call_after_a_closing_goes_alone_and_opens_for_the_others(
    answer: VendorError | None,
) -> None:
    """Three calls wait for the gate: while the first has no answer, none of the others is made."""
    world = World(answers=[answer])
    hold = [asyncio.Event]

    async def play() -> list[int]:
        gate, answered = world.gate(), hold[0]()
        gate.close(5)
        in_hand, seen = 0, []

        async def one() -> None:
            nonlocal in_hand
            async with gate.turn(world.patience()):
                in_hand += 1
                seen.append(in_hand)
                await answered.wait()
                in_hand -= 1
                await world.request(gate)()

        tasks = [asyncio.create_task(one()) for _ in range(3)]
        for _ in range(20):
            await asyncio.sleep(0)
        alone = in_hand
        answered.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [alone, len(world.requests)]

    assert asyncio.run(play()) == [1, 3]


def test_a_probe_that_is_refused_refuses_nobody_else() -> None:
    world = World(answers=[RateLimited("http_429", 100.0)])

    async def play() -> list[type]:
        gate = world.gate()
        calls = Calls(gate, deadline=1e9, now=lambda: UNIX, uniform=lambda low, _: low)
        tasks = [calls.repeatable(world.request(gate), world.patience()) for _ in range(16)]
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        return [type(each) for each in ended]

    assert asyncio.run(play()) == [Later] * 16
    assert len(world.requests) == 1


def test_a_vendor_that_keeps_refusing_is_asked_ever_less() -> None:
    world = World(answers=[RateLimited("http_429", 1.0) for _ in range(7)])
    calls = world.calls()
    patience = world.patience()
    with pytest.raises(Later):
        asyncio.run(calls.repeatable(world.request(calls.gate), patience))
    assert [round(until) for until, _ in world.told] == [2, 4, 7, 14, 29, 60]
    assert patience.failures == 0


def test_a_storm_of_429_buries_nobody_before_the_deadline() -> None:
    world = World(answers=[RateLimited("http_429", 0.0) for _ in range(20)])
    patience = Patience(world.sleep, failures=9, inline=1e9)
    calls = world.calls()
    assert asyncio.run(calls.repeatable(world.request(calls.gate), patience)) == "answer"
    assert patience.failures == 9


def test_a_closing_that_cannot_be_told_holds_here(caplog: pytest.LogCaptureFixture) -> None:
    world = World(answers=[RateLimited("http_429", 600.0)], is_cut_off=True)
    calls = world.calls()
    with pytest.raises(Later):
        asyncio.run(calls.repeatable(world.request(calls.gate), world.patience()))
    assert calls.gate.closed_for == 600.0
    assert "a closing was not told" in caplog.text


def test_a_gate_whose_record_cannot_be_read_stays_closed() -> None:
    gate = World().gate()
    gate.follow(float("inf"))
    assert gate.closed_for == float("inf")


def test_another_process_closes_this_gate_and_an_operator_opens_it() -> None:
    world = World()
    gate = world.gate()
    gate.follow(UNIX + 300)
    assert gate.closed_for == 300
    gate.follow(UNIX + 100)
    assert gate.closed_for == 300
    gate.follow(0.0)
    assert gate.closed_for == 0


def test_a_closing_that_is_heard_when_it_is_over_opens_nothing() -> None:
    world = World(at=3.0)
    gate = world.gate()
    gate.close(600.0)
    gate.follow(UNIX + 2.0)
    assert gate.closed_for == 600


def test_a_429_does_not_cut_an_operators_longer_closing_short() -> None:
    controls, put = Controls(), []

    async def note(records: list[tuple[str, bytes]]) -> None:
        put.extend(records)

    async def told(gate: Gate, until: float) -> None:
        await gate._announce(until, "http_429")

    stage: Any = SimpleNamespace(
        name="act", control=controls.control, follower=SimpleNamespace(put=note)
    )
    settings = Settings(instance="0")
    gate = make_gate("v", WindowBucket(limit=3, window=3), settings, stage, turn=1)
    gate.waiting = 2
    assert [line() for line in controls.control.lines] == [2]
    controls.gate("v", 2_000.0)
    asyncio.run(told(gate, 1_000.0))
    assert not put
    asyncio.run(told(gate, 3_000.0))
    assert len(put) == 1


def test_whoever_cannot_wait_is_told_that_there_is_no_budget() -> None:
    async def play() -> str:
        gate = World(WindowBucket(limit=1, window=60)).gate()
        patience = Patience(asyncio.sleep, inline=0.0)
        async with gate.turn(patience, within=5.0):
            gate.spent()
        with pytest.raises(Later) as later:
            await gate.turn(patience, within=0.01).__aenter__()
        async with asyncio.timeout(1):
            await gate._lines[1].acquire()  # whoever gave up has left the line
        return later.value.code

    assert asyncio.run(play()) == "over_budget"


# -- the retry rule around it -------------------------------------------------------------------


def repeated(world: World, *, deadline: float = 1e9, patience: Patience | None = None) -> str:
    calls = world.calls(deadline)
    mine = patience or world.patience()
    return asyncio.run(calls.repeatable(world.request(calls.gate), mine))


def test_a_failure_is_tried_again_in_line_while_that_is_soon() -> None:
    world = World(answers=[Transient("http_503"), Ambiguous("timeout")])
    assert repeated(world) == "answer"
    assert world.slept == [2.0, 10.0]


def test_the_third_failure_is_too_far_from_its_next_try_and_parks_the_work() -> None:
    world = World(answers=[Transient("http_503")] * 3)
    patience = world.patience()
    with pytest.raises(Later) as later:
        repeated(world, patience=patience)
    assert (later.value.seconds, later.value.code) == (60.0, "http_503")
    assert (patience.failures, patience.since) == (3, UNIX)


def test_what_the_work_has_been_through_goes_on_counting() -> None:
    world = World(answers=[Transient("http_503")], at=50.0)
    patience = Patience(world.sleep, failures=9, since=UNIX)
    with pytest.raises(GivenUp):
        repeated(world, patience=patience)


def test_the_deadline_counts_from_the_first_failure_of_all_laps() -> None:
    world = World(answers=[Transient("http_503")], at=999.0)
    with pytest.raises(GivenUp, match="http_503"):
        repeated(world, deadline=1000.0, patience=Patience(world.sleep, since=UNIX))


def test_a_429_that_asks_for_long_parks_and_nobody_sleeps() -> None:
    world = World(answers=[RateLimited("http_429", 600.0)])
    with pytest.raises(Later) as later:
        repeated(world)
    assert later.value.seconds == 600.0
    assert world.slept == []
