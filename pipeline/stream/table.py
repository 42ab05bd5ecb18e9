"""A durable table: one changelog topic, one RocksDB per partition, restored in bulk.

Faust's own table is not used: its recovery lost or stalled events in ordinary restarts, and it
acks an event before the table's change is durable. Here a put counts only when the changelog has
acknowledged it, and the local store is a cache of the changelog with a marker of how far it got.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.stream.changelog import ChangelogReader
from pipeline.stream.guard import crash
from pipeline.stream.partition import Partition, Put
from pipeline.stream.producer import Changes, Outgoing, Sender
from pipeline.stream.restore import OnProgress, Restore, log_progress
from pipeline.stream.store import RESERVED, StoreError

RESTORE_THREADS = 4
"""Partitions restored side by side: two cores are busy with four, and each costs some 10 MB."""


class DurableTable:
    """Rows by key, partitioned like the source topic of the stage that owns it.

    One process owns a partition at a time. Values and keys are bytes; a key is not empty and
    never begins with a zero byte. Rows older than `retention` seconds (None keeps for ever) are
    removed by `pipeline.stream.expiry`.
    """

    def __init__(
        self,
        name: str,
        *,
        changelog: str,
        folder: Path,
        open_changelog: Callable[[str, int], ChangelogReader],
        retention: float | None = None,
        new_epoch: Callable[[], str] = lambda: uuid.uuid4().hex,
        now: Callable[[], float] = time.time,
        on_progress: OnProgress = log_progress,
        on_failure: Callable[[BaseException], None] = lambda error: crash("table", error),
    ) -> None:
        self.name = name
        self.changelog = changelog
        self.retention = retention
        self._folder = folder / name
        self._open_changelog = open_changelog
        self._new_epoch = new_epoch
        self._now = now
        self._on_progress = on_progress
        self._on_failure = on_failure
        """Told why a partition cannot be opened: nobody may be waiting for it yet."""
        self._partitions: dict[int, Partition] = {}
        self._owned: set[int] = set()
        self._settling: dict[int, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(RESTORE_THREADS, thread_name_prefix=f"restore-{name}")

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
        if mine is not None:
            # What is still on its way lands in the changelog behind our back otherwise.
            await mine.idle()
            mine.store.close()
        if partition not in self._owned:
            return
        # One that stays ours is opened anew as well: another worker may have owned it meanwhile.
        try:
            self._partitions[partition] = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._open, partition
            )
        except Exception as error:
            self._on_failure(error)
            raise

    def _open(self, partition: int) -> Partition:
        how = Restore(
            self.name,
            partition,
            self._folder / str(partition),
            new_epoch=self._new_epoch,
            now=self._now,
            on_progress=self._on_progress,
        )
        try:
            with self._open_changelog(self.changelog, partition) as changelog:
                return Partition(how.run(changelog), now=self._now)
        except OSError as error:
            raise StoreError(f"table {self.name}: {error}") from error

    async def ready(self, partition: int) -> None:
        """Returns when `partition` is restored.

        Raises:
            KeyError: the partition is not assigned.
            TableRefused, TableBusyError, RestoreError: it cannot be; see `restore.Restore.run`.
        """
        await asyncio.shield(self._settling[partition])

    @property
    def is_ready(self) -> bool:
        """Whether every assigned partition is restored."""
        return all(map(self.is_open, self._settling))

    def is_open(self, partition: int) -> bool:
        """Whether `partition` is restored under the assignment of now."""
        task = self._settling.get(partition)
        return (
            task is not None and task.done() and not task.cancelled() and task.exception() is None
        )

    async def close(self) -> None:
        """Releases every partition."""
        self.assign(())
        if self._settling:
            await asyncio.wait(self._settling.values())
        self._threads.shutdown(wait=False)

    # -- rows ---------------------------------------------------------------------------------

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Durable rows of a restored partition, None where there is none."""
        return self._partitions[partition].store.get_many(keys)

    def get(self, partition: int, key: bytes) -> bytes | None:
        """One durable row."""
        return self.get_many(partition, [key])[0]

    def items(self, begin: bytes = b"", end: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Rows with `begin` <= key < `end` of every partition that is owned and restored."""
        for partition in list(self._partitions):
            yield from self.items_of(partition, begin, end)

    def items_of(
        self, partition: int, begin: bytes = b"", end: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with `begin` <= key < `end` of a restored partition, in key order."""
        for key, value, _ in self._partitions[partition].store.rows(begin):
            if end is not None and key >= end:
                break
            yield key, value

    def partitions(self) -> dict[int, Partition]:
        """The partitions that are owned and restored now."""
        return dict(self._partitions)

    async def cutoff(self, partition: int, age: float) -> int:
        """The changelog offset below which every record is older than `age` seconds.

        By the broker's time, and seen from the last record: a tick makes that now.
        """

        def ask() -> int:
            with self._open_changelog(self.changelog, partition) as changelog:
                return changelog.cutoff(age)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

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
            Overtaken: another process has written to the partition's changelog.
            ValueError: a key is empty or begins with a zero byte.
        """
        if puts and min(puts) < RESERVED:
            raise ValueError("a table key is not empty and does not begin with a zero byte")
        await self.append(partition, puts, producer, outputs=outputs)

    async def append(
        self,
        partition: int,
        puts: Mapping[bytes, bytes | None],
        producer: Sender,
        *,
        outputs: Sequence[Outgoing] = (),
    ) -> None:
        """`commit` without the check of keys, for the layer's own records."""
        if not puts:
            await producer.send(outputs)
            return
        mine = self._partitions[partition]
        # Noted before anything can run in between: a sweep must not bury what is on its way.
        put = mine.begin(puts)
        # Once begun it is carried through: a caller that is cancelled in the middle would leave a
        # row in the changelog that the local store does not have.
        changes = Changes(self.changelog, partition, puts)
        await asyncio.shield(_carry_through(mine, put, changes, outputs, producer))


async def _carry_through(
    mine: Partition, put: Put, changes: Changes, outputs: Sequence[Outgoing], producer: Sender
) -> None:
    try:
        mine.acknowledge(put, await producer.send(outputs, changes))
        await put.applied
    finally:
        mine.end(put)
