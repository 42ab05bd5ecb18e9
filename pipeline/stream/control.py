"""Following a small compacted topic: every key's last value, and how old that knowledge is.

A process that is cut off cannot learn that it is; it can only know when it last was not. So the
follower writes a record of its own to the topic every second. Once it has read back a record
that it began to write at `t`, it has read everything that anybody had written before `t`: its
state is known as of `t`, whatever the broker, the network or its own event loop did meanwhile.
The same record is the process's sign of life for everybody else.

Nothing here imports Faust: ingress follows too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from pipeline.stream.cluster import aiokafka
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Changes, Outgoing, Sender

log = logging.getLogger(__name__)

BEAT = 1.0
"""Seconds between two signs of life."""
LONGEST_GAP = 2.0
"""Seconds of the broker's clock that count between two records. The reader itself writes one each
`BEAT`, so a longer gap is a clock that was set or a broker that was away, and no silence."""
_RETRY = 0.5


class TopicMadeAnew(Exception):
    """The topic lost what it held, so nothing that was read from it counts any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's last value: where it lies, and the broker's time of it in seconds.

    `ticks` is the same moment on `View.ticks`.
    """

    value: bytes
    offset: int
    at: float
    ticks: float


@dataclass(frozen=True, slots=True)
class Update:
    """One record of the topic as it is applied; a `value` of None removes the key."""

    key: str
    value: bytes | None
    offset: int
    at: float


Callback = Callable[[Update], None]


class View:
    """The state, with the moment as of which it is known; no Kafka in here."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._callbacks: list[tuple[str, Callback]] = []
        self._beats: list[tuple[int, float]] = []
        self.position = 0
        """One above the last offset applied."""
        self.known_at: float | None = None
        """Monotonic seconds as of which everything written is known; None before the first time."""
        self.broker_time = 0.0
        """What the broker put on the last record, unix seconds. Not the maximum: behind a leader
        whose clock is late, every living process would look silent for good."""
        self.ticks = 0.0
        """Seconds by the broker's clock with its steps left out, see `LONGEST_GAP`: behind a clock
        that is set forward nobody looks silent who is not."""

    def get(self, key: str) -> Entry | None:
        """A key's last value."""
        return self._entries.get(key)

    def items(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Every key that begins with `prefix`."""
        return ((key, entry) for key, entry in self._entries.items() if key.startswith(prefix))

    def on_change(self, prefix: str, callback: Callback) -> None:
        """Has `callback` called for every record below `prefix`, the first reading included.

        It runs right after the record is applied, in the reader's own step: keep it short.
        """
        self._callbacks.append((prefix, callback))

    def is_fresh(self, now: float, limit: float) -> bool:
        """Whether the state is known as of at most `limit` seconds before `now` (monotonic)."""
        return self.known_at is not None and now - self.known_at <= limit

    def apply(self, updates: Iterable[Update]) -> None:
        """Takes records in offset order."""
        for update in updates:
            self.ticks += min(max(update.at - self.broker_time, 0.0), LONGEST_GAP)
            if update.value is None:
                self._entries.pop(update.key, None)
            else:
                entry = Entry(update.value, update.offset, update.at, self.ticks)
                self._entries[update.key] = entry
            self.position = update.offset + 1
            self.broker_time = update.at
            for prefix, callback in self._callbacks:
                if update.key.startswith(prefix):
                    callback(update)
        self._settle()

    def written(self, offset: int, began: float) -> None:
        """An own record, begun at monotonic `began`, is acknowledged and lies at `offset`."""
        self._beats.append((offset, began))
        self._settle()

    def _settle(self) -> None:
        back = [began for offset, began in self._beats if offset < self.position]
        if back:
            self._beats = [beat for beat in self._beats if beat[0] >= self.position]
            self.known_at = max(back) if self.known_at is None else max(self.known_at, *back)


class Follower:
    """Reads one partition into `view` and writes the signs of life; `monotonic` gives seconds.

    Args:
        key: where the signs of life go; nobody else may write there.
        beat: the value of the next one.
        on_crash: told what only a fresh start mends, such as a topic that was made anew.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        view: View,
        sender: Sender,
        key: str,
        beat: Callable[[], bytes],
        monotonic: Callable[[], float],
        on_crash: Crash,
    ) -> None:
        self._bootstrap = bootstrap_servers
        self._where = TopicPartition(topic, 0)
        self.view = view
        self._sender = sender
        self._key = key
        self._beat = beat
        self._monotonic = monotonic
        self._on_crash = on_crash
        self._due = asyncio.Event()
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._consumer: Any = None

    async def start(self) -> None:
        """Begins to follow; `wait_known` tells when the state is there.

        Raises:
            KafkaError: no broker answers.
        """
        self._consumer = AIOKafkaConsumer(
            **aiokafka(self._bootstrap),
            client_id=f"follower-{self._key}",
            group_id=None,
            enable_auto_commit=False,
            # A position that the topic does not have any more must be an error, never a silent
            # jump: the state in hand would mix two topics.
            auto_offset_reset="none",
            request_timeout_ms=10_000,
        )
        await self._consumer.start()
        self._consumer.assign([self._where])
        await self._consumer.seek_to_beginning(self._where)
        loops = (self._read_forever(), self._beat_forever())
        self._tasks = [asyncio.create_task(self._guarded(loop)) for loop in loops]

    async def _guarded(self, loop: Any) -> None:
        try:
            await loop
        except Exception as error:  # noqa: BLE001 - a dead follower must never look like a quiet one
            self._on_crash("control follower", error)

    async def stop(self) -> None:
        """Takes the sign of life away and ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(DeliveryError):
            await self._sender.send([self._record(self._key, None)])
        if self._consumer is not None:
            await self._consumer.stop()

    def beat_soon(self) -> None:
        """Has the next sign of life written at once."""
        self._due.set()

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Returns when `holds`, which is asked again after everything that is read."""
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    async def wait_known(self) -> None:
        """Returns when the state is known for the first time."""
        await self.wait_until(lambda: self.view.known_at is not None)

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        """Writes keys in the order given (None removes one); the offset of the last.

        Raises:
            DeliveryError: the broker did not acknowledge all of them; some may be written.
        """
        rows = {key.encode(): value for key, value in entries}
        where = self._where
        return await self._sender.send((), Changes(where.topic, where.partition, rows))

    def _record(self, key: str, value: bytes | None) -> Outgoing:
        return Outgoing(self._where.topic, key.encode(), value, (), self._where.partition)

    async def _read_forever(self) -> None:
        while True:
            try:
                fetched = await self._consumer.getmany(self._where, timeout_ms=1000)
            except OffsetOutOfRangeError:
                raise TopicMadeAnew(self._where.topic) from None
            except KafkaError as error:
                # Whatever it is, silence goes stale by itself and stops what hangs on the state.
                log.warning(
                    "control topic unreadable", extra={"fields": {"code": type(error).__name__}}
                )
                await asyncio.sleep(_RETRY)
                continue
            self.view.apply(
                Update(
                    (record.key or b"").decode("utf-8", "replace"),
                    record.value,
                    record.offset,
                    record.timestamp / 1000,
                )
                for record in fetched.get(self._where, ())
            )
            self._moved.set()

    async def _beat_forever(self) -> None:
        while True:
            self._due.clear()
            began, position = self._monotonic(), self.view.position
            try:
                offset = await self.put([(self._key, self._beat())])
            except DeliveryError as error:
                log.warning("no sign of life", extra={"fields": {"code": error.code}})
                await asyncio.sleep(_RETRY)
                continue
            if offset < position:
                raise TopicMadeAnew(self._where.topic)
            self.view.written(offset, began)
            self._moved.set()
            # Not wait_for, which in 3.11 may swallow a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._due.wait()
