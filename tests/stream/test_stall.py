from __future__ import annotations

import asyncio

from pipeline.stream.stall import Blocked, Nobody, StallMonitor, StoodStill


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 7.0
        self.ran = 3.0

    def __call__(self) -> float:
        return self.now


class Witness(Nobody):
    """What was told to it, and a process that has run for as long as the clock says."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told: list[str] = []

    def begin(self) -> None:
        self.told.append("begin")

    def turn(self) -> None:
        self.told.append("turn")

    def end(self) -> None:
        self.told.append("end")

    def ran(self) -> float:
        return self._clock.ran


def monitored(
    clock: Clock, ends: list[BaseException], witness: Witness | None = None
) -> StallMonitor:
    return StallMonitor(
        limit=3.0,
        monotonic=clock,
        cpu=lambda: clock.cpu,
        beside=witness or Witness(clock),
        fatal=5.0,
        on_fatal=ends.append,
    )


async def started(monitor: StallMonitor) -> asyncio.Task[None]:
    task = asyncio.create_task(monitor.run())
    await asyncio.sleep(0)
    return task


def test_a_standstill_is_seen_by_whoever_asks_first() -> None:
    async def scenario() -> None:
        clock, ends = Clock(), list[BaseException]()
        monitor = monitored(clock, ends)
        task = await started(monitor)
        began = clock.now
        clock.now += 4
        assert monitor.since(began)
        assert not monitor.since(clock.now)
        assert ends == []
        task.cancel()

    asyncio.run(scenario())


def test_half_a_session_of_standstill_ends_the_process_before_it_writes() -> None:
    async def scenario() -> None:
        clock, ends = Clock(), list[BaseException]()
        monitor = monitored(clock, ends)
        task = await started(monitor)
        clock.now += 6
        monitor.look()
        assert [type(end) for end in ends] == [StoodStill]
        task.cancel()

    asyncio.run(scenario())


def test_a_loop_that_was_kept_busy_is_told_from_a_process_that_was_stopped() -> None:
    async def scenario() -> None:
        clock, ends = Clock(), list[BaseException]()
        monitor = monitored(clock, ends)
        task = await started(monitor)
        for worked in (1, 5):
            clock.now += 6
            clock.cpu += worked
            monitor.look()
        assert [type(end) for end in ends] == [StoodStill, Blocked]
        task.cancel()

    asyncio.run(scenario())


def test_a_call_that_waits_in_the_loop_is_told_from_a_process_that_was_stopped() -> None:
    async def scenario() -> None:
        clock, ends = Clock(), list[BaseException]()
        monitor = monitored(clock, ends)
        task = await started(monitor)
        for ran in (0.5, 5.5, 1):
            clock.now += 6
            clock.ran += ran
            monitor.look()
        assert [type(end) for end in ends] == [StoodStill, Blocked, StoodStill]
        task.cancel()

    asyncio.run(scenario())


def test_the_witness_is_told_of_each_turn_and_stands_down_with_the_monitor() -> None:
    async def scenario() -> None:
        clock = Clock()
        witness = Witness(clock)
        task = await started(monitored(clock, [], witness))
        assert witness.told == ["begin", "turn"]
        task.cancel()
        await task
        assert witness.told == ["begin", "turn", "end"]

    asyncio.run(scenario())


def test_a_slow_start_is_not_judged() -> None:
    clock, ends = Clock(), list[BaseException]()
    monitor = monitored(clock, ends)
    clock.now += 60
    monitor.look()
    assert ends == []
