from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from pipeline.stream.app import DurableApp
from pipeline.stream.watchdog import (
    DOUBT,
    LOOK,
    PATIENCE,
    REBALANCE,
    Sight,
    Stalled,
    Watchdog,
    answered,
)

WAITING = Sight(reached=5, end=9, is_idle=True)


def test_records_that_wait_a_minute_with_nobody_at_work_are_a_stall() -> None:
    dog = Watchdog()
    assert dog.stalled({"p": WAITING}, 0.0) is None
    assert dog.stalled({"p": WAITING}, PATIENCE - 1) is None
    assert dog.stalled({"p": WAITING}, PATIENCE) == "p"


def test_progress_work_in_hand_and_an_empty_log_are_no_stall() -> None:
    for fine in (
        Sight(reached=6, end=9, is_idle=True),
        Sight(reached=5, end=9, is_idle=False),
        Sight(reached=5, end=5, is_idle=True),
    ):
        dog = Watchdog()
        dog.stalled({"p": WAITING}, 0.0)
        assert dog.stalled({"p": fine}, PATIENCE - 1) is None
        assert dog.stalled({"p": WAITING}, PATIENCE) is None


def test_a_partition_that_went_away_is_forgotten() -> None:
    dog = Watchdog()
    dog.stalled({"p": WAITING}, 0.0)
    dog.stalled({}, 10.0)
    assert dog.stalled({"p": WAITING}, PATIENCE) is None


def test_a_log_that_ends_before_what_was_read_of_it_at_two_looks_is_a_stall() -> None:
    dog, cut = Watchdog(), Sight(reached=5, end=3, is_idle=True)
    assert dog.cut({"p": cut, "q": WAITING}) is None
    assert dog.cut({"p": WAITING}) is None
    assert dog.cut({"p": cut}) is None
    assert dog.cut({"p": cut}) == "p"


def test_a_log_that_was_cut_ends_the_process() -> None:
    class Cut(Standing):
        async def look(self) -> dict[str, Sight]:
            return {"p": Sight(reached=5, end=3, is_idle=True)}

    async def watch() -> None:
        dog = Watchdog()
        await dog.look(Cut(), now=lambda: 0.0)
        with pytest.raises(Stalled, match="ends before"):
            await dog.look(Cut(), now=lambda: 10.0)

    asyncio.run(watch())


def test_what_stands_still_for_half_the_time_is_in_doubt() -> None:
    dog = Watchdog()
    dog.stalled({"p": WAITING}, 0.0)
    assert dog.waiting(DOUBT - 1, DOUBT) == []
    assert dog.waiting(DOUBT, DOUBT) == ["p"]


def test_a_broker_that_does_not_tell_is_nobodys_stall() -> None:
    async def refused(error: Exception) -> dict[str, Sight]:
        raise error

    for error in (KafkaConnectionError(), KafkaTimeoutError(), TimeoutError()):
        assert asyncio.run(answered(refused(error))) is None
    dog = Watchdog()
    dog.stalled({"p": WAITING}, 0.0)
    dog.stalled({}, PATIENCE - 1)  # nothing was answered
    assert dog.stalled({"p": WAITING}, PATIENCE) is None


def test_a_consumer_that_never_answers_is_a_stall() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match="does not answer"):
        asyncio.run(answered(never(), timeout=0.01))


class Standing:
    """A consumer that stands still."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.now = 0.0

    async def look(self) -> dict[str, Sight]:
        return {"p": WAITING}

    async def ask_again(self, _: str) -> None:
        self.asked.append(self.now)


def test_a_partition_in_doubt_is_asked_once_more_before_the_process_ends() -> None:
    async def watch() -> None:
        dog, consumer = Watchdog(), Standing()
        while consumer.now < PATIENCE:
            await dog.look(consumer, now=lambda: consumer.now)
            consumer.now += LOOK
        with pytest.raises(Stalled, match="p"):
            await dog.look(consumer, now=lambda: consumer.now)
        assert consumer.asked == [DOUBT, DOUBT + LOOK, DOUBT + 2 * LOOK]

    asyncio.run(watch())


def test_a_rebalance_that_does_not_end_is_a_stall_and_each_begins_anew() -> None:
    dog = Watchdog()
    dog.rebalances(0.0)
    dog.rebalances(REBALANCE - 1)
    asyncio.run(dog.look(Standing(), now=lambda: REBALANCE))
    dog.rebalances(REBALANCE + 1)
    dog.rebalances(2 * REBALANCE)
    with pytest.raises(Stalled, match="does not end"):
        dog.rebalances(2 * REBALANCE + 1)


@pytest.mark.parametrize("rebalancing", [False, True])
def test_a_stall_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebalancing: bool
) -> None:
    monkeypatch.setattr("pipeline.stream.watchdog.REBALANCE", 0.0)

    class Ended(Exception):
        pass

    def end(where: str, error: BaseException) -> None:
        assert where == "watchdog"
        raise Ended from error

    async def soon(_: float) -> None:
        await asyncio.sleep(0)

    async def stands() -> dict[str, Sight]:
        raise Stalled("p")

    async def watch() -> None:
        app: Any = DurableApp("x", bootstrap_servers="127.0.0.1:1", folder=tmp_path, on_crash=end)
        app.consumer._thread.thread_loop.close()
        app.rebalancing = rebalancing
        app.sleep, app.consumer = soon, SimpleNamespace(look=stands)
        with pytest.raises(Ended):
            await app._watch()

    asyncio.run(watch())
