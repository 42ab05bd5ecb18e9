"""Reading a changelog partition in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import confluent_kafka

_SLAB = 10_000
_SLICE = 0.1
"""Seconds of one read: it returns when it has a whole slab or when they are over, even at the end."""
_TIMEOUT = 30.0

Rows = list[tuple[bytes, bytes | None]]


class RestoreError(Exception):
    """A changelog cannot be read; the text names it and the broker's reason."""


class ChangelogReader(AbstractContextManager["ChangelogReader"], Protocol):
    """One changelog partition up to the end that it had when it was opened."""

    @property
    def end(self) -> int:
        """One above the last offset."""
        ...

    def read(self, position: int) -> Iterator[tuple[Rows, int]]:
        """Slabs of rows from `position` to the end, each with the last offset it reaches."""
        ...


class Changelog(ChangelogReader):
    """One partition of a changelog topic, read from any offset to its end.

    The end is taken once, at the start: only the owner of the partition writes to it, so nothing
    that matters can follow.
    """

    def __init__(self, bootstrap_servers: str, topic: str, partition: int) -> None:
        self._where = confluent_kafka.TopicPartition(topic, partition)
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": f"restore-{topic}",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            offsets: tuple[int, int] = self._consumer.get_watermark_offsets(
                self._where, timeout=_TIMEOUT
            )
        except confluent_kafka.KafkaException as error:
            self._consumer.close()
            raise RestoreError(f"{topic}[{partition}]: {error.args[0].name()}") from None
        self._begin, self._end = offsets

    @property
    def end(self) -> int:
        """One above the last offset when the changelog was opened."""
        return self._end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def read(self, position: int) -> Iterator[tuple[Rows, int]]:
        """Slabs of rows from `position` to the end, each with the last offset it reaches."""
        at = max(position, self._begin)
        if at >= self.end:
            return
        start = confluent_kafka.TopicPartition(self._where.topic, self._where.partition, at)
        self._consumer.assign([start])
        silent = 0.0
        while at < self.end:
            messages = self._consumer.consume(_SLAB, timeout=_SLICE)
            silent = 0.0 if messages else silent + _SLICE
            if silent > _TIMEOUT:
                raise RestoreError(f"{self._where.topic}: no answer in {_TIMEOUT:.0f} s")
            rows: Rows = []
            for message in messages:
                error = message.error()
                if error is None:
                    rows.append((message.key(), message.value()))
                    at = message.offset() + 1
                elif error.code() == confluent_kafka.KafkaError._PARTITION_EOF:  # noqa: SLF001
                    at = self.end  # compaction may have taken the last offsets away
                else:
                    raise RestoreError(f"{self._where.topic}: {error.name()}")
            if messages:
                yield rows, at - 1
