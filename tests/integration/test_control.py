"""The control topic on a real broker: what followers know, and when they know that they do not."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from confluent_kafka.admin import AdminClient

from pipeline import control as control_module
from pipeline import topics
from pipeline.control import Control, follow
from pipeline.domain.modes import GLOBAL, Mode, ModeRecord, Subject, mode_key
from pipeline.stream import admin
from pipeline.stream.control import Follower, TopicMadeAnew
from pipeline.stream.producer import Producer
from sandbox.kafka import Broker

pytestmark = pytest.mark.integration

PLAN = topics.plan(topics.CONTROL, partitions=1, replication=1)
LIVE = ModeRecord(mode=Mode.LIVE, reason="test", by="test", at=0.0)


def make(broker: Broker) -> None:
    """Creates the topic; a name that was deleted just now is free only a moment later."""
    deadline = time.monotonic() + 30
    while PLAN.name not in admin.apply(broker.bootstrap, [PLAN]):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def topic(broker: Broker) -> str:
    """An empty control topic."""
    kafka = AdminClient({"bootstrap.servers": broker.bootstrap})
    if PLAN.name in kafka.list_topics(timeout=10).topics:
        kafka.delete_topics([PLAN.name])[PLAN.name].result()
    make(broker)
    return PLAN.name


@asynccontextmanager
async def following(
    broker: Broker, name: str, crashes: list[BaseException]
) -> AsyncIterator[tuple[Control, Follower]]:
    producer = Producer(broker.bootstrap, client_id=name, delivery_timeout=5.0)
    control, follower = follow(
        broker.bootstrap, producer, name=name, life=uuid.uuid4().hex, longest_call=1.0,
        monotonic=time.monotonic, on_crash=lambda _, error: crashes.append(error),
    )  # fmt: skip
    await follower.start()
    try:
        await asyncio.wait_for(follower.wait_known(), 20)
        yield control, follower
    finally:
        await follower.stop()
        await producer.close()


def test_a_change_reaches_every_follower_and_each_confirms_it(broker: Broker, topic: str) -> None:
    async def run() -> None:
        crashes: list[BaseException] = []
        async with (
            following(broker, "a", crashes) as (first, hand),
            following(broker, "b", crashes) as (second, _),
        ):
            assert first.effective(Subject()) is Mode.SHADOW
            epoch = await hand.put([(mode_key(GLOBAL, "h"), LIVE.to_bytes())])
            await asyncio.wait_for(hand.wait_until(lambda: not first.unconfirmed(epoch)), 10)
            assert {each.record.name for each in first.processes()} == {"a", "b"}
            assert first.effective(Subject()) is second.effective(Subject()) is Mode.LIVE
            with second.on_the_wire():
                epoch = await hand.put([(mode_key(GLOBAL, "h"), None)])
                await asyncio.wait_for(
                    hand.wait_until(lambda: first.unconfirmed(epoch) == ["b"]), 10
                )
            await asyncio.wait_for(hand.wait_until(lambda: not first.unconfirmed(epoch)), 10)
        async with following(broker, "c", crashes) as (third, hand):
            # Those that stopped took their sign of life away.
            assert {each.record.name for each in third.processes()} == {"c"}
        assert crashes == []

    asyncio.run(run())


def test_a_cut_off_follower_allows_nothing_within_five_seconds_and_never_trusts_a_new_topic(
    broker: Broker, topic: str
) -> None:
    async def run() -> None:
        crashes: list[BaseException] = []
        async with following(broker, "a", crashes) as (control, hand):
            await hand.put([(mode_key(GLOBAL, "h"), LIVE.to_bytes())])
            await asyncio.wait_for(
                hand.wait_until(lambda: control.effective(Subject()) is Mode.LIVE), 10
            )
            kafka = AdminClient({"bootstrap.servers": broker.bootstrap})
            kafka.delete_topics([topic])[topic].result()
            cut = time.monotonic()
            while control.effective(Subject()) is not Mode.STOP:  # noqa: ASYNC110 - time is the event
                await asyncio.sleep(0.01)
            # The rule is about the clock that it reads, so the load of the machine is no excuse.
            known = control.view.known_at
            assert known is not None
            assert known <= cut + 1.0
            assert control_module.STALE_AFTER < 5.0
            await asyncio.to_thread(make, broker)
            while not crashes:
                assert control.effective(Subject()) is Mode.STOP
                await asyncio.sleep(0.05)
            assert isinstance(crashes[0], TopicMadeAnew)

    asyncio.run(run())
