"""Telling the sinks: each notice to each of them, tried again until it arrives or is given up.

What is still to be told stands on the topic of alerts. A sink may get a notice again, under the same
id, when a worker dies between a post and the note of it. What was given up is counted until the sink
takes one again, and goes into the worker's signs of life: a notice that is lost must not be silent too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agents.alert_sinks import Sink, SinkFailed
from pipeline import telemetry
from pipeline.alert_board import AlertBoard
from pipeline.domain.notices import ALONE, Delivery, GivenUp, Notice, failed, given_up
from pipeline.stream.control import Follower
from pipeline.stream.delivery import DeliveryError

log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at what is due."""

Rows = dict[str, bytes | None]
"""Key -> value on the topic of alerts; None deletes."""


@dataclass
class Telling:
    """What one worker tells; `now` gives unix seconds, `uniform` draws the jitter of retries."""

    board: AlertBoard
    follower: Follower
    sinks: Sequence[Sink]
    now: Callable[[], float]
    uniform: Callable[[float, float], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _sent: set[tuple[str, int]] = field(default_factory=set)
    _unwritten: Rows = field(default_factory=dict)
    """What has become of deliveries and could not be made durable yet."""
    _alone_until: dict[str, float] = field(default_factory=dict)
    """Unix seconds until which a sink gets nothing, because it has asked for it."""
    _given_up: dict[str, GivenUp] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_sink = {sink.name: sink for sink in self.sinks}

    @property
    def given_up(self) -> tuple[GivenUp, ...]:
        """What sinks were never told, since `run` began and since the last that each was told."""
        return tuple(self._given_up.values())

    def rows(self, notice: Notice, now: float) -> Rows:
        """What to write so that `notice` goes to every sink from `now` on."""
        deliveries = [Delivery(notice=notice, sink=each.name, next_at=now) for each in self.sinks]
        return {each.key: each.to_bytes() for each in deliveries}

    async def run(self) -> None:
        """Tells what is due, for ever."""
        # Another may have told since; what it wrote counts.
        self._sent.clear()
        self._unwritten.clear()
        self._alone_until.clear()
        self._given_up.clear()
        while True:
            try:
                await self.tell()
            except DeliveryError as error:
                log.warning("deliveries not noted", extra={"fields": {"code": error.code}})
            except Exception as error:
                # Nobody waits for this task: what ended it would end all telling without a word.
                log.exception("not told", extra={"fields": {"type": type(error).__name__}})
            await self.sleep(EVERY)

    async def tell(self) -> None:
        """Sends what is due to its sink, each once for as long as this worker speaks."""
        if self._unwritten:
            await self._write(dict(self._unwritten))
        deliveries = self.board.deliveries()
        telemetry.NOTICES_WAITING.set(len(deliveries))
        ready = [
            each
            for each in deliveries
            if each.next_at <= self.now() and (each.key, each.tries) not in self._sent
        ]
        for delivery in ready:
            self._sent.add((delivery.key, delivery.tries))
        await asyncio.gather(*map(self._deliver, ready))

    async def _deliver(self, delivery: Delivery) -> None:
        after, outcome = await self._sent_to_sink(delivery)
        telemetry.NOTICES.labels(delivery.sink, outcome).inc()
        rows: Rows = {delivery.key: None if after is None else after.to_bytes()}
        self._unwritten |= rows
        await self._write(rows)

    async def _write(self, rows: Rows) -> None:
        await self.follower.put(rows.items())
        for key in rows:
            self._unwritten.pop(key, None)

    async def _sent_to_sink(self, delivery: Delivery) -> tuple[Delivery | None, str]:
        """What is left to do about a delivery, and how this try ended."""
        sink = self._by_sink.get(delivery.sink)
        if sink is None:
            # Of the settings of another worker, or of an earlier start: nothing of this one is broken.
            return self._lost(delivery, "not_set")
        if self.now() < self._alone_until.get(sink.name, 0.0):
            return self._lost(delivery, "left_alone")
        try:
            await sink.send(delivery.notice)
        except SinkFailed as error:
            return self._not_arrived(delivery, error)
        except Exception as error:  # noqa: BLE001 - whatever one sink comes to, the others are told
            return self._not_arrived(delivery, SinkFailed(type(error).__name__))
        self._given_up.pop(sink.name, None)
        return None, "delivered"

    def _not_arrived(self, delivery: Delivery, error: SinkFailed) -> tuple[Delivery | None, str]:
        fields = {"sink": delivery.sink, "code": error.code, "tries": delivery.tries + 1}
        log.warning("a notice did not arrive", extra={"fields": fields})
        if error.for_good:
            self._alone_until[delivery.sink] = self.now() + ALONE
            return self._lost(delivery, error.code)
        after = failed(delivery, now=self.now(), uniform=self.uniform)
        return self._lost(delivery, error.code) if after is None else (after, "failed")

    def _lost(self, delivery: Delivery, code: str) -> tuple[None, str]:
        fields = {"sink": delivery.sink, "code": code, "rule": delivery.notice.rule}
        log.warning("a notice is given up", extra={"fields": fields})
        if delivery.sink in self._by_sink:
            before = self._given_up.get(delivery.sink)
            self._given_up[delivery.sink] = given_up(before, delivery, code, now=self.now())
        return None, "given_up"
