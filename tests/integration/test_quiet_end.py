"""The end of a partition that nobody comes to by handling records: the watchdog must tell it apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from faust.types import TP

from pipeline.stream import admin
from pipeline.stream.app import DurableApp
from pipeline.stream.watchdog import Sight
from sandbox.kafka import Broker
from tests.integration.test_topics import Plan

pytestmark = pytest.mark.integration

TOPIC = "quiet-end"
HERE = TP(TOPIC, 0)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)


async def sight(app: Any) -> Sight:
    found: Sight = (await app.consumer.look())[HERE]
    return found


def test_markers_behind_the_last_record_count_as_read_and_dropped_records_come_again(
    broker: Broker, tmp_path: Path
) -> None:
    admin.apply(broker.bootstrap, [Plan(TOPIC, 1, config={})])
    quiet = {"bootstrap.servers": broker.bootstrap, "log_level": 0}
    sender = Producer({**quiet, "transactional.id": TOPIC})
    sender.init_transactions(60)

    def send(*values: str) -> None:
        sender.begin_transaction()
        for value in values:
            sender.produce(TOPIC, value)
        sender.commit_transaction(60)

    async def scenario() -> None:
        crashes: list[BaseException] = []
        app: Any = DurableApp(
            TOPIC, bootstrap_servers=broker.bootstrap, folder=tmp_path,
            on_crash=lambda _, error: crashes.append(error),
        )  # fmt: skip
        handled: list[bytes] = []

        @app.agent(app.batches(TOPIC), name=TOPIC)  # type: ignore[untyped-decorator]
        async def handle(batches: Any) -> None:
            async for batch in batches:
                handled.extend(record.value for record in batch.records)
                batch.finish()

        send("a", "b", "c")
        await app.start()
        await until(lambda: len(handled) == 3)
        assert await sight(app) == Sight(reached=3, end=4, is_idle=True)
        await app.consumer.ask_again(HERE)
        while (await sight(app)).end != 3:  # noqa: ASYNC110 - the fetch is on its way
            await asyncio.sleep(0.05)

        dropped: list[Any] = []
        hand_out = app.consumer._hand_out

        async def drop(fetched: Mapping[TP, Any]) -> None:
            dropped.extend(fetched.values())
            app.consumer._hand_out = hand_out if dropped else drop

        app.consumer._hand_out = drop
        send("d")
        await until(lambda: bool(dropped))
        assert (await sight(app)).end == 6
        await app.consumer.ask_again(HERE)
        await until(lambda: len(handled) == 4)
        await app.stop()
        assert handled == [b"a", b"b", b"c", b"d"]
        assert crashes == []

    asyncio.run(scenario())
