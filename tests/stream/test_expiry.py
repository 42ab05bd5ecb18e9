from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.stream import expiry
from pipeline.stream.expiry import keep_expiring, sweep
from pipeline.stream.store import Store
from pipeline.stream.table import DurableTable
from tests.stream.memory_broker import MemoryBroker

DAY = 24 * 3600 * 1000


async def ready(broker: MemoryBroker, folder: Path, retention: float | None) -> DurableTable:
    table = broker.table(folder, retention=retention)
    table.assign([0])
    await table.ready(0)
    return table


async def soon(_: float) -> None:
    await asyncio.sleep(0)


Step = tuple[int, frozenset[int], bool]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3 * DAY), st.frozensets(st.integers(0, 30)), st.booleans()),
        max_size=12,
    ),
    idle=st.integers(0, 8 * DAY),
)
@example(
    steps=[(0, frozenset({1}), False), (5 * DAY, frozenset({2}), False)], idle=3 * DAY
)  # the first young record is a live row
def test_a_sweep_removes_every_dead_row_and_no_live_one(steps: list[Step], idle: int) -> None:
    """Also where the partition idles, the store is rebuilt, and rows are read every day."""

    async def scenario(folder: Path) -> None:
        broker = MemoryBroker()
        table = await ready(broker, folder / "a", 7 * DAY / 1000)
        written: dict[bytes, int] = {}
        for after, keys, deletes in steps:
            broker.now += after
            table.get_many(0, list(written))
            puts = {b"k%d" % key: None if deletes else b"v" for key in keys}
            await table.commit(0, puts, broker)
            for put in puts:
                written.pop(put, None)
                if not deletes:
                    written[put] = broker.now
        broker.now += idle
        alive = {key for key, at in written.items() if at >= broker.now - 7 * DAY}
        removed = await sweep(table, 0, broker, sleep=soon)
        assert {key for key, _ in table.items()} == alive
        assert removed == len(written) - len(alive)
        await table.close()
        rebuilt = await ready(broker, folder / "b", None)
        assert {key for key, _ in rebuilt.items()} == alive
        await rebuilt.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


def test_a_sweep_goes_in_slices_and_leaves_what_is_on_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "SLICE", 10)

    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path, 1.0)
        await table.commit(0, {b"k%02d" % n: b"old" for n in range(35)}, broker)
        broker.now += DAY
        pauses = 0

        async def sleep(_: float) -> None:
            nonlocal pauses
            pauses += 1
            if pauses == 1:  # the next slice is k10 to k19
                puts.append(asyncio.create_task(table.commit(0, {b"k15": b"new"}, broker)))
                puts.append(asyncio.create_task(table.commit(0, {b"k25": b"new"}, broker)))
            await asyncio.sleep(0)

        puts: list[asyncio.Task[None]] = []
        await sweep(table, 0, broker, sleep=sleep)
        await asyncio.gather(*puts)
        assert dict(table.items()) == {b"k15": b"new", b"k25": b"new"}
        assert pauses == 4
        await table.close()

    asyncio.run(scenario())


def test_a_sweep_ends_where_the_partition_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path, 1.0)
        await table.commit(0, {b"k%04d" % n: b"v" for n in range(2500)}, broker)
        broker.now += DAY

        async def give_up(_: float) -> None:
            table.assign([])
            await asyncio.sleep(0.01)

        assert await sweep(table, 0, broker, sleep=give_up) == 1000
        assert await sweep(table, 0, broker, sleep=give_up) == 0
        await table.close()

    asyncio.run(scenario())


def test_sweeps_go_on_for_ever_over_every_owned_partition(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker, waits = MemoryBroker(), list[float]()
        table = broker.table(tmp_path, retention=1.0)
        table.assign([0, 1])
        await asyncio.gather(table.ready(0), table.ready(1))
        await table.commit(0, {b"a": b"v"}, broker)
        await table.commit(1, {b"b": b"v"}, broker)

        async def sleep(seconds: float) -> None:
            broker.now += DAY
            waits.append(seconds)
            if waits.count(expiry.EVERY) == 2:
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await keep_expiring(table, broker, sleep=sleep)
        assert dict(table.items()) == {}
        assert waits[0] == expiry.FIRST
        await table.close()

    asyncio.run(scenario())


def test_a_row_stands_for_the_offset_that_wrote_it(tmp_path: Path) -> None:
    """Else a store that was written and one that was rebuilt would end rows at different times."""

    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path, None)
        await table.commit(0, {b"a": b"1", b"b": b"2"}, broker)
        await table.commit(0, {b"a": b"3"}, broker)
        await table.close()

    asyncio.run(scenario())
    store = Store.open(tmp_path / "rows" / "0")
    assert [(row.key, row.offset) for row in store.rows()] == [(b"a", 3), (b"b", 2)]
    store.close()
