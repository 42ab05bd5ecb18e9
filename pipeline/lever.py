"""Changing a mode: written at once, acknowledged when every live process has confirmed it.

One code path for the command line, the control API and whatever lowers a mode by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline import topics
from pipeline.control import Control
from pipeline.domain.control_records import TEMPLATE_PREFIX, SwitchRecord
from pipeline.domain.events import Audit
from pipeline.domain.modes import (
    GLOBAL,
    MODE_PREFIX,
    Change,
    Mode,
    ModeRecord,
    StepTooBig,
    change,
    mode_key,
)
from pipeline.stream.producer import DeliveryError, Outgoing, Sender

Detail = dict[str, str | int | float | bool]

log = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds to wait for confirmations. One that died a moment ago counts as live until it cannot be
acting any more, which for `act` with its defaults is 15 s."""


class Refused(Exception):
    """A mode that may not be set now; nothing was written. `code` is short and stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """A change that is durable, and who has confirmed it."""

    scope: str
    mode: Mode
    was: Mode
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
class Held:
    """A hold of one's own, to be released later."""

    key: str
    record: ModeRecord
    answer: Answer


class Writer(Protocol):
    """The part of a `Follower` that a lever needs."""

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        """See `Follower.put`."""
        ...

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """See `Follower.wait_until`."""
        ...


class Lever:
    """Sets modes. `now` is unix seconds, `monotonic` seconds, `new_id` fresh ids."""

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
        self._monotonic = monotonic
        self._new_id = new_id

    async def set(
        self,
        mode: Mode,
        *,
        scope: str = GLOBAL,
        reason: str,
        by: str,
        patience: float = PATIENCE,
    ) -> Answer:
        """Sets one scope's own mode: any way down at once, up by one step.

        `Mode.STOP` is written even when this process does not know the present state: nothing
        that is written there can allow more.

        Raises:
            Refused: more than one step up, or the state is not known.
            DeliveryError: the broker did not acknowledge the change; whether it is written is
                not known.
        """
        is_known = self._control.is_fresh
        if not is_known and mode is not Mode.STOP:
            raise Refused("unknown_state", "the present modes are not known: try again")
        holds = {key: entry.value for key, entry in self._control.view.items(MODE_PREFIX)}
        record = ModeRecord(mode=mode, reason=reason, by=by, at=self._now())
        what = change(holds if is_known else {}, scope, record, hold=self._new_id())
        if isinstance(what, StepTooBig):
            raise Refused(
                "one_step_at_a_time",
                f"{scope} is at {what.now.value}: raising goes one step at a time, "
                f"{what.next.value} is next",
            )
        return await self._carry_out(what, scope, patience, removal_counts=mode > what.was)

    async def hold(self, mode: Mode, *, reason: str, by: str, patience: float = PATIENCE) -> Held:
        """Holds everything at `mode` or below, beside what others have set, until `release`.

        Unlike `set` it takes nothing away, so its end needs no step by step.

        Raises:
            DeliveryError: as for `set`.
        """
        record = ModeRecord(mode=mode, reason=reason, by=by, at=self._now())
        what = Change(mode_key(GLOBAL, self._new_id()), record, (), self.now_at())
        answer = await self._carry_out(what, GLOBAL, patience, removal_counts=False)
        return Held(what.key, record, answer)

    async def release(self, held: Held, *, patience: float = PATIENCE) -> Answer:
        """Takes one's own hold away; what anybody else has set meanwhile stands.

        Raises:
            DeliveryError: the broker did not acknowledge; the hold may still be there.
        """
        began = self._monotonic()
        epoch = await self._follower.put([(held.key, None)])
        missing = await self._confirmations(epoch, patience)
        answer = Answer(
            GLOBAL, self.now_at(), held.record.mode, epoch, self._monotonic() - began, missing
        )
        await self._audit("mode_released", held.record, answer)
        return answer

    async def _carry_out(
        self, what: Change, scope: str, patience: float, *, removal_counts: bool
    ) -> Answer:
        began = self._monotonic()
        epoch = await self._follower.put([(what.key, what.put.to_bytes())])
        # Not in one go with the new hold: should the broker take the second half alone, a scope
        # would be left without any, which allows everything.
        try:
            if what.remove:
                epoch = await self._follower.put([(key, None) for key in what.remove])
        except DeliveryError as error:
            if removal_counts:
                raise
            log.warning("old holds stay", extra={"fields": {"code": error.code}})
        written = Answer(scope, what.put.mode, what.was, epoch, self._monotonic() - began, ())
        audit = asyncio.create_task(self._audit("mode_set", what.put, written))
        missing = await self._confirmations(epoch, patience)
        answer = replace(written, seconds=self._monotonic() - began, missing=missing)
        ended = "mode_acknowledged" if answer.is_acknowledged else "mode_unacknowledged"
        await audit
        await self._audit(ended, what.put, answer)
        return answer

    async def switch_template(
        self, template: str, *, on: bool, reason: str, by: str, patience: float = PATIENCE
    ) -> tuple[str, ...]:
        """Turns one template on or off; the live processes that have not confirmed.

        Raises:
            DeliveryError: the broker did not acknowledge the switch.
        """
        record = SwitchRecord(on=on, by=by, reason=reason, at=self._now())
        began = self._monotonic()
        epoch = await self._follower.put([(TEMPLATE_PREFIX + template, record.to_bytes())])
        missing = await self._confirmations(epoch, patience)
        detail: Detail = {"template": template, "by": by, "epoch": epoch}
        detail |= {
            "seconds": round(self._monotonic() - began, 6),
            "missing": ",".join(missing),
        }
        await self._record(f"template_{'on' if on else 'off'}", reason, detail)
        return missing

    def now_at(self, scope: str = GLOBAL) -> Mode:
        """A scope's own mode as known now; `Mode.STOP` when nothing is."""
        return self._control.own_mode(scope)

    async def _confirmations(self, epoch: int, patience: float) -> tuple[str, ...]:
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

    async def _audit(self, what: str, record: ModeRecord, answer: Answer) -> None:
        detail: Detail = {
            "scope": answer.scope,
            "mode": answer.mode.value,
            "was": answer.was.value,
            "by": record.by,
            "epoch": answer.epoch,
            "seconds": round(answer.seconds, 6),
            "missing": ",".join(answer.missing),
        }
        await self._record(what, record.reason, detail)

    async def _record(self, what: str, reason: str, detail: Detail) -> None:
        audit = Audit(
            stage="control",
            what=what,
            ingress_id=f"control-{self._new_id()}",
            reason=reason,
            detail=detail,
            at=self._now(),
        )
        key = audit.ingress_id.encode()
        try:
            await self._sender.send([Outgoing(topics.AUDIT.name, key, audit.to_bytes())])
        except DeliveryError as error:
            # The lever must not fail for its own logbook: the control topic holds the same words.
            log.warning("mode not audited", extra={"fields": {"code": error.code}})
