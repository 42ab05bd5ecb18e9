from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.stream.delivery import DeliveryError
from pipeline.stream.partition import Overtaken, Partition
from pipeline.stream.producer import Outgoing
from pipeline.stream.store import Marker, Store, TableBusyError
from pipeline.stream.table import DurableTable
from tests.stream.memory_broker import MemoryBroker


async def ready(broker: MemoryBroker, folder: Path) -> DurableTable:
    table = broker.table(folder)
    table.assign([0])
    await table.ready(0)
    return table


def test_a_put_is_readable_only_after_its_changelog_ack(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        put = asyncio.create_task(table.commit(0, {b"k": b"v"}, broker))
        assert table.get(0, b"k") is None
        await put
        assert table.get(0, b"k") == b"v"
        await table.close()

    asyncio.run(scenario())


def test_a_refused_put_leaves_the_store_as_it_was_and_the_next_one_works(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker(fail_next=True)
        table = await ready(broker, tmp_path)
        with pytest.raises(DeliveryError):
            await table.commit(0, {b"k": b"v"}, broker)
        assert table.get(0, b"k") is None
        await table.commit(0, {b"k": b"w"}, broker)
        assert table.get(0, b"k") == b"w"
        await table.close()

    asyncio.run(scenario())


def test_a_lost_disk_is_rebuilt_from_the_changelog_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        first = await ready(broker, tmp_path / "a")
        await first.commit(0, {b"a": b"1", b"b": b"2"}, broker)
        await first.commit(0, {b"a": None, b"c": b""}, broker)
        await first.close()
        second = await ready(broker, tmp_path / "b")
        assert dict(second.items()) == {b"b": b"2", b"c": b""}
        assert dict(second.items(b"c", b"d")) == {b"c": b""}
        assert dict(second.items(b"a", b"c")) == {b"b": b"2"}
        await second.close()

    asyncio.run(scenario())


def test_local_state_is_kept_and_catches_up_with_what_another_worker_wrote(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        mine = await ready(broker, tmp_path / "a")
        await mine.commit(0, {b"a": b"1"}, broker)
        mine.assign([])
        other = await ready(broker, tmp_path / "b")
        await other.commit(0, {b"a": b"2"}, broker)
        await other.close()
        mine.assign([0])
        await mine.ready(0)
        assert mine.get(0, b"a") == b"2"
        await mine.close()

    asyncio.run(scenario())


def test_a_partition_that_stays_ours_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        put = asyncio.create_task(table.commit(0, {b"k": b"v"}, broker))
        await asyncio.sleep(0)  # begun, not yet acknowledged
        table.assign([0])
        await table.ready(0)
        await put
        assert table.get(0, b"k") == b"v"
        await table.commit(0, {b"l": b"w"}, broker)
        await table.close()

    asyncio.run(scenario())


def test_a_late_former_owner_is_noticed_and_a_restart_has_its_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        broker.append(Outgoing("rows-changelog", b"late", b"1", (), 0))
        with pytest.raises(Overtaken):
            await table.commit(0, {b"k": b"v"}, broker)
        await table.close()
        table = await ready(broker, tmp_path)
        assert dict(table.items()) == {b"late": b"1", b"k": b"v"}
        await table.close()

    asyncio.run(scenario())


def test_puts_acknowledged_out_of_order_are_applied_in_the_changelogs_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store.open(tmp_path / "0")
        store.apply((), Marker("id", "epoch", 1))
        mine = Partition(store, now=lambda: 7.0)
        first, second = mine.begin({b"a": b"old"}), mine.begin({b"a": b"new"})
        mine.acknowledge(second, 2)
        assert not second.applied.done()
        assert store.get_many([b"a"]) == [None]
        assert store.marker == Marker("id", "epoch", 1)
        mine.acknowledge(first, 1)
        assert first.applied.done()
        assert second.applied.done()
        assert store.get_many([b"a"]) == [b"new"]
        assert store.marker == Marker("id", "epoch", 3, known_at=7)
        store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("key", [b"", b"\x00marker"])
def test_a_key_of_the_layer_is_refused(tmp_path: Path, key: bytes) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        with pytest.raises(ValueError, match="zero byte"):
            await table.commit(0, {b"k": b"v", key: b"v"}, broker)
        assert dict(table.items()) == {}
        await table.close()

    asyncio.run(scenario())


def test_what_cannot_be_opened_is_told_though_nobody_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker, told = MemoryBroker(), asyncio.Event()
        held = Store.open(tmp_path / "rows" / "0")
        table = DurableTable(
            "rows", changelog="rows-changelog", folder=tmp_path, open_changelog=broker.reader,
            on_failure=lambda error: told.set() if isinstance(error, TableBusyError) else None,
        )  # fmt: skip
        table.assign([0])
        await asyncio.wait_for(told.wait(), 10)
        assert not table.is_ready
        held.close()
        with pytest.raises(TableBusyError, match="in use by another process"):
            await table.ready(0)
        await table.close()

    asyncio.run(scenario())
