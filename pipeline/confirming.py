"""A change on the control topic: told to the logbook at once, acknowledged when all have confirmed it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline import topics
from pipeline.control import Control
from pipeline.domain.control_records import GateRecord, SwitchRecord
from pipeline.domain.events import Audit
from pipeline.domain.modes import ModeRecord
from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Outgoing, Sender

Detail = Mapping[str, str | int | float | bool]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """A change that is durable, and who has confirmed it."""

    epoch: int
    seconds: float
    """From the beginning of the write to the last confirmation, or until patience ended."""
    missing: tuple[str, ...]
    """Live processes that have not confirmed."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether every live process acts on it."""
        return not self.missing


@dataclass(frozen=True)
class Noted:
    """What the logbook says of a change: its subject, how it begins, its record and more."""

    subject: str
    begin: str
    record: ModeRecord | GateRecord | SwitchRecord
    detail: Detail


class Writer(Protocol):
    """The part of a `Follower` that is needed to change what it follows."""

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        """See `Follower.put`."""
        ...

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """See `Follower.wait_until`."""
        ...


class Confirming:
    """Waits for confirmations and keeps the logbook.

    `now` is unix seconds, `monotonic` seconds, `new_id` fresh ids. Make it before `control` hears
    anything: what it tells is stamped by the broker's clock, against which calls are held.
    """

    def __init__(
        self,
        control: Control,
        follower: Writer,
        sender: Sender,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._control = control
        self._follower = follower
        self._sender = sender
        self._now = now
        self._broker_now = BrokerClock(control.view, monotonic=monotonic)
        self._monotonic = monotonic
        self._new_id = new_id

    async def put(self, key: str, noted: Noted, patience: float) -> Written:
        """Writes one record and waits; raises `DeliveryError` when it may not be written."""
        began = self._monotonic()
        epoch = await self._follower.put([(key, noted.record.to_bytes())])
        return await self.confirmed(noted, epoch, began, patience)

    async def confirmed(self, noted: Noted, epoch: int, began: float, patience: float) -> Written:
        """Tells the logbook of a change at once, waits for everybody, and tells how that ended."""
        written = Written(epoch, self._monotonic() - began, ())
        telling = asyncio.create_task(self.tell(noted.begin, noted, written))
        missing = await self.missing(epoch, patience)
        written = Written(epoch, self._monotonic() - began, missing)
        await telling
        end = "acknowledged" if written.is_acknowledged else "unacknowledged"
        await self.tell(end, noted, written)
        return written

    async def missing(self, epoch: int, patience: float) -> tuple[str, ...]:
        """Who has not confirmed after `patience` seconds; nobody as soon as all have."""
        view = self._control.view
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                # Whoever was heard before the change is known once the change itself was read.
                await self._follower.wait_until(
                    lambda: view.position > epoch and not self._control.unconfirmed(epoch)
                )
        if view.position <= epoch:
            return ("(this process cannot read the control topic)",)
        return tuple(self._control.unconfirmed(epoch))

    async def tell(self, end: str, noted: Noted, written: Written) -> None:
        """Tells the logbook where a change stands."""
        detail = {
            **noted.detail,
            "by": noted.record.by,
            "epoch": written.epoch,
            "seconds": round(written.seconds, 6),
            "missing": ",".join(written.missing),
        }
        await tell_logbook(
            self._sender,
            f"{noted.subject}_{end}",
            id_=self._new_id(),
            reason=noted.record.reason,
            detail=detail,
            at=self._moment(written.epoch),
        )

    def _moment(self, epoch: int) -> float:
        """The time now by the broker's clock; by our own where the topic is not read yet.

        Such a change is a stop, and nobody has confirmed it: nothing is held against this moment.
        """
        view = self._control.view
        is_read = view.known_at is not None or view.position > epoch
        return self._broker_now() if is_read else self._now()


async def tell_logbook(
    sender: Sender, what: str, *, id_: str, reason: str | None, detail: Detail, at: float
) -> None:
    """Writes an operator's act to the audit trail; `at` is unix seconds.

    Best effort: no act may fail for its own logbook, and the control topic holds the same words.
    """
    audit = Audit(
        stage="control",
        what=what,
        ingress_id=f"control-{id_}",
        reason=reason,
        detail=dict(detail),
        at=at,
    )
    key = audit.ingress_id.encode()
    try:
        await sender.send([Outgoing(topics.AUDIT.name, key, audit.to_bytes())])
    except DeliveryError as error:
        log.warning("act not audited", extra={"fields": {"what": what, "code": error.code}})
