"""A restored partition and the puts that are on their way to its changelog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pipeline.stream.store import Marker, Store


class Overtaken(Exception):
    """Another process has written to the changelog of a partition that is ours.

    A former owner that was late, most likely. A restart reads what it wrote.
    """


class Behind(Exception):
    """A put of ours failed, and rows of it may lie in the changelog that the store has not seen.

    A restart reads them. Until then nothing can be put, and that is the fault of what failed.
    """


@dataclass(eq=False)
class Put:
    """Rows on their way; `applied` ends when the local store has them."""

    rows: Mapping[bytes, bytes | None]
    applied: asyncio.Future[None]


class Partition:
    """Applies puts to the store in the order in which the changelog has them, without a hole.

    The marker must not pass a record that the store has not seen: the next restore would never
    look at it again. So a put is applied when its records follow directly on the last ones, and
    a record in between that nobody here wrote is an error.
    """

    def __init__(self, store: Store, *, now: Callable[[], float]) -> None:
        marker = store.marker
        if marker is None:
            raise ValueError("a restored store has a marker")
        self.store = store
        self._marker: Marker = marker
        self._now = now
        self._on_their_way: set[Put] = set()
        self._acknowledged: dict[int, Put] = {}
        self._has_failed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self, rows: Mapping[bytes, bytes | None]) -> Put:
        """Notes a put that is about to be produced."""
        put = Put(rows, asyncio.get_running_loop().create_future())
        self._on_their_way.add(put)
        self._idle.clear()
        return put

    def end(self, put: Put) -> None:
        """The put is applied or has failed.

        Failed it may still come to lie in the changelog: then the next one shows the hole.
        """
        self._on_their_way.discard(put)
        self._has_failed |= not put.applied.done()
        self._check_for_hole()
        if not self._on_their_way:
            self._idle.set()

    def acknowledge(self, put: Put, last: int) -> None:
        """The put's records end at offset `last`; applies it and what waited for it."""
        self._acknowledged[last - len(put.rows) + 1] = put
        while (following := self._acknowledged.pop(self._marker.position, None)) is not None:
            self._apply(following)
        self._check_for_hole()

    def _apply(self, put: Put) -> None:
        at = self._marker.position
        marker = replace(self._marker, position=at + len(put.rows), known_at=int(self._now()))
        changes = [(key, value, at + n) for n, (key, value) in enumerate(put.rows.items())]
        self.store.apply(changes, marker)
        self._marker = marker
        if not put.applied.done():  # its writer was cancelled
            put.applied.set_result(None)

    def _check_for_hole(self) -> None:
        """A record that nobody here wrote, and no put is out that it could still belong to."""
        waiting = set(self._acknowledged.values())
        if not waiting or self._on_their_way - waiting:
            return
        position = self._marker.position
        for put in waiting:
            if not put.applied.done():
                put.applied.set_exception(
                    Behind(f"what lies at offset {position} of the changelog was not acknowledged")
                    if self._has_failed
                    else Overtaken(f"offset {position} of the changelog is not ours")
                )

    def is_on_its_way(self, key: bytes) -> bool:
        """Whether a put of `key` is produced and not yet applied."""
        return any(key in put.rows for put in self._on_their_way)

    async def idle(self) -> None:
        """Returns when nothing is on its way."""
        await self._idle.wait()
