"""Since when what groups have not committed waits: the first record at each commit, read and kept.

A head is read once, for as long as the commit stands there. One that could not be read in time is
asked for in each look until it is: until then it counts as waiting since the first look for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confluent_kafka import KafkaError, TopicPartition

from pipeline.stream.parking import DUE

PATIENCE = 5.0
"""Seconds that the heads of one look may take, all groups together."""
LEAST = 1.0
"""Seconds that each group has at least: one whose head does not come must not take all of them."""
_POLL = 0.5

Where = tuple[str, str, int]
"""Group, topic, partition."""
Place = tuple[str, int]
"""Topic, partition."""


class Reader(Protocol):
    """The part of a consumer that heads are read with."""

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Reads these from their offsets on."""
        ...

    def unassign(self) -> None:
        """Reads nothing more."""
        ...

    def poll(self, timeout: float) -> Any:
        """The next record, end or error; None when none came in time."""
        ...


@dataclass(frozen=True, slots=True)
class _Head:
    offset: int
    since: float | None
    """Unix seconds; None = no record is there."""
    is_read: bool


class Heads:
    """Reads with `reader`, which is used for nothing else; `now` and `monotonic` give seconds."""

    def __init__(
        self,
        reader: Reader,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._now = now
        self._monotonic = monotonic
        self._known: dict[Where, _Head] = {}

    def waiting_since(self, offsets: Mapping[Where, int]) -> dict[Where, float | None]:
        """Since when the first record at or above each offset waits, unix seconds; see `_since`.

        None where no record is: only markers are left, or compaction took the rest.
        """
        self._known = known = {
            where: head
            for where, head in self._known.items()
            if offsets.get(where) == head.offset and head.since is not None
        }
        ends = self._monotonic() + PATIENCE
        # Group by group: two of them may stand at different offsets of one partition.
        for group in dict.fromkeys(where[0] for where in offsets):
            unread = {
                where: offset
                for where, offset in offsets.items()
                if where[0] == group and not (where in known and known[where].is_read)
            }
            if unread:
                known |= self._asked(unread, ends)
        return {where: head.since for where, head in known.items()}

    def _asked(self, unread: Mapping[Where, int], ends: float) -> dict[Where, _Head]:
        found = self._read({where[1:]: offset for where, offset in unread.items()}, ends)
        heads = {}
        for where, offset in unread.items():
            if where[1:] in found:
                heads[where] = _Head(offset, found[where[1:]], is_read=True)
            else:
                # Not known is not the same as not there: it waits since now at the latest.
                before = self._known.get(where)
                heads[where] = before or _Head(offset, self._now(), is_read=False)
        return heads

    def _read(self, offsets: Mapping[Place, int], ends: float) -> dict[Place, float | None]:
        """What came of each place in time; one that failed has no entry."""
        ends = max(ends, self._monotonic() + LEAST)
        wanted, found = set(offsets), dict[Place, float | None]()
        self._reader.assign([TopicPartition(*where, at) for where, at in offsets.items()])
        try:
            while wanted and self._monotonic() < ends:
                message = self._reader.poll(_POLL)
                where = (None, None) if message is None else (message.topic(), message.partition())
                if message is None or where not in wanted:
                    continue
                wanted.discard(where)
                if message.error() is None:
                    found[where] = _since(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    found[where] = None
        finally:
            self._reader.unassign()
        return found


def _since(message: Any) -> float:
    """When a record could first have been worked on, unix seconds: broker time, or its due time."""
    due = dict(message.headers() or ()).get(DUE)
    written: float = message.timestamp()[1] / 1000
    with contextlib.suppress(ValueError):  # what somebody else wrote there
        return written if due is None else max(written, float(due))
    return written
