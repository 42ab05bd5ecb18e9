"""What would break a promise is refused before a worker starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.stream import startup
from pipeline.stream.app import DurableApp, StartError
from tests.stream.memory_broker import MemoryBroker


def made(folder: Path, **conf: Any) -> DurableApp:
    return DurableApp("one", bootstrap_servers="127.0.0.1:1", folder=folder, **conf)


def test_the_apps_own_settings_keep_every_promise(tmp_path: Path) -> None:
    assert startup.problems(made(tmp_path)) == []


@pytest.mark.parametrize("name", startup.SETTINGS)
def test_each_setting_that_matters_is_looked_at(name: str, tmp_path: Path) -> None:
    other: Any = {
        "processing_guarantee": "exactly_once",
        "consumer_auto_offset_reset": "latest",
        "version": 2,
        "table_standby_replicas": 1,
        "broker_commit_interval": 2.8,
        "broker_session_timeout": 60.0,
        "broker_heartbeat_interval": 1.0,
        "broker_rebalance_timeout": 30.0,
    }.get(name, not startup.SETTINGS[name][0])
    app = made(tmp_path)
    setattr(app.conf, name, other)
    assert [line.split()[0] for line in startup.problems(app)] == [name]


def test_fausts_tables_sinks_and_concurrency_are_refused(tmp_path: Path) -> None:
    app = made(tmp_path)
    app.Table("rows", partitions=1)
    sink = app.topic("sink")

    @app.agent(app.batches("source"), name="busy", concurrency=2, sink=[sink])  # type: ignore[untyped-decorator]
    async def busy(batches: AsyncIterator[Any]) -> None:
        async for _ in batches:
            pass

    found = startup.problems(app)
    assert [line.split(":")[0] for line in found] == [
        "table rows",
        "agent busy has concurrency 2",
        "agent busy has sinks, which nobody awaits",
    ]
    with pytest.raises(StartError, match="use lanes"):
        asyncio.run(app.on_start())


def test_two_sources_beside_a_table_are_refused(
    tmp_path: Path, memory_broker: MemoryBroker
) -> None:
    app = made(tmp_path)

    async def read(batches: AsyncIterator[Any]) -> None:
        async for _ in batches:
            pass

    for topic in ("orders", "returns"):
        app.agent(app.batches(topic), name=topic)(read)
    assert startup.problems(app) == []
    app.durable.append(memory_broker.table(tmp_path))
    (problem,) = startup.problems(app)
    assert problem.startswith("sources orders, returns beside a table: ")
    with pytest.raises(StartError, match="use an app for each"):
        asyncio.run(app.on_start())


def test_several_tables_of_one_source_are_fine(tmp_path: Path, memory_broker: MemoryBroker) -> None:
    app = made(tmp_path)

    @app.agent(app.batches("orders"), name="orders")  # type: ignore[untyped-decorator]
    async def orders(batches: AsyncIterator[Any]) -> None:
        async for _ in batches:
            pass

    app.durable += [memory_broker.table(tmp_path / "a"), memory_broker.table(tmp_path / "b")]
    assert startup.problems(app) == []
