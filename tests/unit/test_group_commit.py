"""Webhooks that arrive together leave together, and each hears what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ingress.group_commit import IN_FLIGHT, GroupCommit
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.producer import Changes, Outgoing


class Broker:
    """Acknowledges a group when the test says so."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self._answers: list[asyncio.Future[int]] = []

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        self.groups.append([record.value or b"" for record in records])
        self._answers.append(asyncio.get_running_loop().create_future())
        return await self._answers[-1]

    def answer(self, group: int, error: Exception | None = None) -> None:
        if error is None:
            self._answers[group].set_result(-1)
        else:
            self._answers[group].set_exception(error)

    async def close(self) -> None:
        pass


def sent(together: GroupCommit, *names: bytes) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(together.send(Outgoing("t", None, name))) for name in names]


async def settle() -> None:
    """As many turns of the loop as anything here needs."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_lone_webhook_leaves_at_once_and_one_turn_of_the_loop_leaves_together() -> None:
    async def scenario() -> None:
        broker = Broker()
        together = GroupCommit(broker, timeout=5)
        lone = sent(together, b"a")
        await settle()
        assert broker.groups == [[b"a"]]
        several = sent(together, b"b", b"c", b"d")
        await settle()
        assert broker.groups == [[b"a"], [b"b", b"c", b"d"]]
        assert not any(task.done() for task in (*lone, *several))
        broker.answer(1)
        await asyncio.gather(*several)
        assert not lone[0].done()
        broker.answer(0)
        await lone[0]

    asyncio.run(scenario())


def test_while_groups_are_on_their_way_the_next_one_gathers() -> None:
    async def scenario() -> None:
        broker = Broker()
        together = GroupCommit(broker, timeout=5)
        tasks = []
        for number in range(IN_FLIGHT + 3):
            tasks += sent(together, b"%d" % number)
            await settle()
        assert [len(group) for group in broker.groups] == [1] * IN_FLIGHT
        broker.answer(0)
        await settle()
        assert [len(group) for group in broker.groups] == [1] * IN_FLIGHT + [3]
        for group in range(1, IN_FLIGHT + 1):
            broker.answer(group)
        await asyncio.gather(*tasks)

    asyncio.run(scenario())


def test_a_group_that_is_not_acknowledged_is_told_so_and_the_next_one_is_not_hurt() -> None:
    async def scenario() -> None:
        broker = Broker()
        together = GroupCommit(broker, timeout=5)
        first = sent(together, b"a", b"b")
        await settle()
        second = sent(together, b"c")
        await settle()
        broker.answer(0, DeliveryError("NOT_ENOUGH_REPLICAS", Failure.RETRIABLE))
        broker.answer(1)
        for task in first:
            with pytest.raises(DeliveryError):
                await task
        await second[0]

    asyncio.run(scenario())


def test_a_broker_that_hangs_means_an_error_for_all_who_wait_sent_or_not() -> None:
    async def scenario() -> None:
        broker = Broker()
        together = GroupCommit(broker, timeout=0.05)
        tasks = []
        for number in range(IN_FLIGHT + 1):
            tasks += sent(together, b"%d" % number)
            await settle()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in errors] == [TimeoutError] * len(tasks)
        assert len(broker.groups) == IN_FLIGHT
        # The late answers change nothing, and what comes afterwards is sent.
        for group in range(IN_FLIGHT):
            broker.answer(group)
        await settle()
        later = sent(together, b"later")
        await settle()
        assert broker.groups[-1] == [b"later"]
        broker.answer(IN_FLIGHT)
        await later[0]

    asyncio.run(scenario())


def test_a_request_that_is_given_up_takes_nothing_from_its_group() -> None:
    async def scenario() -> None:
        broker = Broker()
        together = GroupCommit(broker, timeout=5)
        gone, kept = sent(together, b"a", b"b")
        await settle()
        gone.cancel()
        await settle()
        broker.answer(0)
        await kept
        assert gone.cancelled()

    asyncio.run(scenario())
