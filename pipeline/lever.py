"""Changing what everybody follows: written at once, acknowledged when all live processes confirmed.

One code path for the command line, the control API and whatever lowers a mode by itself: modes,
switches of templates, gates of vendors and what is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import math
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.confirming import Confirming, Detail, Noted, Writer, Written
from pipeline.control import Control
from pipeline.domain.control_records import (
    GATE_PREFIX,
    SHED_PREFIX,
    TEMPLATE_PREFIX,
    GateRecord,
    SwitchRecord,
)
from pipeline.domain.modes import (
    FIRST_MODE,
    GLOBAL,
    MODE_PREFIX,
    Change,
    Mode,
    ModeRecord,
    StepTooBig,
    change,
    mode_key,
    own_mode,
    own_modes,
)
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Sender

log = logging.getLogger(__name__)

PATIENCE = 20.0
"""Seconds to wait for confirmations. One that died a moment ago counts as live until it cannot be
acting any more, which for `act` with its defaults is 15 s."""


class Refused(Exception):
    """A change that may not be made now; nothing was written. `code` is short and stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Answer(Written):
    """A mode that was set."""

    scope: str
    mode: Mode
    was: Mode | None
    """None = not known when it was set, nor after."""


@dataclass(frozen=True)
class Closed(Written):
    """A gate that was closed; `until` is what stands now, unix seconds."""

    until: float


@dataclass(frozen=True)
class Held:
    """A hold of one's own, to be released later."""

    key: str
    record: ModeRecord
    answer: Answer


class Lever:
    """Sets modes, gates and switches. `now` is unix seconds, `monotonic` seconds, `new_id` fresh ids.

    Every method that writes raises `DeliveryError` when the broker did not acknowledge the change;
    whether it is written is not known then.
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
        self._confirming = Confirming(
            control, follower, sender, now=now, monotonic=monotonic, new_id=new_id
        )
        self._now = now
        self._monotonic = monotonic
        self._new_id = new_id

    # -- modes --------------------------------------------------------------------------------

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
        """
        is_known = self._control.is_fresh
        if not is_known and mode is not Mode.STOP:
            raise Refused(
                "unknown_state",
                "the present modes are not known, so nothing but stop is set; "
                "whether they are by now: ./switchboard mode show",
            )
        holds = {key: entry.value for key, entry in self._control.view.items(MODE_PREFIX)}
        record = ModeRecord(mode=mode, reason=reason, by=by, at=self._now())
        what = change(holds if is_known else {}, scope, record, hold=self._new_id())
        if isinstance(what, StepTooBig):
            raise Refused(
                "one_step_at_a_time",
                f"{scope} is at {what.now.value}: raising goes one step at a time, "
                f"{what.next.value} is next: {set_command(what.next, scope, reason)}",
            )
        if is_known:
            return await self._carry_out(what, scope, patience, was=what.was)
        answer = await self._carry_out(what, scope, patience, was=None)
        return dataclasses.replace(answer, was=self._beside(what.key, scope))

    def _beside(self, key: str, scope: str) -> Mode | None:
        """A scope's mode without the hold `key`, None = not known."""
        others = [(other, entry.value) for other, entry in self._control.view.items(MODE_PREFIX)]
        modes = own_modes(hold for hold in others if hold[0] != key)
        return own_mode(modes, scope) if self._control.is_fresh else None

    async def hold(
        self,
        mode: Mode,
        *,
        reason: str,
        by: str,
        patience: float = PATIENCE,
        outlives: bool = True,
    ) -> Held:
        """Holds everything at `mode` or below, beside what others have set, until `release`.

        Unlike `set` it takes nothing away, so its end needs no step by step. It can only lower, so
        it is written whatever is known; the answer's `mode` is what it holds at, and `was` the most
        that it may have been. One that does not outlive its author goes when this call is cancelled
        or not acknowledged, as far as the broker takes that.
        """
        known = self.known_at()
        if known is None or known is FIRST_MODE:
            # Nobody may have set a mode yet: the first hold is then all that counts, and would raise.
            mode = min(mode, FIRST_MODE)
        record = ModeRecord(mode=mode, reason=reason, by=by, at=self._now())
        was = known or Mode.LIVE
        what = Change(mode_key(GLOBAL, self._new_id()), record, (), was)
        try:
            answer = await self._carry_out(what, GLOBAL, patience, was=what.was)
            return Held(what.key, record, answer)
        except (asyncio.CancelledError, DeliveryError):
            if not outlives:
                with contextlib.suppress(DeliveryError):
                    await self._remove([what.key])
            raise

    async def release(self, held: Held, *, patience: float = PATIENCE) -> Answer:
        """Takes one's own hold away; what anybody else has set meanwhile stands."""
        began = self._monotonic()
        epoch = await self._follower.put([(held.key, None)])
        missing = await self._confirming.missing(epoch, patience)
        now, was = self.now_at(), held.record.mode
        answer = Answer(epoch, self._monotonic() - began, missing, GLOBAL, now, was)
        noted = Noted("mode", "released", held.record, _of_mode(GLOBAL, now, was))
        await self._confirming.tell("released", noted, answer)
        return answer

    async def _carry_out(
        self, what: Change, scope: str, patience: float, *, was: Mode | None
    ) -> Answer:
        began = self._monotonic()
        epoch = await self._follower.put([(what.key, what.put.to_bytes())])
        # Not in one go with the new hold: should the broker take the second half alone, a scope
        # would be left without any, which allows everything.
        removing = asyncio.create_task(self._remove(what.remove))
        if what.put.mode > what.was:
            epoch = max(epoch, await removing)
        noted = Noted("mode", "set", what.put, _of_mode(scope, what.put.mode, was))
        written = await self._confirming.confirmed(noted, epoch, began, patience)
        # Going down the new hold alone decides. Nobody waits for what only tidies up behind it.
        try:
            await removing
        except DeliveryError as error:
            log.warning("old holds stay", extra={"fields": {"code": error.code}})
        return Answer(written.epoch, written.seconds, written.missing, scope, what.put.mode, was)

    async def _remove(self, keys: Iterable[str]) -> int:
        gone = [(key, None) for key in keys]
        return await self._follower.put(gone) if gone else -1

    def now_at(self, scope: str = GLOBAL) -> Mode:
        """A scope's own mode as known now; `Mode.STOP` when nothing is."""
        return self._control.own_mode(scope)

    def known_at(self, scope: str = GLOBAL) -> Mode | None:
        """A scope's own mode; None when it is not known now."""
        return self._control.own_mode(scope) if self._control.is_fresh else None

    # -- gates and switches -------------------------------------------------------------------

    async def close_gate(
        self, vendor: str, until: float, *, reason: str, by: str, patience: float = PATIENCE
    ) -> Closed:
        """Closes a vendor's gate until `until`, unix seconds, or later where it already is.

        Raises:
            Refused: that time has passed.
        """
        if until <= self._now():
            raise Refused("has_passed", f"that time has passed; {to_open(vendor)}")
        known = self._control.gate(vendor)
        # A record that cannot be read closes for ever; this one says until when.
        if known is not None and math.isfinite(known.closed_until):
            until = max(until, known.closed_until)
        record = GateRecord(closed_until=until, by=by, reason=reason)
        noted = Noted("gate", "closed", record, {"vendor": vendor, "closed_until": until})
        written = await self._confirming.put(GATE_PREFIX + vendor, noted, patience)
        return Closed(written.epoch, written.seconds, written.missing, until)

    async def open_gate(
        self, vendor: str, *, reason: str, by: str, patience: float = PATIENCE
    ) -> Written:
        """Opens a vendor's gate; one call goes first and tells whether the vendor agrees."""
        record = GateRecord(closed_until=0.0, by=by, reason=reason)
        noted = Noted("gate", "opened", record, {"vendor": vendor})
        return await self._confirming.put(GATE_PREFIX + vendor, noted, patience)

    async def switch_template(
        self, template: str, *, on: bool, reason: str, by: str, patience: float = PATIENCE
    ) -> Written:
        """Turns one template on or off."""
        record = SwitchRecord(on=on, by=by, reason=reason, at=self._now())
        noted = Noted("template", "on" if on else "off", record, {"template": template})
        return await self._confirming.put(TEMPLATE_PREFIX + template, noted, patience)

    async def shed(
        self, what: str, *, on: bool, reason: str, by: str, patience: float = PATIENCE
    ) -> Written:
        """Has an optional kind of call left out while `on`."""
        record = SwitchRecord(on=on, by=by, reason=reason, at=self._now())
        noted = Noted("shed", "on" if on else "off", record, {"shed": what})
        return await self._confirming.put(SHED_PREFIX + what, noted, patience)


def set_command(mode: Mode, scope: str, reason: str) -> str:
    """What sets a scope's mode, to be pasted."""
    where = () if scope == GLOBAL else ("--scope", scope)
    words = ("./switchboard", "mode", "set", mode.value, *where, "--reason", reason)
    return shlex.join(words)


def to_open(vendor: str) -> str:
    """What opens a vendor's gate, to be pasted."""
    return f"to open the gate: ./switchboard limits reset {vendor} --reason 'it is well again'"


def _of_mode(scope: str, mode: Mode, was: Mode | None) -> Detail:
    return {"scope": scope, "mode": mode.value} | ({"was": was.value} if was else {})
