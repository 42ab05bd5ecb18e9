"""A log in memory with the broker's two edges: `send` and changelog readers.

Only for tests of one edge: what needs a broker's behaviour is tested on a real one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.domain.events import Audit
from pipeline.stream.batch import Assignment, Batch
from pipeline.stream.changelog import EPOCH, ChangelogReader, Slab
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.producer import Changes, Outgoing, Producer
from pipeline.stream.table import DurableTable

DELETE_RETENTION = 7 * 86_400.0
"""Seconds, of every changelog."""


@dataclass(frozen=True)
class FakeRecord:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 1_700_000_000_000


@dataclass
class MemoryBroker:
    """Appends what is sent; the switches are what a broker, or those who run it, can do to us."""

    logs: dict[tuple[str, int], list[Outgoing | None]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """An offset is an index; None is a record that compaction or deletion took away."""
    times: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    sent: list[Outgoing] = field(default_factory=list)
    fail_next: bool = False
    """Refuses the next send as a dead broker would."""
    refuses: str | None = None
    """Takes no record and no row of topics that begin so; what is sent together with one is taken."""
    now: int = 1_700_000_000_000
    """The broker's clock, in milliseconds."""
    topic_id: str = "id-1"
    has_history: bool = False

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        await asyncio.sleep(0)
        if self.fail_next:
            self.fail_next = False
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
        Producer._measure(records, changes.rows if changes is not None else {})
        offset = -1
        for key, value in (changes.rows if changes is not None else {}).items():
            assert changes is not None
            if not self._refuses(changes.topic):
                offset = self._send(Outgoing(changes.topic, key, value, (), changes.partition))
        for record in records:
            if not self._refuses(record.topic):
                self._send(record)
        if any(map(self._refuses, [*(r.topic for r in records), changes.topic if changes else ""])):
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
        return offset

    def _refuses(self, topic: str) -> bool:
        return self.refuses is not None and topic.startswith(self.refuses)

    def _send(self, record: Outgoing) -> int:
        self.sent.append(record)
        return self.append(record)

    def append(self, record: Outgoing) -> int:
        where = record.topic, record.partition or 0
        self.logs[where].append(record)
        self.times[where].append(self.now)
        return len(self.logs[where]) - 1

    def compact(self, topic: str, partition: int = 0) -> None:
        """Keeps the last record of each key, as the log cleaner does."""
        log = self.logs[topic, partition]
        last = {record.key: at for at, record in enumerate(log) if record is not None}
        for at, record in enumerate(log):
            if record is not None and last[record.key] != at:
                log[at] = None

    def drop_tombstones(self, topic: str, partition: int = 0) -> None:
        """What a compaction does with tombstones that are older than `delete.retention.ms`."""
        where = topic, partition
        self.compact(topic, partition)
        last_kept = self.now - 1000 * DELETE_RETENTION
        for at, (record, time) in enumerate(zip(self.logs[where], self.times[where], strict=True)):
            if record is not None and record.value is None and time < last_kept:
                self.logs[where][at] = None

    def delete_below(self, offset: int, topic: str, partition: int = 0) -> None:
        log = self.logs[topic, partition]
        log[:offset] = [None] * min(offset, len(log))

    def lose_tail(self, count: int, topic: str, partition: int = 0) -> None:
        del self.logs[topic, partition][-count:]
        del self.times[topic, partition][-count:]

    def recreate(self, topic: str, partition: int = 0) -> None:
        self.logs[topic, partition].clear()
        self.times[topic, partition].clear()
        self.topic_id += "+"

    async def close(self) -> None:
        return None

    def on(self, topic: str) -> list[Outgoing]:
        return [record for record in self.sent if record.topic == topic]

    def audits(self) -> list[Audit]:
        return [Audit.parse(r.value) for r in self.sent if r.topic.endswith("audit.recorded.v1")]

    def reader(self, topic: str, partition: int) -> MemoryChangelog:
        return MemoryChangelog(self, topic, partition)

    def table(
        self, folder: Path, name: str = "rows", *, retention: float | None = None
    ) -> DurableTable:
        return DurableTable(
            name,
            changelog=f"{name}-changelog",
            folder=folder,
            open_changelog=self.reader,
            retention=retention,
            now=lambda: self.now / 1000,
            on_failure=lambda _: None,
        )


class MemoryChangelog(ChangelogReader):
    def __init__(self, broker: MemoryBroker, topic: str, partition: int) -> None:
        self._broker, self._where = broker, (topic, partition)
        self._end = len(broker.logs[topic, partition])

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def topic_id(self) -> str:
        return self._broker.topic_id

    @property
    def epoch(self) -> str | None:
        kept = [record for record in self._broker.logs[self._where] if record is not None]
        key = (kept[0].key or b"") if kept else b""
        return key.removeprefix(EPOCH).decode() if key.startswith(EPOCH) else None

    @property
    def end(self) -> int:
        return self._end

    def has_history(self) -> bool:
        return self._broker.has_history

    def begin(self, epoch: str) -> None:
        self._end = 1 + self._broker.append(
            Outgoing(self._where[0], EPOCH + epoch.encode(), b"", (), self._where[1])
        )

    def read(self, position: int) -> Iterator[Slab]:
        log = self._broker.logs[self._where]
        for at in range(position, self._end, 3):
            until = min(at + 3, self._end)
            slab = [(r.key or b"", r.value, o) for o in range(at, until) if (r := log[o])]
            yield slab, until

    def delete_retention(self) -> float:
        return DELETE_RETENTION

    def cutoff(self, age: float) -> int:
        times = self._broker.times[self._where][: self._end]
        young = times[-1] - age * 1000
        return next((at for at, time in enumerate(times) if time >= young), self._end)


async def run_batch(agent: Any, batch: Batch) -> None:
    """Puts `batch` to a Faust agent and returns when the watermark has passed all of it."""
    done = asyncio.Event()
    last = batch.records[-1].offset + 1

    def on_progress() -> None:
        if batch.assignment.watermark.position == last:
            done.set()

    batch.assignment.on_progress = on_progress
    async with agent.test_context() as running:
        await running.put(batch)
        await asyncio.wait_for(done.wait(), 10)
    # Faust makes the loop of its consumer thread with the consumer and closes it with the thread,
    # which a test without a broker never starts.
    agent.app.consumer._thread.thread_loop.close()


def crash(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


def batch_of(records: Sequence[FakeRecord], *, partition: int = 0) -> Batch:
    """A batch as the consumer would hand it out."""
    assignment = Assignment("source", partition, 1, records[0].offset if records else 0)
    taken: Any = assignment.take(records)
    return Batch(taken, assignment)
