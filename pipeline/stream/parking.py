"""Parked records: kept on a topic until they are due, then produced back where they came from.

One topic per tier of waiting time, because a partition is read in order: behind records that are
due in an hour nothing else would move. The scheduler is a plain consumer with a group of its own
that reads each partition some way ahead and brings back what is due first of that. It produces back
and waits for the acknowledgement before it commits, and commits only as far as all has been brought
back, so a kill -9 or a rebalance makes copies and loses nothing; who takes the records tells a copy
from the record itself by piece and lap. A record that does not say when it is due and where it
belongs was written by somebody else: it becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, RebalanceInProgressError

from pipeline.stream.batch import Record
from pipeline.stream.cluster import aiokafka
from pipeline.stream.producer import Headers, Outgoing, Sender

log = logging.getLogger(__name__)

_PREFIX = "sb-parked-"
DUE, BACK_TO, PIECE, LAP, FAILURES, SINCE, REASON = (
    _PREFIX + name for name in ("due", "to", "piece", "lap", "attempt", "first-failed-at", "reason")
)
HELD_RECORDS = 500
"""Records of one partition that are read ahead of the first that is not due yet. The jitter of what was
parked together would be lost otherwise: each would wait for the latest of all before it."""
LONGEST_WAIT = 24 * 3600.0
"""Seconds. A record that is due later than that after it came would hold up its tier for ever."""
LONGEST_SLEEP = 1.0
"""Seconds; new records and a stop are noticed at least this often."""


@dataclass(frozen=True)
class Parked:
    """What a parked record says of itself in its headers.

    `piece` is the offset at which it first came and `lap` how often it has been parked; `due` and
    `since` (the first failure; None = none yet) are unix seconds.
    """

    piece: int
    lap: int
    due: float
    back_to: str
    failures: int = 0
    since: float | None = None
    reason: str = ""

    @classmethod
    def of(cls, record: Record) -> Parked | None:
        """What `record` says; None where it was never parked, or says it so that nobody can read it."""
        own = [(key, value or b"") for key, value in record.headers if key.startswith(_PREFIX)]
        try:
            said = {key: value.decode() for key, value in own}
            found = cls(
                piece=int(said[PIECE]),
                lap=int(said[LAP]),
                due=float(said[DUE]),
                back_to=said[BACK_TO],
                failures=int(said[FAILURES]),
                since=float(said[SINCE]) if SINCE in said else None,
                reason=said[REASON],
            )
        except (KeyError, ValueError):
            return None
        return found if math.isfinite(found.due) else None

    def record(self, topic: str, record: Record) -> Outgoing:
        """`record` as it waits on `topic`: key, value and its own headers untouched."""
        said = {
            DUE: f"{self.due:.3f}",
            BACK_TO: self.back_to,
            PIECE: str(self.piece),
            LAP: str(self.lap),
            FAILURES: str(self.failures),
            REASON: self.reason,
        }
        if self.since is not None:
            said[SINCE] = f"{self.since:.3f}"
        headers = [*bare(record.headers), *((key, value.encode()) for key, value in said.items())]
        return Outgoing(topic, record.key, record.value, headers, record.partition)


def bare(headers: Headers) -> Headers:
    """Headers without those of parking: a record that leaves for good must not look parked."""
    return [(key, value) for key, value in headers if not key.startswith(_PREFIX)]


class _Held:
    """What has been read of a partition and is not brought back yet, the first that is due first."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Record]] = []
        self._end = 0

    def put(self, due: float, record: Record) -> None:
        """Takes the next record of the partition."""
        heapq.heappush(self._due, (due, record.offset, record))
        self._end = record.offset + 1

    def take(self, now: float) -> list[Record]:
        """What is due, in that order; no longer held."""
        ready = []
        while self._due and self._due[0][0] <= now:
            ready.append(heapq.heappop(self._due)[2])
        return ready

    @property
    def next_due(self) -> float:
        """When the next is due; unix seconds."""
        return self._due[0][0] if self._due else math.inf

    @property
    def is_full(self) -> bool:
        """Whether as much is held as may be."""
        return len(self._due) >= HELD_RECORDS

    @property
    def done(self) -> int:
        """The offset below which all has been brought back."""
        return min((offset for _, offset, _ in self._due), default=self._end)


class Scheduler:
    """Brings parked records back when they are due; `now` gives unix seconds.

    `back_to` are the topics that records may belong to, `letter` makes the dead letter of one that
    belongs to none of them.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topics: Sequence[str],
        *,
        group: str,
        back_to: Collection[str],
        letter: Callable[[Record], Outgoing],
        sender: Sender,
        now: Callable[[], float],
        on_brought_back: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._topics = topics
        self._group = group
        self._back_to = back_to
        self._letter = letter
        self._sender = sender
        self._now = now
        self._held: dict[TopicPartition, _Held] = {}
        self._consumer: Any = None
        self._stop = asyncio.Event()
        self._on_brought_back = on_brought_back

    async def run(self) -> None:
        """Works until `stop`.

        Raises:
            DeliveryError: what is due cannot be produced; nothing of it is committed.
            KafkaError: the broker cannot be read.
        """
        self._consumer = AIOKafkaConsumer(
            **aiokafka(self._bootstrap),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            max_poll_records=HELD_RECORDS,
        )
        self._consumer.subscribe(self._topics, listener=_Forget(self._held))
        await self._consumer.start()
        try:
            while not self._stop.is_set():
                await self._bring_back()
                await self._take()
        finally:
            await self._consumer.stop()

    def stop(self) -> None:
        """Ends `run` within `LONGEST_SLEEP` seconds."""
        self._stop.set()

    @property
    def is_ready(self) -> bool:
        """Whether the group has given it partitions."""
        return self._consumer is not None and bool(self._consumer.assignment())

    async def _take(self) -> None:
        """Fetches for partitions that can hold more; sleeps until the next record is due otherwise."""
        due = min((held.next_due for held in self._held.values()), default=math.inf)
        seconds = min(LONGEST_SLEEP, max(0.0, due - self._now()))
        fetched = await self._consumer.getmany(timeout_ms=math.ceil(seconds * 1000))
        for where, records in fetched.items():
            if where not in self._consumer.assignment():
                continue
            held = self._held.setdefault(where, _Held())
            for record in records:
                held.put(self._due(record), record)
            if held.is_full:
                self._consumer.pause(where)

    async def _bring_back(self) -> None:
        now = self._now()
        for where, held in list(self._held.items()):
            ready = held.take(now)
            if not ready:
                continue
            await self._sender.send([self._returned(record) for record in ready])
            self._on_brought_back(len(ready))
            await self._commit(where, held.done)
            if self._held.get(where) is held and not held.is_full:
                self._consumer.resume(where)

    def _said(self, record: Record) -> Parked | None:
        said = Parked.of(record)
        if said is None or said.back_to not in self._back_to:
            return None
        return said if said.due - record.timestamp / 1000 <= LONGEST_WAIT else None

    def _due(self, record: Record) -> float:
        said = self._said(record)
        return said.due if said is not None else 0.0

    def _returned(self, record: Record) -> Outgoing:
        """The record for the topic it came from; its headers still tell what it has been through."""
        said = self._said(record)
        if said is not None:
            return Outgoing(
                said.back_to, record.key, record.value, record.headers, record.partition
            )
        log.error(
            "a record that nobody parked is a dead letter",
            extra={"fields": {"topic": record.topic, "partition": record.partition,
                              "offset": record.offset}},
        )  # fmt: skip
        return self._letter(record)

    async def _commit(self, where: TopicPartition, offset: int) -> None:
        try:
            await self._consumer.commit({where: offset})
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError):
            # Somebody else has the partition now and brings the same records back once more.
            log.warning("parked records come back twice", extra={"fields": {"topic": where.topic}})


class _Forget(ConsumerRebalanceListener):  # type: ignore[misc]
    """Drops what is held when the group changes: the fetch begins anew at the commit."""

    def __init__(self, held: dict[TopicPartition, _Held]) -> None:
        self._held = held

    def on_partitions_revoked(self, _: Iterable[TopicPartition]) -> None:
        self._held.clear()

    def on_partitions_assigned(self, _: Iterable[TopicPartition]) -> None:
        self._held.clear()
