"""The table against a dict, over crashes between any two steps."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.stream.begin_again import begin_again
from pipeline.stream.changelog import Slab
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.expiry import sweep
from pipeline.stream.partition import Behind
from pipeline.stream.producer import Changes, Outgoing
from pipeline.stream.restore import TableRefused
from pipeline.stream.table import DurableTable
from pipeline.stream.verify import verify
from tests.stream.memory_broker import DELETE_RETENTION, MemoryBroker, MemoryChangelog

LOG = "rows-changelog"
Rows = dict[bytes, bytes | None]
HOUR = 3_600_000
"""Milliseconds."""
RETENTION = 48.0 * 3600
"""Seconds."""


class Killed(Exception):
    """The process is gone: nothing after this step happened."""


@dataclass
class FaultyBroker(MemoryBroker):
    """Kills the process in the middle of a send or of a restore, at a step that is counted."""

    kill_after_records: int | None = None
    """Of the next send: how many of its records the broker still gets; the ack is never seen."""
    spared_sends: int = 0
    """Sends that pass before that one."""
    refuse_after_records: int | None = None
    """Of the next send: how many of its records the broker still takes; the others it refuses."""
    kill_after_slabs: int | None = None
    """Of the next restore."""

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        if changes is not None and self.refuse_after_records is not None:
            await self._send_some(changes, self.refuse_after_records)
            self.refuse_after_records = None
            raise DeliveryError("MSG_SIZE_TOO_LARGE", Failure.TOO_LARGE)
        if changes is None or self.kill_after_records is None:
            return await super().send(records, changes)
        if self.spared_sends:
            self.spared_sends -= 1
            return await super().send(records, changes)
        await self._send_some(changes, self.kill_after_records)
        self.kill_after_records = None
        raise Killed

    async def _send_some(self, changes: Changes, count: int) -> None:
        rows = dict(itertools.islice(changes.rows.items(), count))
        await super().send((), Changes(changes.topic, changes.partition, rows))

    def spare(self) -> None:
        """Whatever was to go wrong next does not."""
        self.kill_after_records = self.kill_after_slabs = self.refuse_after_records = None
        self.spared_sends = 0

    def reader(self, topic: str, partition: int) -> MemoryChangelog:
        return FaultyChangelog(self, topic, partition)

    def fold(self) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes] = {}
        for record in self.logs[LOG, 0]:
            if record is None or record.key is None or record.key.startswith(b"\x00"):
                continue
            if record.value is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = record.value
        return rows

    def time_of(self, key: bytes) -> int:
        """When the last record of `key` came."""
        log, times = self.logs[LOG, 0], self.times[LOG, 0]
        return max(
            at for record, at in zip(log, times, strict=True) if record and record.key == key
        )


class FaultyChangelog(MemoryChangelog):
    def read(self, position: int) -> Iterator[Slab]:
        broker = self._broker
        assert isinstance(broker, FaultyBroker)
        for number, slab in enumerate(super().read(position)):
            if broker.kill_after_slabs == number:
                broker.kill_after_slabs = None
                raise Killed
            yield slab


class World:
    """One worker with a disk, the broker, and the dict that the table must equal."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = itertools.count()
        self.broker = FaultyBroker()
        self.model: dict[bytes, bytes] = {}
        self.written: dict[bytes, int] = {}
        """When each row of the model was written, by the broker's clock."""
        self.disk = folder / "start"
        self.table: DurableTable | None = None

    async def running(self) -> DurableTable:
        """The table, opened if the process is not running; a kill in a restore is tried again."""
        while self.table is None:
            table = self.broker.table(self.disk, retention=RETENTION)
            table.assign([0])
            try:
                await table.ready(0)
                self.table = table
            except Killed:
                await self.leave(table)
        return self.table

    async def leave(self, table: DurableTable) -> None:
        """Kill -9: what lies on the disk at this instant is what the next life finds."""
        after = self._folder / f"life{next(self._lives)}"
        if self.disk.exists():
            copy_at_rest(self.disk, after)
        await table.close()  # of this life; it writes to the old disk, which nobody reads again
        self.disk, self.table = after, None

    async def put(self, rows: Rows, kill_after: int | None) -> None:
        table = await self.running()
        self.broker.kill_after_records = kill_after
        try:
            await table.commit(0, rows, self.broker)
        except Killed:
            arrived: Rows = dict(itertools.islice(rows.items(), kill_after))
            await self.leave(table)
        else:
            arrived = rows
            self.broker.spare()
        self.arrive(arrived)

    def arrive(self, rows: Rows) -> None:
        """What a put comes to in the dict."""
        for key, value in rows.items():
            if value is None:
                self.model.pop(key, None)
                self.written.pop(key, None)
            else:
                self.model[key], self.written[key] = value, self.broker.now

    async def check(self) -> None:
        table = await self.running()
        assert dict(table.items()) == self.model == self.broker.fold()
        keys = [b"k%d" % n for n in range(9)]
        assert table.get_many(0, keys) == [self.model.get(key) for key in keys]


def copy_at_rest(disk: Path, to: Path) -> None:
    """RocksDB's own threads tidy up meanwhile: a copy counts if nothing came or went under it."""
    while True:
        before = sorted(disk.rglob("*"))
        with contextlib.suppress(shutil.Error):
            shutil.copytree(disk, to)
            if sorted(disk.rglob("*")) == before:
                return
        shutil.rmtree(to)


@dataclass(frozen=True)
class PutRows:
    rows: Rows
    kill_after: int | None

    async def run(self, world: World) -> None:
        await world.put(self.rows, self.kill_after)


@dataclass(frozen=True)
class RefusedPut:
    """The broker refuses an output; some rows of the put may lie in the changelog already."""

    rows: Rows
    arrived: int
    later: Rows
    """The next put, which meets what arrived of this one."""

    async def run(self, world: World) -> None:
        table, before = await world.running(), dict(world.model)
        world.broker.refuse_after_records = self.arrived
        outputs = [Outgoing("out", b"k", b"v")]
        with pytest.raises(DeliveryError):
            await table.commit(0, self.rows, world.broker, outputs=outputs)
        assert dict(table.items()) == before
        arrived = dict(itertools.islice(self.rows.items(), self.arrived))
        world.arrive(arrived)
        if not arrived:
            return
        with pytest.raises(Behind):
            await table.commit(0, self.later, world.broker)
        assert dict(table.items()) == before
        world.arrive(self.later)
        await world.leave(table)


@dataclass(frozen=True)
class LetTimeGo:
    hours: int

    async def run(self, world: World) -> None:
        world.broker.now += self.hours * HOUR


@dataclass(frozen=True)
class Sweep:
    """Removes what is older than the retention, by ticks; may be killed among its tombstones."""

    kill_after: int | None

    async def run(self, world: World) -> None:
        table, broker = await world.running(), world.broker
        oldest = broker.now - 1000 * RETENTION
        dead = sorted(key for key, at in world.written.items() if at < oldest)
        broker.kill_after_records, broker.spared_sends = self.kill_after, 1
        try:
            assert await sweep(table, 0, broker, sleep=soon) == len(dead)
        except Killed:
            dead = dead[: self.kill_after]
            await world.leave(table)
        broker.spare()
        world.arrive(dict.fromkeys(dead))


async def soon(_: float) -> None:
    await asyncio.sleep(0)


class Kill:
    async def run(self, world: World) -> None:
        await world.leave(await world.running())


@dataclass(frozen=True)
class KillInRestore:
    slabs: int
    is_wiped: bool

    async def run(self, world: World) -> None:
        await world.leave(await world.running())
        if self.is_wiped:
            shutil.rmtree(world.disk, ignore_errors=True)
        world.broker.kill_after_slabs = self.slabs
        await world.running()
        world.broker.spare()


class StopOrderly:
    async def run(self, world: World) -> None:
        table = await world.running()
        await table.close()
        world.table = None


class LoseDisk:
    async def run(self, world: World) -> None:
        await world.leave(await world.running())
        shutil.rmtree(world.disk, ignore_errors=True)


@dataclass(frozen=True)
class OtherWorker:
    """Has the partition for a while, with no disk of its own to begin with."""

    rows: Rows

    async def run(self, world: World) -> None:
        await world.leave(await world.running())
        mine, world.disk = world.disk, world._folder / f"other{next(world._lives)}"
        await world.put(self.rows, None)
        await world.leave(await world.running())
        world.disk = mine


class Compact:
    async def run(self, world: World) -> None:
        world.broker.compact(LOG)


@dataclass(frozen=True)
class LoseTail:
    """The broker forgets what it acknowledged; a person brings it back from the store ahead of it."""

    count: int

    async def run(self, world: World) -> None:
        await world.leave(await world.running())
        log = world.broker.logs[LOG, 0]
        # Only what a compaction has not touched: else the records below are gone as well.
        count = min(self.count, len(log) - 1)
        if not count or None in log:
            return
        world.broker.lose_tail(count, LOG)
        table = world.broker.table(world.disk)
        table.assign([0])
        with pytest.raises(TableRefused):
            await table.ready(0)
        await table.close()
        folder, changelog = world.disk / "rows" / "0", world.broker.reader(LOG, 0)
        left = world.broker.fold()
        await begin_again(folder, changelog, (LOG, 0), world.broker, epoch="never")
        # What was deleted in the lost part lives again, and nothing else is different. A row is as
        # old as the record that has it now: what was lost is written anew.
        world.model = {**left, **world.model}
        world.written = {
            key: world.broker.time_of(key) if left.get(key) == value else world.broker.now
            for key, value in world.model.items()
        }


class StayAway:
    """The process is away for longer than tombstones are kept, and others do not rest."""

    async def run(self, world: World) -> None:
        await world.leave(await world.running())
        world.broker.now += int(1001 * DELETE_RETENTION)
        world.broker.drop_tombstones(LOG)


class Reassign:
    async def run(self, world: World) -> None:
        table = await world.running()
        table.assign([0])
        await table.ready(0)


class Verify:
    async def run(self, world: World) -> None:
        table = await world.running()
        where, now = world.disk / "rows" / "0", world.broker.now / 1000
        verdict = verify(where, lambda: world.broker.reader(LOG, 0), now=now)
        assert verdict.is_good, verdict
        assert verdict.rows == len(dict(table.items()))


Step = (
    PutRows
    | RefusedPut
    | LetTimeGo
    | Sweep
    | Kill
    | KillInRestore
    | OtherWorker
    | LoseTail
    | StayAway
)

keys = st.integers(0, 8).map(lambda n: b"k%d" % n)
values = st.one_of(st.none(), st.binary(max_size=3))
rows = st.dictionaries(keys, values, min_size=1, max_size=5)
steps = st.one_of(
    st.builds(PutRows, rows, st.none()),
    st.builds(PutRows, rows, st.integers(0, 5)),
    st.builds(RefusedPut, rows, st.integers(0, 5), rows),
    st.builds(LetTimeGo, st.integers(0, 72)),
    st.builds(Sweep, st.none() | st.integers(0, 3)),
    st.builds(KillInRestore, st.integers(0, 3), st.booleans()),
    st.builds(OtherWorker, rows),
    st.builds(LoseTail, st.integers(1, 4)),
    st.sampled_from(
        [Kill(), StopOrderly(), LoseDisk(), Compact(), Reassign(), Verify(), StayAway()]
    ),
)


@settings(max_examples=30, deadline=None)
@example([PutRows({b"k1": b"1"}, None), PutRows({b"k1": b"2", b"k2": b"3"}, 0), Kill()])
@example([PutRows({b"k1": b"1"}, None), PutRows({b"k1": b"2", b"k2": b"3"}, 1), Kill()])
@example([PutRows({b"k1": b"1"}, None), OtherWorker({b"k1": None}), StayAway()])
@example([PutRows({b"k1": b"1"}, None), LetTimeGo(72), PutRows({b"k2": b"2"}, None), Sweep(None)])
@example([PutRows({b"k1": b"1", b"k2": b"2"}, None), LetTimeGo(72), Sweep(1), Sweep(None)])
@example([RefusedPut({b"k1": b"1", b"k2": b"2"}, 1, {b"k1": None}), Kill()])
@given(st.lists(steps, min_size=2, max_size=12))
def test_the_table_equals_a_dict_whatever_dies_when(
    script: list[Step],
) -> None:
    async def scenario(folder: Path) -> None:
        world = World(folder)
        for step in script:
            await step.run(world)
            if world.table is not None:
                await world.check()
        await world.check()
        await (await world.running()).close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))
