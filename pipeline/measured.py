"""What a process counted itself, told to the audit trail: one small record a second at most."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pipeline import telemetry, topics
from pipeline.domain.events import Audit
from pipeline.domain.tally import Measured
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Outgoing, Sender

log = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two reports. What a killed process had counted since the last one is lost, and
what it counted lies in the window of the report."""


class Reports:
    """Reports `measured` until it is stopped, and a last time then.

    Calls to vendors and requests are too many for an audit record each; how many there were of a
    kind, and how long they took, fits one record whatever their rate.

    Args:
        sender: makes reports durable.
        stage: what kind of process this is.
        life: an id that no other process has ever had.
        now: unix seconds.
        measured: what has been counted.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        sender: Sender,
        *,
        stage: str,
        life: str,
        now: Callable[[], float],
        measured: Measured = telemetry.MEASURED,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sender = sender
        self._stage = stage
        self._life = life
        self._now = now
        self._measured = measured
        self._sleep = sleep
        self._reports = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends with a last report."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.report()

    async def report(self) -> None:
        """Reports what was counted since the last time, if anything was."""
        taken = self._measured.take()
        if not taken:
            return
        self._reports += 1
        id_ = f"{self._stage}-{self._life}"
        audit = Audit(
            stage=self._stage,
            what="measured",
            ingress_id=f"{id_}-{self._reports}",
            measured=taken,
            at=self._now(),
        )
        record = Outgoing(topics.AUDIT.name, id_.encode(), audit.to_bytes())
        try:
            # A report that is under way is finished: cancelled, nobody would know its end.
            await asyncio.shield(self._sender.send([record]))
        except DeliveryError as error:
            self._measured.add(taken)
            log.warning("counts not reported yet", extra={"fields": {"code": error.code}})

    async def _run(self) -> None:
        while True:
            await self._sleep(INTERVAL)
            await self.report()
