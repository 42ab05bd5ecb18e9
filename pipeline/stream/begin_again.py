"""A lost changelog begins again, with the rows that a local store still holds of it.

Only a person decides this: see `restore.TableRefused`.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from pipeline.stream.changelog import ChangelogReader
from pipeline.stream.producer import Changes, Sender
from pipeline.stream.store import RESERVED, Store, set_aside

_SLAB = 5_000


async def begin_again(
    folder: Path | None, changelog: ChangelogReader, where: tuple[str, int], producer: Sender,
    *, epoch: str,
) -> int:  # fmt: skip
    """Writes the epoch and every row in `folder` (None = no rows) to an empty changelog.

    `where` is its topic and partition. The store is set aside afterwards; the next start builds
    it from the changelog. Interrupted it leaves the store: delete the topic and do it again.

    Returns:
        How many rows it wrote.

    Raises:
        ValueError: the changelog is not empty.
        TableBusyError: a stage has the store open.
        CorruptStoreError: the store is damaged.
        DeliveryError: the broker did not take it all.
    """
    if changelog.end > 0:
        raise ValueError("the changelog is not empty")
    if folder is None:
        changelog.begin(epoch)
        return 0
    store = Store.open(folder)
    try:
        changelog.begin(epoch)
        written, begin = 0, RESERVED
        while rows := list(islice(store.rows(begin), _SLAB)):
            await producer.send((), Changes(*where, {row.key: row.value for row in rows}))
            written, begin = written + len(rows), rows[-1].key + b"\x00"
    finally:
        store.close()
    set_aside(folder)
    return written
