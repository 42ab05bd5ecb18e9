"""A durable table: one changelog topic, one RocksDB per partition, restored in bulk.

Faust's own table is not used: its recovery lost or stalled events in ordinary restarts, and it
acks an event before the table's change is durable. Here a put counts only when the changelog has
acknowledged it, and the local store is a cache of the changelog with a marker of how far it got.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rocksdict import (
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    WriteBatch,
)

from pipeline.stream.producer import Changes, Outgoing, Sender
from pipeline.stream.restore import ChangelogReader
from pipeline.stream.watermark import Watermark

log = logging.getLogger(__name__)

MARKER = b"\x00offset"
"""The key under which a store keeps the changelog offset it contains; no table key begins so."""

_CACHE = Cache(32 << 20)  # one for all stores of the process: memory must not grow per partition


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_write_buffer_size(8 << 20)
    options.set_max_write_buffer_number(2)
    options.set_keep_log_file_num(2)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_CACHE)
    blocks.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(blocks)
    return options


class TableBusyError(Exception):
    """Another process holds the table's folder."""


class Store:
    """One partition's rows and the changelog offset they stand for."""

    def __init__(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(folder), options=_options())
        except Exception as error:
            if "lock" in str(error).lower():
                raise TableBusyError(
                    f"{folder} is in use by another process: stop it, or give this worker a name "
                    "of its own with SWITCHBOARD_INSTANCE"
                ) from None
            raise

    @property
    def position(self) -> int:
        """The next changelog offset to apply; 0 for an empty store."""
        marker = self._db.get(MARKER)
        return 0 if marker is None else int(marker) + 1

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The rows of `keys`, None where there is none, in one read."""
        return list(self._db.get(list(keys))) if keys else []

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row in key order, without the marker."""
        for key, value in self._db.items():
            if key != MARKER:
                yield key, value

    def apply(self, rows: Iterable[tuple[bytes, bytes | None]], offset: int | None) -> None:
        """Writes `rows` and, with them or not at all, the offset they reach."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if offset is not None:
            batch.put(MARKER, str(offset).encode())
        self._db.write(batch)

    def close(self) -> None:
        """Releases the folder."""
        self._db.close()


class _Partition:
    """A restored store and the puts that are on their way."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sequence = 0
        self.applied = Watermark()
        self.offsets: dict[int, int] = {}

    def begin(self) -> int:
        """Numbers a put in the order its records are produced."""
        self.sequence += 1
        self.applied.hand_out([self.sequence])
        return self.sequence

    def end(self, sequence: int, rows: Mapping[bytes, bytes | None], offset: int) -> None:
        """Writes the rows; the marker only passes puts that are all applied.

        Puts may be acknowledged out of order, and a marker beyond an unapplied one would hide
        it from the next restore.
        """
        self.offsets[sequence] = offset
        before = self.applied.position or 1
        self.applied.finish(sequence)
        after = self.applied.position or 1
        reached = [self.offsets.pop(number) for number in range(before, after)]
        self.store.apply(rows.items(), reached[-1] if reached else None)


class DurableTable:
    """Rows by key, partitioned like the source topic of the stage that owns it.

    One process owns a partition at a time. Values and keys are bytes; a key never begins with
    a zero byte.
    """

    def __init__(
        self,
        name: str,
        *,
        changelog: str,
        folder: Path,
        open_changelog: Callable[[str, int], ChangelogReader],
    ) -> None:
        self.name = name
        self.changelog = changelog
        self._folder = folder / name
        self._open_changelog = open_changelog
        self._partitions: dict[int, _Partition] = {}
        self._owned: set[int] = set()
        self._settling: dict[int, asyncio.Task[None]] = {}

    # -- assignment ---------------------------------------------------------------------------

    def assign(self, partitions: Iterable[int]) -> None:
        """Owns exactly `partitions` from now on; opens and restores each in the background."""
        self._owned = set(partitions)
        for partition in self._owned | set(self._settling):
            before = self._settling.get(partition)
            self._settling[partition] = asyncio.get_running_loop().create_task(
                self._settle(partition, before)
            )

    async def _settle(self, partition: int, before: asyncio.Task[None] | None) -> None:
        """Opens or closes one partition, after whatever was begun for it earlier."""
        if before is not None and not before.done():
            await asyncio.wait([before])
        mine = self._partitions.pop(partition, None)
        if partition not in self._owned:
            if mine is not None:
                mine.store.close()
            return
        # One that stays ours catches up as well: another worker may have owned it meanwhile.
        store = mine.store if mine is not None else Store(self._path(partition))
        store = await asyncio.to_thread(self._catch_up, partition, store)
        self._partitions[partition] = _Partition(store)

    def _path(self, partition: int) -> Path:
        return self._folder / str(partition)

    def _catch_up(self, partition: int, store: Store) -> Store:
        """Applies what the changelog has beyond the store; a store ahead of it is rebuilt."""
        with self._open_changelog(self.changelog, partition) as changelog:
            if store.position > changelog.end:
                log.warning(
                    "local table is ahead of its changelog and is rebuilt",
                    extra={"fields": {"table": self.name, "partition": partition}},
                )
                store.close()
                shutil.rmtree(self._path(partition))
                store = Store(self._path(partition))
            for rows, offset in changelog.read(store.position):
                store.apply(rows, offset)
        return store

    async def ready(self, partition: int) -> None:
        """Returns when `partition` is restored.

        Raises:
            KeyError: the partition is not assigned.
        """
        await asyncio.shield(self._settling[partition])

    @property
    def is_ready(self) -> bool:
        """Whether every assigned partition is restored."""
        return all(
            task.done() and not task.cancelled() and task.exception() is None
            for task in self._settling.values()
        )

    async def close(self) -> None:
        """Releases every partition."""
        self.assign(())
        if self._settling:
            await asyncio.wait(self._settling.values())

    # -- rows ---------------------------------------------------------------------------------

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Durable rows of a restored partition, None where there is none."""
        return self._partitions[partition].store.get_many(keys)

    def get(self, partition: int, key: bytes) -> bytes | None:
        """One durable row."""
        return self.get_many(partition, [key])[0]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of every partition that is owned and restored."""
        for mine in list(self._partitions.values()):
            yield from mine.store.items()

    async def commit(
        self,
        partition: int,
        puts: Mapping[bytes, bytes | None],
        producer: Sender,
        *,
        outputs: Sequence[Outgoing] = (),
    ) -> None:
        """Makes `puts` and `outputs` durable together, then writes the local store.

        Raises:
            DeliveryError: something was not acknowledged; the local store is untouched.
        """
        # Once begun it is carried through: a caller that is cancelled in the middle would leave a
        # row in the changelog that the local store does not have.
        await asyncio.shield(self._commit(partition, puts, producer, outputs))

    async def _commit(
        self,
        partition: int,
        puts: Mapping[bytes, bytes | None],
        producer: Sender,
        outputs: Sequence[Outgoing],
    ) -> None:
        if not puts:
            await producer.send(outputs)
            return
        mine = self._partitions[partition]
        sequence = mine.begin()
        offset = await producer.send(outputs, Changes(self.changelog, partition, puts))
        mine.end(sequence, puts, offset)
