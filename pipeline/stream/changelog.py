"""One partition of a changelog topic: what it begins with, its rows in bulk, its broker's clock.

The first record of every changelog partition is its epoch, under a key that no other record has:
compaction never removes it, so a changelog that does not begin with one is either unused or has
lost records.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from pipeline.stream.cluster import librdkafka
from pipeline.stream.store import Change

EPOCH = b"\x00epoch:"
"""An epoch record's key begins so and ends with the epoch's name."""
TICK = b"\x00tick"
"""The key of a record that only carries the broker's time."""

_Answer = TypeVar("_Answer")

_SLAB = 5_000
_POLL = 0.05
_TIMEOUT = 30.0
_PATIENCE = 10.0
_PAUSE = 0.2
_PASSING = frozenset({
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - its public name
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
})  # fmt: skip
"""Answers about what was made or moved a moment ago; worth asking again."""
_END = -1  # librdkafka's answer for "no record is that young"

Slab = tuple[list[Change], int]
"""Changes in offset order, and the position they reach: one above the last offset looked at."""


class RestoreError(Exception):
    """A changelog cannot be read; the text names it and the broker's reason."""


def _patiently(what: str, call: Callable[[], _Answer]) -> _Answer:
    """The answer of `call`, asked again while the broker is only settling."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except KafkaException as error:
            if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                raise RestoreError(f"{what}: {error.args[0].name()}") from None
        time.sleep(_PAUSE)


class ChangelogReader(AbstractContextManager["ChangelogReader"], Protocol):
    """One changelog partition as it was when it was opened."""

    @property
    def topic_id(self) -> str:
        """The broker's id of the topic; another one after the topic was made anew."""
        ...

    @property
    def epoch(self) -> str | None:
        """The name in its first record; None when it does not begin with an epoch."""
        ...

    @property
    def end(self) -> int:
        """One above the last offset."""
        ...

    def has_history(self) -> bool:
        """Whether the table's owner has worked before, by other signs than the changelog."""
        ...

    def begin(self, epoch: str) -> None:
        """Writes the first record of an unused changelog."""
        ...

    def read(self, position: int) -> Iterator[Slab]:
        """Slabs from `position` to the end."""
        ...

    def cutoff(self, age: float) -> int:
        """The offset below which every record is `age` seconds older than the last record."""
        ...

    def delete_retention(self) -> float:
        """Seconds for which compaction keeps a tombstone at least."""
        ...


class Changelogs:
    """Opens changelog partitions of one stage; `source` is what its group consumes."""

    def __init__(self, bootstrap_servers: str, *, group: str, source: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._group = group
        self._source = source
        self._admin: AdminClient | None = None
        self._lock = threading.Lock()

    def open(self, topic: str, partition: int) -> Changelog:
        """The partition as it is now; called from the threads that restore.

        Raises:
            RestoreError: no broker answers, or it does not know the topic.
        """
        return _patiently(f"{topic}[{partition}]", lambda: self._open(topic, partition))

    def _open(self, topic: str, partition: int) -> Changelog:
        consumer = Consumer(
            {
                **librdkafka(self._bootstrap_servers),
                # The stage's own group, only to look its commits up: nothing here joins it.
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 10,
                # A full local queue is asked again after this long; the default of a second
                # made librdkafka sleep for most of a restore (240 against 1,500 thousand keys/s).
                "fetch.queue.backoff.ms": 5,
                "queued.min.messages": 20_000,
                "queued.max.messages.kbytes": 8_192,
                "log_level": 0,
            }
        )
        try:
            return Changelog(
                consumer, TopicPartition(topic, partition), self._topic_id(topic),
                source=self._source, servers=self._bootstrap_servers,
                delete_retention=lambda: self._delete_retention(topic),
            )  # fmt: skip
        except BaseException:
            consumer.close()
            raise

    def _topic_id(self, topic: str) -> str:
        with self._lock:
            if self._admin is None:
                self._admin = AdminClient({**librdkafka(self._bootstrap_servers), "log_level": 0})
        described = self._admin.describe_topics(TopicCollection([topic]), request_timeout=_TIMEOUT)
        return str(described[topic].result(timeout=_TIMEOUT).topic_id)

    def _delete_retention(self, topic: str) -> float:
        assert self._admin is not None  # noqa: S101 - asked of a changelog that was opened
        resource = ConfigResource(ResourceType.TOPIC, topic)
        described = self._admin.describe_configs([resource], request_timeout=_TIMEOUT)
        settings = described[resource].result(timeout=_TIMEOUT)
        return int(settings["delete.retention.ms"].value) / 1000


class Changelog(ChangelogReader):
    """One partition, read from any offset to its end.

    The end is taken once, when it is opened: only the owner of the partition writes to it. A
    former owner that is late is noticed by its successor's first write (`DurableTable.commit`).
    """

    def __init__(
        self, consumer: Consumer, where: TopicPartition, topic_id: str, *, source: str, servers: str,
        delete_retention: Callable[[], float], monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._consumer = consumer
        self._topic, self._partition = where.topic, where.partition
        self._source, self._servers = source, servers
        self._topic_id = topic_id
        self._delete_retention = delete_retention
        self._monotonic = monotonic
        offsets: tuple[int, int] = consumer.get_watermark_offsets(where, timeout=_TIMEOUT)
        self._begin, self._end = offsets
        self._epoch = self._read_epoch()

    @property
    def topic_id(self) -> str:
        """The broker's id of the topic."""
        return self._topic_id

    @property
    def epoch(self) -> str | None:
        """The name in its first record, if that is an epoch."""
        return self._epoch

    @property
    def end(self) -> int:
        """One above the last offset when the changelog was opened."""
        return self._end

    def _read_epoch(self) -> str | None:
        first = next(self._changes(self._begin, slab=1), None)
        key = first[0][0][0] if first is not None and first[0] else b""
        return key.removeprefix(EPOCH).decode("ascii") if key.startswith(EPOCH) else None

    def has_history(self) -> bool:
        """Whether the stage's group has committed an offset of the source partition."""
        where = TopicPartition(self._source, self._partition)
        committed = _patiently(
            self._source, lambda: self._consumer.committed([where], timeout=_TIMEOUT)
        )
        return bool(committed[0].offset >= 0)

    def begin(self, epoch: str) -> None:
        """Writes the epoch record and waits for its acknowledgement."""
        answers: list[tuple[KafkaError | None, int]] = []
        producer = Producer(
            {**librdkafka(self._servers), "acks": "all", "enable.idempotence": True,
             "log_level": 0}
        )  # fmt: skip
        producer.produce(
            self._topic, b"", EPOCH + epoch.encode(), self._partition,
            lambda error, message: answers.append((error, message.offset())),
        )  # fmt: skip
        producer.flush(_TIMEOUT)
        if not answers or answers[0][0] is not None:
            code = answers[0][0].name() if answers and answers[0][0] else "_TIMED_OUT"
            raise RestoreError(f"{self._topic}[{self._partition}]: {code}")
        self._end = answers[0][1] + 1
        # Whoever came first named it: another worker may have begun it at the same time.
        self._epoch = self._read_epoch()
        if self._epoch is None:
            raise RestoreError(f"{self._topic}[{self._partition}]: its first record is no epoch")

    def read(self, position: int) -> Iterator[Slab]:
        """Slabs from `position` to the end.

        Raises:
            RestoreError: the broker tells an error, or no record and no end for `_TIMEOUT` seconds.
        """
        return self._changes(max(position, self._begin), slab=_SLAB)

    def _changes(self, at: int, *, slab: int) -> Iterator[Slab]:
        if at >= self._end:
            return
        self._consumer.assign([TopicPartition(self._topic, self._partition, at)])
        deadline = self._monotonic() + _TIMEOUT
        while at < self._end:
            messages = self._consumer.consume(min(slab, self._end - at), timeout=_POLL)
            changes, reached = self._unpack(messages, at)
            if reached == at:
                # An end that is told again and again is no progress.
                if self._monotonic() > deadline:
                    raise RestoreError(
                        f"{self._topic}[{self._partition}]: nothing between {at} and its end at "
                        f"{self._end} came in {_TIMEOUT:.0f} s"
                    )
                continue
            at = reached
            yield changes, at
            deadline = self._monotonic() + _TIMEOUT

    def _unpack(self, messages: list[Any], at: int) -> Slab:
        changes: list[Change] = []
        for message in messages:
            error = message.error()
            if error is None:
                offset = message.offset()
                changes.append((message.key(), message.value(), offset))
                at = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                # A new leader may not know yet how far all have acknowledged (KIP-207), and its end
                # is below ours: what lies between would be passed by and never read.
                if message.offset() >= self._end:
                    at = self._end  # the last offsets are markers, or compaction took them away
            else:
                raise RestoreError(f"{self._topic}[{self._partition}]: {error.name()}")
        return changes, at

    def cutoff(self, age: float) -> int:
        """The offset below which every record is `age` seconds older than the last one.

        Both times are the broker's: this machine's clock has no say.
        """
        now = self._time_of_last()
        where = TopicPartition(self._topic, self._partition, max(0, now - int(age * 1000)))
        found = self._consumer.offsets_for_times([where], timeout=_TIMEOUT)[0]
        if found.error is not None:
            raise RestoreError(f"{self._topic}[{self._partition}]: {found.error.name()}")
        return self._end if found.offset == _END else int(found.offset)

    def delete_retention(self) -> float:
        """The topic's own setting, in seconds."""
        where = f"{self._topic}[{self._partition}]"
        return _patiently(where, self._delete_retention)

    def _time_of_last(self) -> int:
        """Milliseconds since the epoch at which the broker appended the last record."""
        self._consumer.assign([TopicPartition(self._topic, self._partition, self._end - 1)])
        deadline = self._monotonic() + _TIMEOUT
        while self._monotonic() < deadline:
            message = self._consumer.poll(_POLL)
            if message is not None and message.error() is None:
                return int(message.timestamp()[1])
        raise RestoreError(f"{self._topic}: no answer in {_TIMEOUT:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()
