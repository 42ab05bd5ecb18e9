"""A log in memory with the broker's two edges: `send` and changelog readers.

Only for tests of one edge: what needs a broker's behaviour is tested on a real one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pipeline.domain.events import Audit
from pipeline.stream.batch import Assignment, Batch
from pipeline.stream.producer import Changes, DeliveryError, Failure, Outgoing
from pipeline.stream.restore import Rows
from pipeline.stream.table import DurableTable


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
    """Appends what is sent; `fail_next` refuses the next send as a dead broker would."""

    logs: dict[tuple[str, int], list[Outgoing]] = field(default_factory=lambda: defaultdict(list))
    sent: list[Outgoing] = field(default_factory=list)
    fail_next: bool = False

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        await asyncio.sleep(0)
        if self.fail_next:
            self.fail_next = False
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
        offset = -1
        for key, value in (changes.rows if changes is not None else {}).items():
            assert changes is not None
            offset = self._append(Outgoing(changes.topic, key, value, (), changes.partition))
        for record in records:
            self._append(record)
        return offset

    def _append(self, record: Outgoing) -> int:
        log = self.logs[record.topic, record.partition or 0]
        log.append(record)
        self.sent.append(record)
        return len(log) - 1

    async def close(self) -> None:
        return None

    def on(self, topic: str) -> list[Outgoing]:
        return [record for record in self.sent if record.topic == topic]

    def audits(self) -> list[Audit]:
        return [Audit.parse(r.value) for r in self.sent if r.topic.endswith("audit.recorded.v1")]

    def reader(self, topic: str, partition: int) -> MemoryChangelog:
        return MemoryChangelog(self.logs[topic, partition])

    def table(self, folder: Path, name: str = "rows") -> DurableTable:
        return DurableTable(
            name, changelog=f"{name}-changelog", folder=folder, open_changelog=self.reader
        )


class MemoryChangelog(AbstractContextManager["MemoryChangelog"]):
    def __init__(self, log: list[Outgoing]) -> None:
        self._log = list(log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def end(self) -> int:
        return len(self._log)

    def read(self, position: int) -> Iterator[tuple[Rows, int]]:
        rows = [(record.key or b"", record.value) for record in self._log[position:]]
        if rows:
            yield rows, len(self._log) - 1


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
