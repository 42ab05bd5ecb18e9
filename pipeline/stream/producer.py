"""One producer for stages and ingress: librdkafka, idempotent, acks=all, a future per batch.

`Producer.send` returns when the broker has acknowledged every record of the batch, which is the
only moment at which anything may be committed or answered. librdkafka retries below us, in order
and without duplicates, until `delivery_timeout`.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import confluent_kafka

from pipeline.stream.cluster import librdkafka
from pipeline.stream.deadline import broker_time
from pipeline.stream.delivery import DeliveryError, Failure, refusal
from pipeline.stream.room import Room

Headers = Sequence[tuple[str, bytes]]

MAX_RECORD_BYTES = 1_000_000
"""Bytes of one record, key and headers with it; the brokers' own default is a little above."""
IN_FLIGHT_RECORDS = 100_000
"""Records that may wait for their acknowledgement before `send` holds its caller back."""


class Outgoing(NamedTuple):
    """A record to produce; `partition` None lets the key decide, as Kafka's own clients do."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class Changes(NamedTuple):
    """Rows for one partition of a changelog, in this order; a row of None is a tombstone."""

    topic: str
    partition: int
    rows: Mapping[bytes, bytes | None]


class Sender(Protocol):
    """Whatever makes records durable; `Producer` in a process, a log in memory in a test."""

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        """Returns once all are acknowledged; see `Producer.send`."""
        ...

    async def close(self) -> None:
        """Waits for what is in flight and lets go."""
        ...


class Producer:
    """An idempotent producer with its own poll thread; use it from one event loop.

    `fence` is called right before anything is produced, with no await between: it ends a process
    that may not be the owner any more.

    Weakness: after a timeout a record may still be written, so a caller that sends again makes a
    second record; consumers must be ready for it.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str,
        delivery_timeout: float = 30.0,
        linger: float = 0.0,
        in_flight: int = IN_FLIGHT_RECORDS,
        config: Mapping[str, object] | None = None,
        fence: Callable[[], None] = lambda: None,
        on_fatal: Callable[[str], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fence = fence
        self._on_fatal = on_fatal
        self._connected = threading.Event()
        self._room = Room(in_flight)
        self._kafka = confluent_kafka.Producer(
            {
                **librdkafka(bootstrap_servers),
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                # The partitioner of Kafka's Java client and of aiokafka: a key must meet the same
                # partition whoever writes it.
                "partitioner": "murmur2_random",
                "linger.ms": linger * 1000,
                "delivery.timeout.ms": int(delivery_timeout * 1000),
                "request.timeout.ms": int(min(delivery_timeout, 30.0) * 1000),
                # Above `in_flight`, so that the limit that makes callers wait is ours.
                "queue.buffering.max.messages": 10 * in_flight,
                "message.max.bytes": MAX_RECORD_BYTES,
                "error_cb": self._on_error,
                **(config or {}),
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._kafka.poll(0.1)

    def _on_error(self, error: confluent_kafka.KafkaError) -> None:
        if error.code() == confluent_kafka.KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - its public name
            self._connected.clear()
        if error.fatal() and self._on_fatal is not None:
            self._loop.call_soon_threadsafe(self._on_fatal, error.name())

    async def connect(self, *, timeout: float = 5.0) -> bool:
        """Whether the broker answers within `timeout` seconds."""
        try:
            await asyncio.to_thread(self._kafka.list_topics, timeout=timeout)
        except confluent_kafka.KafkaException:
            self._connected.clear()
            return False
        self._connected.set()
        return True

    @property
    def is_connected(self) -> bool:
        """Whether the broker answered last; turns False when every broker is down."""
        return self._connected.is_set()

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        """Produces `changes` and `records`, and waits for every acknowledgement.

        Returns:
            The offset of the last of `changes`; -1 when there are none.

        Raises:
            DeliveryError: at least one record was not acknowledged; others may have been. With
                `Failure.TOO_LARGE` by its own measure nothing was produced at all.
        """
        rows = changes.rows if changes is not None else {}
        size = len(rows) + len(records)
        if not size:
            return -1
        self._measure(records, rows)
        with broker_time():
            await self._room.enter(size)
            try:
                self._fence()
                batch = _Batch(self._loop, size)
                if changes is not None and rows:
                    self._produce_changes(changes, batch)
                self._produce(records, batch)
                return await batch.done
            finally:
                self._room.leave(size)

    @staticmethod
    def _measure(records: Sequence[Outgoing], rows: Mapping[bytes, bytes | None]) -> None:
        """Refuses what no broker takes before its neighbours are on their way."""
        largest = max(
            itertools.chain(
                (len(key) + len(value or b"") for key, value in rows.items()),
                map(size_of, records),
            ),
            default=0,
        )
        if largest > MAX_RECORD_BYTES - _FRAMING:
            raise DeliveryError("MSG_SIZE_TOO_LARGE", Failure.TOO_LARGE)

    def _produce_changes(self, changes: Changes, batch: _Batch) -> None:
        messages = [{"key": key, "value": value} for key, value in changes.rows.items()]
        self._produce_many(changes.topic, messages, changes.partition, batch.change, batch)

    def _produce(self, records: Sequence[Outgoing], batch: _Batch) -> None:
        for (topic, partition, bare), run in itertools.groupby(records, _destination):
            if bare:
                messages = [{"key": record.key, "value": record.value} for record in run]
                self._produce_many(topic, messages, partition, batch.record, batch)
            else:
                # The bulk call takes no headers.
                for record in run:
                    self._produce_one(record, partition, batch)

    def _produce_many(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int,
        on_delivery: Callable[..., None],
        batch: _Batch,
    ) -> None:
        try:
            taken = self._kafka.produce_batch(topic, messages, partition, on_delivery)
        except (BufferError, confluent_kafka.KafkaException) as error:
            batch.count(refusal(error), len(messages))
            return
        if taken < len(messages):
            refused = [message["_error"] for message in messages if "_error" in message]
            batch.count(refused[0], len(messages) - taken)

    def _produce_one(self, record: Outgoing, partition: int, batch: _Batch) -> None:
        try:
            self._kafka.produce(
                record.topic,
                record.value,
                record.key,
                partition,
                batch.record,
                headers=list(record.headers),
            )
        except (BufferError, confluent_kafka.KafkaException) as error:
            batch.count(refusal(error), 1)

    async def close(self, *, timeout: float = 10.0) -> None:
        """Waits for what is in flight, at most `timeout` seconds, and stops the thread."""
        await asyncio.to_thread(self._kafka.flush, timeout)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 1.0)


_FRAMING = 1_000
"""Bytes kept for what the protocol puts around a record."""


def size_of(record: Outgoing) -> int:
    """Bytes of a record's key, value and headers."""
    size = len(record.key or b"") + len(record.value or b"")
    if record.headers:
        # Others write headers without a value, and a dead letter keeps them.
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
    return size


def _destination(record: Outgoing) -> tuple[str, int, bool]:
    # -1 is librdkafka's "let the key decide".
    return record.topic, -1 if record.partition is None else record.partition, not record.headers


class _Batch:
    """Counts the acknowledgements of one `send` and wakes it once.

    `record` and `change` are called in the poll thread, `count` in the loop's too: hence the lock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.done: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._left = size
        self._offset = -1
        self._error: DeliveryError | None = None
        self._lock = threading.Lock()

    def record(
        self, error: confluent_kafka.KafkaError | None, _message: confluent_kafka.Message | None
    ) -> None:
        self.count(error, 1)

    def change(
        self, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message
    ) -> None:
        if error is None:
            self._offset = max(self._offset, message.offset())
        self.count(error, 1)

    def count(self, error: confluent_kafka.KafkaError | None, count: int) -> None:
        """Notes the end of `count` records; with `error` they are not written."""
        if error is not None:
            self._error = DeliveryError.of(error)
        with self._lock:
            self._left -= count
            last = self._left == 0
        if last:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():  # the caller was cancelled; the records are what they are
            return
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(self._offset)
