"""What stands on a topic now, read once from its beginning to the end that it had."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import confluent_kafka

from pipeline.mending import APPLY
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.cluster import librdkafka

_TIMEOUT = 10.0
_CONNECTED_WITHIN = 5.0
_SILENT_AFTER = 30.0
"""Seconds; a slow broker says something in that time, if only that a partition has ended."""


class TopicMissing(Exception):
    """A topic that is read is not there; the text names what makes it."""


def partitions_of(consumer: confluent_kafka.Consumer, topic: str) -> list[int]:
    """The topic's partitions.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicMissing: the broker has no such topic.
    """
    try:
        known = list(
            consumer.list_topics(topic, timeout=_CONNECTED_WITHIN).topics[topic].partitions
        )
    except confluent_kafka.KafkaException:
        raise BrokerUnreachable("no broker answers") from None
    if not known:
        raise TopicMissing(f"{topic} is missing: {APPLY}")
    return known


class TopicLog:
    """Partitions of one topic, all by default; `from_end` reads only what comes from now on.

    Weakness: all of a topic is read, however long it is, or all that is not older than `since`
    (unix seconds, broker time); it is for topics that people look at.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        partition: int | None = None,
        from_end: bool = False,
        since: float | None = None,
    ) -> None:
        self._consumer = confluent_kafka.Consumer(
            {
                **librdkafka(bootstrap_servers),
                "group.id": "console",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )
        known = partitions_of(self._consumer, topic)
        self._ends: dict[int, int] = {}
        begins = []
        for number in known if partition is None else [partition]:
            at = confluent_kafka.TopicPartition(topic, number)
            low, high = self._consumer.get_watermark_offsets(at, timeout=_TIMEOUT)
            self._ends[number] = high
            at.offset = high if from_end else low if since is None else int(since * 1000)
            begins.append(at)
        if since is not None:
            begins = self._consumer.offsets_for_times(begins, timeout=_TIMEOUT)
        self._consumer.assign(begins)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def records(self) -> Iterator[confluent_kafka.Message]:
        """Everything up to the end, one partition's records in their order.

        Raises:
            BrokerUnreachable: the broker has said nothing for `_SILENT_AFTER` seconds.
        """
        open_ = set(self._ends)
        heard_at = time.monotonic()
        while open_:
            for message in self._next():
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001
                    open_.discard(message.partition())
                else:
                    continue
                heard_at = time.monotonic()
            if time.monotonic() - heard_at > _SILENT_AFTER:
                raise BrokerUnreachable("the broker answers no more")

    def _next(self) -> list[confluent_kafka.Message]:
        """What is there, at least one if it comes in time."""
        first = self._consumer.poll(_TIMEOUT)
        # With a timeout of its own `consume` would wait for all thousand.
        return [] if first is None else [first, *self._consumer.consume(1000, timeout=0)]

    def wait(
        self, enough: Callable[[confluent_kafka.Message], bool], *, until: Callable[[], bool]
    ) -> None:
        """Hands every further record to `enough` until it says so, or `until` does."""
        while not until():
            for message in self._consumer.consume(100, timeout=0.2):
                if message.error() is None and enough(message):
                    return
