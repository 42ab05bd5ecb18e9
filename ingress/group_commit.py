"""Webhooks that arrive together go to the broker together.

A lone webhook leaves at once. Under load one group is on its way while the next gathers, so the
cost of a group is shared by the more webhooks the more there are, and nobody ever waits for a
window of time to end.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Outgoing, Sender

IN_FLIGHT = 2
"""Groups on their way at once: one waits for the disk while the other is on the wire. More would
only make them smaller."""


@dataclass(slots=True)
class _Group:
    """Records that leave together, and who waits for each."""

    expiry: asyncio.TimerHandle | None = None
    records: list[Outgoing] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def end(self, error: Exception | None) -> None:
        """Tells everybody who still waits."""
        if self.expiry is not None:
            self.expiry.cancel()
        for future in self.waiting:
            if future.done():  # its request was given up, or told that the time is over
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class GroupCommit:
    """Makes records durable, those of one turn of the event loop in one `Sender.send`.

    Weakness: a group shares its fate. When one record is not acknowledged, none of its group is
    called durable, though some may be.
    """

    def __init__(self, producer: Sender, *, timeout: float) -> None:
        self._producer = producer
        self._timeout = timeout
        self._gathering: _Group | None = None
        self._in_flight = 0
        self._is_due = False
        self._flights: set[asyncio.Task[None]] = set()

    async def send(self, record: Outgoing) -> None:
        """Returns when `record` is acknowledged.

        Raises:
            DeliveryError: something of its group was not acknowledged.
            TimeoutError: nothing was heard within `timeout` seconds from the group's first record.
        """
        loop = asyncio.get_running_loop()
        group = self._gathering
        if group is None:
            group = self._gathering = _Group()
            # From here and not from its leaving: groups ahead without an answer are part of the
            # wait.
            group.expiry = loop.call_later(self._timeout, self._expire, group)
        durable: asyncio.Future[None] = loop.create_future()
        group.records.append(record)
        group.waiting.append(durable)
        if self._in_flight < IN_FLIGHT and not self._is_due:
            self._is_due = True
            # After the other requests that this turn of the loop has read.
            loop.call_soon(self._leave)
        await durable

    def _leave(self) -> None:
        self._is_due = False
        group, self._gathering = self._gathering, None
        if group is not None:
            self._in_flight += 1
            flight = asyncio.get_running_loop().create_task(self._fly(group))
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)

    async def _fly(self, group: _Group) -> None:
        try:
            await self._producer.send(group.records)
        except DeliveryError as error:
            group.end(error)
        else:
            group.end(None)
        finally:
            self._in_flight -= 1
            self._leave()

    def _expire(self, group: _Group) -> None:
        if group is self._gathering:
            self._gathering = None  # never sent; its senders are told so and send again
        group.end(TimeoutError())
