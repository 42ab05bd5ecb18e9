"""Rows end by the broker's time, not by a worker's clock and not by when they are read.

A row keeps the changelog offset that wrote it, so its age is the broker's append time of that
record. A tick, a record of the layer's own, tells what time it is at the broker also where a
partition is idle; the broker then names the first offset that is young enough, and every row
below it is deleted with a tombstone. Only a new put makes a row young again.

After a leader with a clock ahead of the others' rows live longer, by at most that difference.
A sweep walks the store in slices and yields between them: nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import islice

from pipeline.stream.changelog import TICK
from pipeline.stream.partition import Partition
from pipeline.stream.producer import Sender
from pipeline.stream.store import RESERVED
from pipeline.stream.table import DurableTable

SLICE = 1_000
"""Rows looked at, and so at most deleted, at once: about a millisecond."""
FIRST = 60.0
"""Seconds from the start to the first sweep: a restart has better things to do."""
EVERY = 3600.0
"""Seconds between sweeps; retentions are days."""
PAUSE = 0.02
"""Seconds between slices: a sweep takes a few per cent of a core."""

Sleep = Callable[[float], Awaitable[None]]


async def keep_expiring(table: DurableTable, producer: Sender, *, sleep: Sleep) -> None:
    """Sweeps the partitions that are owned, one after the other, until it is cancelled.

    Raises:
        DeliveryError, RestoreError, Overtaken: as of any write, the process should end.
    """
    await sleep(FIRST)
    while True:
        for partition in table.partitions():
            await sweep(table, partition, producer, sleep=sleep)
        await sleep(EVERY)


async def sweep(table: DurableTable, partition: int, producer: Sender, *, sleep: Sleep) -> int:
    """Deletes the rows of one partition that are too old; how many they were.

    It ends early where the partition is given up meanwhile.
    """
    mine = table.partitions().get(partition)
    if mine is None or table.retention is None:
        return 0
    await table.append(partition, {TICK: b""}, producer)
    cutoff = await table.cutoff(partition, table.retention)
    removed, begin = 0, RESERVED
    while begin and table.partitions().get(partition) is mine:
        old, begin = _slice(mine, begin, cutoff)
        if old:
            # No await since the look: a put of the same key is either on its way already, and
            # was left out, or comes to lie after the tombstone.
            await table.append(partition, dict.fromkeys(old), producer)
            removed += len(old)
        await sleep(PAUSE)
    return removed


def _slice(mine: Partition, begin: bytes, cutoff: int) -> tuple[list[bytes], bytes]:
    """The keys in the next slice that are too old, and where the one after it begins."""
    rows = list(islice(mine.store.rows(begin), SLICE))
    old = [key for key, _, offset in rows if offset < cutoff and not mine.is_on_its_way(key)]
    return old, rows[-1].key + b"\x00" if len(rows) == SLICE else b""
