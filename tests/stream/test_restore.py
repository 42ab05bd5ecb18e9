from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from pipeline.stream.begin_again import begin_again
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Outgoing
from pipeline.stream.restore import (
    Begin,
    CatchUp,
    Choice,
    Corrupt,
    Progress,
    Rebuild,
    Refuse,
    Restore,
    TableRefused,
    choose,
    is_stale,
)
from pipeline.stream.store import _CACHE, CorruptStoreError, Marker, Store
from tests.stream.memory_broker import DELETE_RETENTION, MemoryBroker

LOG = "rows-changelog"


@pytest.mark.parametrize(
    ("local", "epoch", "end", "has_history", "wanted"),
    [
        (None, None, 0, False, Begin),
        (None, None, 0, True, Refuse),  # emptied or made anew, the disk lost as well
        (None, None, 9, False, Refuse),  # its beginning is gone
        (Marker("id", "e", 5), None, 0, False, Refuse),  # emptied
        (Marker("other", "e", 5), None, 0, False, Refuse),  # made anew
        (Corrupt(), None, 0, False, Refuse),
        (Marker("id", "e", 5), None, 9, True, Refuse),
        (None, "e", 9, False, Rebuild),  # a lost disk, or another worker's partition
        (Corrupt(), "e", 9, False, Rebuild),
        (Marker("id", "e", 5), "e", 9, False, CatchUp),
        (Marker("id", "e", 9), "e", 9, False, CatchUp),
        (Marker("id", "e", 10), "e", 9, False, Refuse),  # ahead: the end of it was lost
        (Marker("other", "f", 5), "e", 9, False, Rebuild),  # foreign
        (Marker("other", "e", 5), "e", 9, False, Rebuild),  # a mirror: offsets may differ
        (Marker("id", "f", 5), "e", 9, False, Refuse),  # emptied and begun again
    ],
)
def test_the_choice(
    local: Marker | Corrupt | None,
    epoch: str | None,
    end: int,
    has_history: bool,
    wanted: type[Choice],
) -> None:
    made = choose(local, topic_id="id", epoch=epoch, end=end, has_history=has_history)
    assert isinstance(made, wanted)


@pytest.mark.parametrize(
    ("position", "days", "wanted"),
    [
        (5, 3, False),
        (5, 4, True),
        (5, -4, True),  # a clock was far off
        (9, 4, False),  # it has seen all there is
    ],
)
def test_a_store_is_stale_at_half_the_time_for_which_tombstones_are_kept(
    position: int, days: int, wanted: bool
) -> None:
    broker = MemoryBroker()
    broker.logs[LOG, 0] = [None] * 9
    local = Marker("id", "e", position, known_at=1_000_000_000)
    now = 1_000_000_000 + days * 86_400.0
    assert is_stale(local, broker.reader(LOG, 0), now) is wanted


def test_a_stale_store_is_rebuilt() -> None:
    stale = choose(
        Marker("id", "e", 5), topic_id="id", epoch="e", end=9, has_history=False, is_stale=True
    )
    assert isinstance(stale, Rebuild)


def run(broker: MemoryBroker, folder: Path, told: list[Progress] | None = None) -> Store:
    how = Restore(
        "rows",
        0,
        folder / "0",
        new_epoch=lambda: "e1",
        now=lambda: broker.now / 1000,
        on_progress=(told if told is not None else []).append,
    )
    return how.run(broker.reader(LOG, 0))


def filled(broker: MemoryBroker, folder: Path, count: int = 10) -> dict[bytes, bytes]:
    """A changelog with rows, and a local store that has them all."""

    async def fill() -> dict[bytes, bytes]:
        table = broker.table(folder.parent, folder.name)
        table.changelog = LOG
        table.assign([0])
        await table.ready(0)
        for n in range(count):
            await table.commit(0, {b"k%d" % n: b"%d" % n, b"gone": None}, broker)
        rows = dict(table.items())
        await table.close()
        return rows

    return asyncio.run(fill())


def rows_of(store: Store) -> dict[bytes, bytes]:
    rows = {row.key: row.value for row in store.rows()}
    store.close()
    return rows


def test_behind_it_catches_up_and_tells_how_far_it_is(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    run(broker, tmp_path / "b").close()
    filled(broker, tmp_path / "a", 12)
    told: list[Progress] = []
    assert rows_of(run(broker, tmp_path / "b", told)) == {**rows, b"k10": b"10", b"k11": b"11"}
    assert told[-1].position == told[-1].end == 45
    assert told[-1].rows == 24


def test_ahead_of_its_changelog_it_is_refused_and_keeps_what_was_lost(tmp_path: Path) -> None:
    broker = MemoryBroker()
    filled(broker, tmp_path / "a")
    broker.lose_tail(2, LOG)
    with pytest.raises(TableRefused, match=r"table rows, .* acknowledged up to 21"):
        run(broker, tmp_path / "a")
    with Store.view(tmp_path / "a" / "0") as store:
        assert store.get_many([b"k9"]) == [b"9"]


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_lost_end_comes_back_from_the_store_that_is_ahead(
    tmp_path: Path, is_killed: bool
) -> None:
    """Also for a worker whose disk has seen a part of it, and after a kill in the middle."""
    broker = MemoryBroker()
    filled(broker, tmp_path / "a", 3)
    filled(broker, tmp_path / "b", 8)
    rows = filled(broker, tmp_path / "a", 10)
    del broker.logs[LOG, 0][4:]
    del broker.times[LOG, 0][4:]
    folder = tmp_path / "a" / "0"

    def bring_back() -> int:
        changelog = broker.reader(LOG, 0)
        return asyncio.run(begin_again(folder, changelog, (LOG, 0), broker, epoch="never"))

    if is_killed:
        broker.fail_next = True
        with pytest.raises(DeliveryError):
            bring_back()
        with pytest.raises(TableRefused):
            run(broker, tmp_path / "a")
    assert bring_back() == 8
    for worker in ("a", "b", "c"):
        assert rows_of(run(broker, tmp_path / worker)) == rows


def test_a_row_that_came_after_the_loss_is_not_overwritten(tmp_path: Path) -> None:
    broker = MemoryBroker()
    filled(broker, tmp_path / "a", 5)
    broker.lose_tail(6, LOG)
    for key, value in ((b"k0", b"newer"), (b"k9", b"new")):
        broker.append(Outgoing(LOG, key, value, (), 0))
    folder, changelog = tmp_path / "a" / "0", broker.reader(LOG, 0)
    assert asyncio.run(begin_again(folder, changelog, (LOG, 0), broker, epoch="never")) == 3
    wanted = {b"k0": b"newer", b"k9": b"new", **{b"k%d" % n: b"%d" % n for n in range(1, 5)}}
    assert rows_of(run(broker, tmp_path / "a")) == wanted


def test_a_disk_that_was_away_for_too_long_brings_no_deleted_row_back(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "away")

    async def delete() -> None:
        table = broker.table(tmp_path, "a")
        table.changelog = LOG
        table.assign([0])
        await table.ready(0)
        await table.commit(0, {b"k1": None}, broker)
        await table.close()

    asyncio.run(delete())
    broker.now += int(1000 * DELETE_RETENTION) + 1
    broker.drop_tombstones(LOG)
    shutil.copytree(tmp_path / "away", tmp_path / "trusted")
    del rows[b"k1"]
    assert rows_of(run(broker, tmp_path / "away")) == rows
    broker.now -= int(1000 * DELETE_RETENTION)
    assert b"k1" in rows_of(run(broker, tmp_path / "trusted"))  # what the rebuild prevented


def test_foreign_state_is_replaced_by_the_changelogs_rows(tmp_path: Path) -> None:
    here, there = MemoryBroker(topic_id="here"), MemoryBroker(topic_id="there")
    filled(there, tmp_path / "a")
    rows = filled(here, tmp_path / "b", 3)
    assert rows_of(run(here, tmp_path / "a")) == rows


@pytest.mark.parametrize("has_disk", [True, False])
def test_a_changelog_made_anew_is_refused(tmp_path: Path, has_disk: bool) -> None:
    broker = MemoryBroker(has_history=True)
    broker.has_history = False
    filled(broker, tmp_path / "a")
    broker.has_history = True
    broker.recreate(LOG)
    with pytest.raises(TableRefused, match="it is empty, but"):
        run(broker, tmp_path / ("a" if has_disk else "b"))
    assert broker.logs[LOG, 0] == []


@pytest.mark.parametrize("has_disk", [True, False])
def test_a_changelog_without_its_beginning_is_refused(tmp_path: Path, has_disk: bool) -> None:
    broker = MemoryBroker()
    filled(broker, tmp_path / "a")
    broker.delete_below(4, LOG)
    with pytest.raises(TableRefused, match="lost its beginning"):
        run(broker, tmp_path / ("a" if has_disk else "b"))
    broker.delete_below(99, LOG)
    with pytest.raises(TableRefused, match="lost its beginning"):
        run(broker, tmp_path / ("a" if has_disk else "b"))


def test_compaction_takes_neither_the_epoch_nor_a_row(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    broker.compact(LOG)
    assert broker.logs[LOG, 0].count(None) == 9
    assert rows_of(run(broker, tmp_path / "a")) == rows
    assert rows_of(run(broker, tmp_path / "b")) == rows


def test_a_second_epoch_by_a_late_worker_changes_nothing(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    broker.reader(LOG, 0).begin("e2")
    broker.compact(LOG)
    assert rows_of(run(broker, tmp_path / "a")) == rows


def damage(folder: Path, how: str) -> None:
    for file in folder.iterdir():
        whole = file.read_bytes()
        match how, file.suffix, file.name.split("-")[0]:
            case "blocks", ".sst", _:
                file.write_bytes(whole[:20] + bytes(40) + whole[60:])
            case "manifest", _, "MANIFEST":
                file.write_bytes(bytes(len(whole)))
            case "missing", ".sst", _:
                file.unlink()


@pytest.mark.parametrize("how", ["blocks", "manifest", "missing"])
def test_a_damaged_store_is_rebuilt(tmp_path: Path, how: str) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    damage(tmp_path / "a" / "0", how)
    assert rows_of(run(broker, tmp_path / "a")) == rows


def test_damage_found_while_running_is_mended_by_the_next_start(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a", 200)
    with Store.view(tmp_path / "a" / "0") as store:
        damage(tmp_path / "a" / "0", "blocks")
        with pytest.raises(CorruptStoreError):
            store.get_many(list(rows))
    assert rows_of(run(broker, tmp_path / "a")) == rows


def test_an_iteration_over_damage_never_ends_early_without_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    store = Store.open(folder)
    store.apply([(b"k%06d" % n, bytes(100), n) for n in range(5000)], Marker("id", "e", 5000))
    store.flush()
    store.close()
    (sst,) = folder.glob("*.sst")
    whole = sst.read_bytes()
    sst.write_bytes(whole[: len(whole) // 2] + bytes(64) + whole[len(whole) // 2 + 64 :])
    with Store.view(folder) as view, pytest.raises(CorruptStoreError):
        list(view.rows())


def test_a_marker_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    broker = MemoryBroker()
    rows = filled(broker, tmp_path / "a")
    store = Store.open(tmp_path / "a" / "0")
    store._db.put(b"\x00marker", b"99")
    store.close()
    assert rows_of(run(broker, tmp_path / "a")) == rows


def test_many_records_are_restored_the_fast_way_to_the_same_rows(tmp_path: Path) -> None:
    broker = MemoryBroker()
    asyncio.run(fill_many(broker, tmp_path / "a"))
    store = run(broker, tmp_path / "b")
    assert sum(1 for _ in store.rows()) == 20_000
    assert store.get_many([b"k00007", b"k29999"]) == [None, b"v"]
    store.close()


async def fill_many(broker: MemoryBroker, folder: Path) -> None:
    table = broker.table(folder)
    table.assign([0])
    await table.ready(0)
    await table.commit(0, {b"k%05d" % n: b"v" for n in range(30_000)}, broker)
    await table.commit(0, {b"k%05d" % n: None for n in range(10_000)}, broker)
    await table.close()


def test_a_store_opened_again_keeps_its_filter_and_the_one_cache_of_the_process(
    tmp_path: Path,
) -> None:
    """Left to itself rocksdict takes the options of the last run, without either."""
    for bulk in (True, False, False):
        store = Store.open(tmp_path / "0", bulk=bulk)
        store.apply([(b"k%06d" % n, bytes(100), n) for n in range(5000)], Marker("i", "e", 5000))
        store.flush()
        last = max(tmp_path.glob("0/OPTIONS-*"))
        assert "filter_policy=bloomfilter" in last.read_text()
        assert ("VectorRepFactory" in last.read_text()) == bulk
        store.close()
    before = _CACHE.get_usage()
    store = Store.open(tmp_path / "0")
    assert sum(1 for _ in store.rows()) == 5000
    assert _CACHE.get_usage() > before + 100_000
    store.close()
