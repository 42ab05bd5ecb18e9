from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.stream.producer import DeliveryError
from pipeline.stream.table import Store, TableBusyError
from tests.stream.memory_broker import MemoryBroker


def test_a_put_is_readable_only_after_its_changelog_ack(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = broker.table(tmp_path)
        table.assign([0])
        await table.ready(0)
        put = asyncio.create_task(table.commit(0, {b"k": b"v"}, broker))
        assert table.get(0, b"k") is None
        await put
        assert table.get(0, b"k") == b"v"
        await table.close()

    asyncio.run(scenario())


def test_a_refused_put_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker(fail_next=True)
        table = broker.table(tmp_path)
        table.assign([0])
        await table.ready(0)
        with pytest.raises(DeliveryError):
            await table.commit(0, {b"k": b"v"}, broker)
        assert table.get(0, b"k") is None
        await table.close()

    asyncio.run(scenario())


def test_a_lost_disk_is_rebuilt_from_the_changelog_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        first = broker.table(tmp_path / "a")
        first.assign([0])
        await first.ready(0)
        await first.commit(0, {b"a": b"1", b"b": b"2"}, broker)
        await first.commit(0, {b"a": None, b"c": b"3"}, broker)
        await first.close()
        second = broker.table(tmp_path / "b")
        second.assign([0])
        await second.ready(0)
        assert dict(second.items()) == {b"b": b"2", b"c": b"3"}
        await second.close()

    asyncio.run(scenario())


def test_local_state_is_kept_and_catches_up_with_what_another_worker_wrote(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        mine, other = broker.table(tmp_path / "a"), broker.table(tmp_path / "b")
        mine.assign([0])
        await mine.ready(0)
        await mine.commit(0, {b"a": b"1"}, broker)
        mine.assign([])
        other.assign([0])
        await other.ready(0)
        await other.commit(0, {b"a": b"2"}, broker)
        await other.close()
        mine.assign([0])
        await mine.ready(0)
        assert mine.get(0, b"a") == b"2"
        await mine.close()

    asyncio.run(scenario())


def test_a_store_ahead_of_its_changelog_is_rebuilt(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        store = Store(tmp_path / "rows" / "0")
        store.apply([(b"ghost", b"1")], 99)
        store.close()
        table = broker.table(tmp_path)
        table.assign([0])
        await table.ready(0)
        assert dict(table.items()) == {}
        await table.close()

    asyncio.run(scenario())


def test_puts_acknowledged_out_of_order_never_move_the_marker_past_an_unapplied_one(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = broker.table(tmp_path)
        table.assign([0])
        await table.ready(0)
        mine = table._partitions[0]
        first, second = mine.begin(), mine.begin()
        mine.end(second, {b"b": b"2"}, 1)
        assert mine.store.position == 0
        mine.end(first, {b"a": b"1"}, 0)
        assert mine.store.position == 2
        await table.close()

    asyncio.run(scenario())


def test_two_processes_cannot_share_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path / "0")
    with pytest.raises(TableBusyError, match="SWITCHBOARD_INSTANCE"):
        Store(tmp_path / "0")
    store.close()
