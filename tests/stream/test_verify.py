from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pipeline.stream.begin_again import begin_again
from pipeline.stream.producer import Outgoing
from pipeline.stream.store import Store
from pipeline.stream.table import DurableTable
from pipeline.stream.verify import Verdict, verify
from pipeline.stream.windowed import WindowedTable
from tests.stream.memory_broker import MemoryBroker

LOG = "rows-changelog"


async def ready(broker: MemoryBroker, folder: Path) -> DurableTable:
    table = broker.table(folder)
    table.assign([0])
    await table.ready(0)
    return table


def check(broker: MemoryBroker, folder: Path) -> Verdict:
    where = folder / "rows" / "0"
    return verify(where, lambda: broker.reader(LOG, 0), now=broker.now / 1000)


def stopped(broker: MemoryBroker, folder: Path) -> Path:
    """A stopped worker's store with the rows a to e."""

    async def fill() -> None:
        table = await ready(broker, folder)
        await table.commit(0, dict.fromkeys((b"a", b"b", b"c", b"d", b"e"), b"1"), broker)
        await table.close()

    asyncio.run(fill())
    return folder / "rows" / "0"


def test_a_store_beside_its_running_owner_is_right(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        await table.commit(0, {b"a": b"1", b"b": b"2"}, broker)
        await table.commit(0, {b"a": None}, broker)
        verdict = check(broker, tmp_path)
        assert verdict.is_good
        assert (verdict.rows, verdict.behind) == (1, 0)
        await table.close()

    asyncio.run(scenario())


def test_a_store_behind_is_right_as_far_as_it_goes(tmp_path: Path) -> None:
    broker = MemoryBroker()
    stopped(broker, tmp_path)
    for key, value in ((b"a", None), (b"b", b"2"), (b"new", b"1")):
        broker.append(Outgoing(LOG, key, value, (), 0))
    verdict = check(broker, tmp_path)
    assert verdict.is_good
    assert (verdict.rows, verdict.behind) == (5, 3)


def test_every_kind_of_difference_is_counted_and_named(tmp_path: Path) -> None:
    broker = MemoryBroker()
    folder = stopped(broker, tmp_path)
    store = Store.open(folder)
    marker = store.marker
    assert marker is not None
    store.apply([(b"a", None, 1), (b"c", b"9", 3), (b"f", b"1", 3), (b"g", b"1", 3)], marker)
    store.close()
    verdict = check(broker, tmp_path)
    assert not verdict.is_good
    assert (verdict.missing, verdict.different, verdict.extra) == (1, 1, 2)
    assert verdict.samples == [b"a", b"c", b"f", b"g"]


def test_a_lost_changelog_is_named_by_verify(tmp_path: Path) -> None:
    broker = MemoryBroker()
    stopped(broker, tmp_path)
    broker.recreate(LOG)
    assert "empty" in (check(broker, tmp_path).problem or "")
    ahead = MemoryBroker()
    stopped(ahead, tmp_path / "ahead")
    ahead.lose_tail(1, LOG)
    assert "has lost the end" in (check(ahead, tmp_path / "ahead").problem or "")


@pytest.mark.parametrize("has_store", [True, False])
def test_a_lost_changelog_begins_again_with_the_rows_that_are_left(
    tmp_path: Path, has_store: bool
) -> None:
    broker = MemoryBroker(has_history=False)
    folder = stopped(broker, tmp_path / "a")
    broker.has_history = True
    broker.recreate(LOG)

    async def scenario() -> None:
        mine = folder if has_store else None
        changelog = broker.reader(LOG, 0)
        written = await begin_again(mine, changelog, (LOG, 0), broker, epoch="anew")
        assert written == (5 if has_store else 0)
        for worker in ("a", "b"):
            table = await ready(broker, tmp_path / worker)
            assert len(dict(table.items())) == written
            await table.close()

    asyncio.run(scenario())


def test_windows_of_a_series_are_found_by_start_and_by_range(tmp_path: Path) -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        table = await ready(broker, tmp_path)
        windows = WindowedTable(table, width=10)
        assert windows.start_of(1_699_999_999.9) == 1_699_999_990
        puts = {windows.key("a", start): b"%d" % start for start in (0, 10, 20, 30)}
        other = {windows.key("ab", 10): b"other", windows.key("b", 10): b"other"}
        await table.commit(0, {**puts, **other}, broker)
        assert windows.load(0, "a", [10, 15, 30]) == {10: b"10", 30: b"30"}
        assert list(windows.between(0, "a", 10, 30)) == [(10, b"10"), (20, b"20")]
        assert list(windows.between(0, "a", -5, 1)) == [(0, b"0")]
        for series in ("", "a\x00b"):
            with pytest.raises(ValueError, match="a series"):
                windows.key(series, 0)
        await table.close()

    asyncio.run(scenario())
