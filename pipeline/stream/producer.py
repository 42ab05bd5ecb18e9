"""One producer for stages and ingress: librdkafka, idempotent, acks=all, a future per batch.

`Producer.send` returns when the broker has acknowledged every record of the batch, which is the
only moment at which anything may be committed or answered. librdkafka retries below us, in order
and without duplicates, until `delivery_timeout`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import confluent_kafka

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to produce; `partition` None lets the key decide, as Kafka's own clients do."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a record lies."""

    partition: int
    offset: int


class DeliveryError(Exception):
    """Some record of a batch was not acknowledged. `is_retriable` tells whether time may help."""

    def __init__(self, code: str, *, is_retriable: bool) -> None:
        super().__init__(f"the broker did not acknowledge: {code}")
        self.code = code
        self.is_retriable = is_retriable


class Sender(Protocol):
    """Whatever makes records durable; `Producer` in a process, a log in memory in a test."""

    async def send(self, records: Sequence[Outgoing]) -> list[Delivered]:
        """Returns where each record lies once all are acknowledged; see `Producer.send`."""
        ...

    async def close(self) -> None:
        """Waits for what is in flight and lets go."""
        ...


class Producer:
    """An idempotent producer with its own poll thread; use it from one event loop.

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
        config: Mapping[str, object] | None = None,
        on_fatal: Callable[[str], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_fatal = on_fatal
        self._connected = threading.Event()
        self._kafka = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                # The partitioner of Kafka's Java client and of aiokafka: a key must meet the same
                # partition whoever writes it.
                "partitioner": "murmur2_random",
                "linger.ms": linger * 1000,
                "delivery.timeout.ms": int(delivery_timeout * 1000),
                "request.timeout.ms": int(min(delivery_timeout, 30.0) * 1000),
                "queue.buffering.max.messages": 500_000,
                "message.max.bytes": 1_000_000,
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

    async def send(self, records: Sequence[Outgoing]) -> list[Delivered]:
        """Produces `records` and waits for every acknowledgement, in the order given.

        Raises:
            DeliveryError: at least one record was not acknowledged; others may have been.
        """
        if not records:
            return []
        batch = _Batch(self._loop, len(records))
        for index, record in enumerate(records):
            self._produce(record, batch.callback(index))
        return await batch.done

    def _produce(self, record: Outgoing, on_delivery: Callable[..., None]) -> None:
        # -1 is librdkafka's "let the key decide".
        partition = -1 if record.partition is None else record.partition
        try:
            self._kafka.produce(
                record.topic,
                record.value,
                record.key,
                partition,
                on_delivery,
                headers=list(record.headers) or None,
            )
        except BufferError:
            on_delivery(_local_error("_QUEUE_FULL"), None)
        except confluent_kafka.KafkaException as error:
            on_delivery(error.args[0], None)

    async def close(self, *, timeout: float = 10.0) -> None:
        """Waits for what is in flight, at most `timeout` seconds, and stops the thread."""
        await asyncio.to_thread(self._kafka.flush, timeout)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, 1.0)


class _Batch:
    """Counts the acknowledgements of one `send` and wakes it once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.done: asyncio.Future[list[Delivered]] = loop.create_future()
        self._loop = loop
        self._left = size
        self._delivered = [Delivered(-1, -1)] * size
        self._error: DeliveryError | None = None
        self._lock = threading.Lock()

    def callback(self, index: int) -> Callable[..., None]:
        def on_delivery(
            error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message | None
        ) -> None:
            if error is not None:
                self._error = DeliveryError(error.name(), is_retriable=not error.fatal())
            elif message is not None:
                self._delivered[index] = Delivered(message.partition(), message.offset())
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self._loop.call_soon_threadsafe(self._finish)

        return on_delivery

    def _finish(self) -> None:
        if self.done.done():  # the caller was cancelled; the records are what they are
            return
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(self._delivered)


def _local_error(name: str) -> confluent_kafka.KafkaError:
    return confluent_kafka.KafkaError(getattr(confluent_kafka.KafkaError, name))
