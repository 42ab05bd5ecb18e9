"""Reads the whole audit trail beside the stage, for what must always hold (`Invariants`).

It begins hours back at each start, so its state is what it would be had it never ended.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import confluent_kafka

from pipeline import topics
from pipeline.domain.events import Audit, UnreadableValue
from pipeline.domain.invariants import Broken, Invariants
from pipeline.domain.modes import Standing
from pipeline.stream.cluster import librdkafka

HORIZON = 5 * 3600.0
"""Seconds that are read again: `act_deadline` (4 h), within which any event ends, and an hour."""
MOST_RECORDS = 250_000
"""Records of a partition that are read again at most; more would keep a start waiting."""
SILENT_AFTER = 15.0
"""Seconds without an answer of the broker after which nothing is known any more."""
_TIMEOUT = 10.0


class AuditReader:
    """Feeds an `Invariants` in a thread of its own while it runs."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap = bootstrap_servers
        self._lock = threading.Lock()
        self._state = Invariants()
        self._alive_at = 0.0
        self._unread: set[int] = set()
        """Partitions whose end was not reached since their last record."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to read, from `HORIZON` back."""
        self._state = Invariants()
        self._alive_at = 0.0
        self._unread = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._state, self._stop), name="invariants", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ends; it may be started again."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def broken(
        self, now: float, standing: Mapping[str, Standing], *, is_idle: bool
    ) -> Broken | None:
        """See `Invariants.broken`; None while that is not known."""
        if time.monotonic() - self._alive_at > SILENT_AFTER:
            return None
        with self._lock:
            # The outcome of what seems lost may lie in what is not read yet.
            is_idle = is_idle and not self._unread
            return self._state.broken(now, standing, is_idle=is_idle)

    def _run(self, state: Invariants, stop: threading.Event) -> None:
        consumer = confluent_kafka.Consumer(
            {
                **librdkafka(self._bootstrap),
                "group.id": "switchboard-invariants",
                # No commits: where it begins is a matter of time, not of what was read before.
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        behind: set[int] | None = None
        try:
            while not stop.is_set():
                try:
                    if behind is None:
                        behind = self._assign(consumer)
                    messages = consumer.consume(500, timeout=0.5)
                    self._apply(state, messages, behind)
                except confluent_kafka.KafkaException:
                    stop.wait(1.0)
        finally:
            consumer.close()

    def _assign(self, consumer: confluent_kafka.Consumer) -> set[int]:
        name = topics.AUDIT.name
        since = int((time.time() - HORIZON) * 1000)
        partitions = consumer.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
        wanted = [confluent_kafka.TopicPartition(name, each, since) for each in partitions]
        begins = []
        for at in consumer.offsets_for_times(wanted, timeout=_TIMEOUT):
            low, high = consumer.get_watermark_offsets(at, timeout=_TIMEOUT)
            begin = at.offset if at.offset >= 0 else high
            at.offset = max(low, begin, high - MOST_RECORDS)
            begins.append(at)
        consumer.assign(begins)
        return set(partitions)

    def _apply(
        self, state: Invariants, messages: list[confluent_kafka.Message], behind: set[int]
    ) -> None:
        for message in messages:
            error = message.error()
            if error is None:
                try:
                    audit = Audit.parse(message.value())
                except UnreadableValue:
                    continue
                with self._lock:
                    self._unread.add(message.partition())
                    state.add(audit, partition=message.partition(), offset=message.offset())
            elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001
                behind.discard(message.partition())
                with self._lock:
                    self._unread.discard(message.partition())
            else:
                raise confluent_kafka.KafkaException(error)
        # Before all was read once, an event that has ended since looks as if it had not.
        if not behind:
            self._alive_at = time.monotonic()
