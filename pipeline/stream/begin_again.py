"""A changelog that lost rows goes on, with those that a local store still holds of it.

Only a person decides this: see `restore.TableRefused`. A changelog that is empty begins again with
every row. One that has lost its end gets back what it lacks, and no row of it is taken away: what
was deleted in the lost part lives again and ends once more. Of a row that both have, the one with
the higher offset stays. Weakness: offsets that were lost are given again, so a row that another
worker wrote after the loss may stand lower than the lost one, and is then overwritten by it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from pipeline.stream.changelog import TICK, ChangelogReader
from pipeline.stream.producer import Changes, Outgoing, Sender
from pipeline.stream.store import Marker, Row, Store, set_aside
from pipeline.stream.verify import fold_of, side_by_side

_SLAB = 5_000


async def begin_again(
    folder: Path | None, changelog: ChangelogReader, where: tuple[str, int], producer: Sender,
    *, epoch: str,
) -> int:  # fmt: skip
    """Writes what the changelog lacks of `folder` (None = no rows), the epoch first if it has none.

    `where` is its topic and partition. The store is set aside afterwards; the next start builds
    it from the changelog. Interrupted it leaves the store, for the same again; where the changelog
    had been empty, delete the topic first.

    Returns:
        How many rows it wrote.

    Raises:
        ValueError: the changelog has lost its beginning and is not empty.
        TableBusyError: a stage has the store open.
        CorruptStoreError: the store is damaged.
        DeliveryError: the broker did not take it all.
    """
    if changelog.epoch is None:
        if changelog.end > 0:
            raise ValueError("the changelog is not empty")
        changelog.begin(epoch)
    if folder is None:
        return 0
    store = Store.open(folder)
    try:
        with tempfile.TemporaryDirectory(prefix="table-fold-") as own:
            fold, _ = fold_of(changelog, Path(own), changelog.end)
            try:
                written = await _bring_back(store, fold, changelog, where, producer)
            finally:
                fold.close()
    finally:
        store.close()
    set_aside(folder)
    return written


def is_ahead(marker: Marker | None, changelog: ChangelogReader) -> bool:
    """Whether a store has seen more of this very changelog than there is."""
    return (
        marker is not None
        and (marker.topic_id, marker.epoch) == (changelog.topic_id, changelog.epoch)
        and marker.position > changelog.end
    )


async def _bring_back(
    store: Store, fold: Store, changelog: ChangelogReader, where: tuple[str, int], producer: Sender
) -> int:
    topic, partition = where
    marker = store.marker
    if marker is not None and is_ahead(marker, changelog):
        # Other disks may have seen some of the lost part as well. What they lack of the rows must
        # come to lie above their markers, so the lost offsets are filled with ticks. And until all
        # is written this store stays ahead: whatever interrupts us, the next start refuses again.
        count = sum(1 for _ in _lacking(store, fold))
        store.apply((), replace(marker, position=marker.position + count))
        ticks = [Outgoing(topic, TICK, b"", (), partition)] * (marker.position - changelog.end)
        for begin in range(0, len(ticks), _SLAB):
            await producer.send(ticks[begin : begin + _SLAB])
    written, lacking = 0, _lacking(store, fold)
    while rows := {row.key: row.value for row in islice(lacking, _SLAB)}:
        await producer.send((), Changes(*where, rows))
        written += len(rows)
    return written


def _lacking(store: Store, fold: Store) -> Iterator[Row]:
    """Rows that the changelog does not have, or only as they were before."""
    for _, here, there in side_by_side(store.rows(), fold.rows()):
        if here is not None and (
            there is None or (here.value != there.value and here.offset > there.offset)
        ):
            yield here
