"""What operators and gates have decided, as this process knows it now.

`Control` answers at once from memory, so it can be asked in the very step that begins a call.
What is not known, not readable or not fresh allows nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from pipeline import telemetry, topics
from pipeline.domain.control_records import (
    GATE_PREFIX,
    JOB_PREFIX,
    JOB_STOP_PREFIX,
    OBSERVER_PREFIX,
    PROCESS_PREFIX,
    SHED_PREFIX,
    TEMPLATE_PREFIX,
    UNCONFIRMED,
    GateRecord,
    Heard,
    ProcessRecord,
    SwitchRecord,
    unconfirmed,
)
from pipeline.domain.events import Message, UnreadableValue
from pipeline.domain.modes import (
    GLOBAL,
    MODE_PREFIX,
    SCOPE_KINDS,
    Mode,
    Standing,
    Subject,
    effective,
    own_mode,
    own_modes,
    standing,
)
from pipeline.settings import VERSION
from pipeline.stream.control import Entry, Follower, Update, View
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Sender

STALE_AFTER = 4.5
"""Seconds after which what was known may no longer be acted upon. The promise is that whoever is
cut off has stopped within 5 s; the rest is for the call that begins at the last instant."""

SWEEP_AFTER = 3600.0
"""Seconds; long after the process cannot be acting any more, and as long as people look for it."""

JOBS_KEPT = 30 * 86_400.0
"""Seconds that a job is listed and may be resumed."""

M = TypeVar("M", bound=Message)


class Control:
    """The typed reader over a `View`; `monotonic` gives the seconds that its freshness is in."""

    def __init__(self, view: View, *, monotonic: Callable[[], float]) -> None:
        self.view = view
        self._monotonic = monotonic
        self._modes: dict[str, Mode] = {}
        self._epoch = -1
        self._on_the_wire: Counter[int] = Counter()
        self.on_confirmed: Callable[[], None] = lambda: None
        """Called when `confirmed` has moved."""
        self.url = ""
        """What the signs of life tell of this process, see `ProcessRecord`."""
        self.read: Callable[[], dict[int, int]] = dict
        self.budgets: dict[str, float] = {}
        self.lines: list[Callable[[], int]] = []
        """How many calls wait at each gate of this process."""
        view.on_change("", self._applied)

    def _applied(self, update: Update) -> None:
        if update.key.startswith(UNCONFIRMED):
            return
        if update.key.startswith(MODE_PREFIX):
            self._modes = own_modes(
                (key, entry.value) for key, entry in self.view.items(MODE_PREFIX)
            )
        before = self.confirmed
        self._epoch = update.offset
        if self.confirmed != before:
            self.on_confirmed()

    # -- asked at the last instant ------------------------------------------------------------

    @property
    def is_fresh(self) -> bool:
        """Whether the state was complete at most `STALE_AFTER` seconds ago."""
        return self.view.is_fresh(self._monotonic(), STALE_AFTER)

    def effective(self, subject: Subject) -> Mode:
        """The mode for `subject` now; `Mode.STOP` when the state is not fresh."""
        return effective(self._modes, subject.scopes) if self.is_fresh else Mode.STOP

    def template_is_on(self, template: str) -> bool:
        """Whether a template may be sent; one that nobody has switched is on."""
        key = TEMPLATE_PREFIX + template
        return self.is_fresh and self._switch(key, absent=True, unreadable=False)

    def is_shed(self, what: str) -> bool:
        """Whether an optional kind of call is left out."""
        return not self.is_fresh or self._switch(SHED_PREFIX + what, absent=False, unreadable=True)

    def gate(self, vendor: str) -> GateRecord | None:
        """The last closing of a vendor's gate, which may be over; unreadable = closed for ever."""
        key = GATE_PREFIX + vendor
        if self.view.get(key) is None:
            return None
        return self._read(key, GateRecord) or GateRecord(
            closed_until=math.inf, by="unknown", reason="unreadable record"
        )

    def _switch(self, key: str, *, absent: bool, unreadable: bool) -> bool:
        if self.view.get(key) is None:
            return absent
        record = self._read(key, SwitchRecord)
        return unreadable if record is None else record.on

    def _read(self, key: str, model: type[M]) -> M | None:
        entry = self.view.get(key)
        try:
            return None if entry is None else model.parse(entry.value)
        except UnreadableValue:
            return None

    def own_mode(self, scope: str) -> Mode:
        """The mode of one scope alone; `Mode.STOP` when the state is not fresh."""
        return own_mode(self._modes, scope) if self.is_fresh else Mode.STOP

    def standing(self, *, unset_since: float) -> dict[str, Standing] | None:
        """Scope -> its own mode and since when, by the broker's clock; None when the state is not fresh.

        See `pipeline.domain.modes.standing`.
        """
        if not self.is_fresh:
            return None
        there = self.view.items(MODE_PREFIX)
        holds = ((key, entry.value, entry.at) for key, entry in there)
        return standing(holds, unset_since=unset_since)

    def lowest(self, kind: str) -> Mode:
        """The lowest effective mode of any scope of a kind (`GLOBAL` or one of `SCOPE_KINDS`)."""
        scopes = (scope for scope in self._modes if scope.startswith(f"{kind}="))
        return effective(self._modes, scopes) if self.is_fresh else Mode.STOP

    # -- confirmation -------------------------------------------------------------------------

    @contextmanager
    def on_the_wire(self) -> Iterator[None]:
        """Around a call that a mode allows; entered in the same step that asked for the mode.

        While it lasts, no change after its beginning counts as confirmed by this process.
        """
        began = self._epoch
        self._on_the_wire[began] += 1
        try:
            yield
        finally:
            before = self.confirmed
            self._on_the_wire[began] -= 1
            self._on_the_wire += Counter()  # drops what has reached zero
            if self.confirmed != before:
                self.on_confirmed()

    @property
    def epoch(self) -> int:
        """The offset of the last change that is applied here; -1 before the first."""
        return self._epoch

    @property
    def confirmed(self) -> int:
        """The epoch that is applied here and that no call on the wire began before."""
        return min(self._on_the_wire, default=self._epoch)

    # -- the others ---------------------------------------------------------------------------

    def processes(self) -> list[Heard]:
        """Every process that must confirm changes, dead ones included until they are swept."""
        return [Heard(record, entry.at) for record, entry in self._signs()]

    def _signs(self) -> Iterator[tuple[ProcessRecord, Entry]]:
        for key, entry in self.view.items(PROCESS_PREFIX):
            record = self._read(key, ProcessRecord)
            # One that cannot be read is not known to have confirmed anything.
            silent = ProcessRecord(name=key, confirmed=-1, silent_after=60.0)
            yield record or silent, entry

    def swept(self) -> list[str]:
        """Keys of processes and observers silent for `SWEEP_AFTER`, of jobs untouched for `JOBS_KEPT`.

        Who is killed leaves its sign of life behind; somebody has to take it away, or a topic
        that keeps every key would grow with every crash.
        """
        lives = {PROCESS_PREFIX: SWEEP_AFTER, OBSERVER_PREFIX: SWEEP_AFTER}
        lives |= {JOB_PREFIX: JOBS_KEPT, JOB_STOP_PREFIX: JOBS_KEPT}
        return [
            key
            for prefix, kept in lives.items()
            for key, entry in self.view.items(prefix)
            if self.view.broker_time - entry.at > kept
        ]

    def unconfirmed(self, epoch: int) -> list[str]:
        """Names of live processes that have not confirmed `epoch`.

        Held against `View.ticks`: a step of the broker's clock confirms nothing.
        """
        signs = (Heard(record, entry.ticks) for record, entry in self._signs())
        return unconfirmed(signs, epoch, now=self.view.ticks)


def show_modes(control: Control) -> None:
    """Has `switchboard_mode` tell what `control` knows whenever Prometheus asks."""

    def is_now(kind: str, mode: Mode) -> float:
        return float(control.lowest(kind) is mode)

    for kind in (GLOBAL, *SCOPE_KINDS):
        for mode in Mode:
            telemetry.MODE.labels(kind, mode.value).set_function(partial(is_now, kind, mode))


async def sweep(control: Control, follower: Follower) -> None:
    """Takes away what the long dead left behind; best effort."""
    dead = control.swept()
    with contextlib.suppress(DeliveryError):
        await follower.put([(key, None) for key in dead])


def follow(
    bootstrap_servers: str,
    sender: Sender,
    *,
    name: str,
    life: str,
    longest_call: float = 0.0,
    is_observer: bool = False,
    monotonic: Callable[[], float],
    on_crash: Crash,
) -> tuple[Control, Follower]:
    """A process's control and the follower that feeds it; start and stop the follower.

    Args:
        bootstrap_servers: of the broker.
        sender: makes the signs of life durable.
        name: kind and instance, for people.
        life: an id that no other process has ever had.
        longest_call: seconds that a call begun under a mode may last.
        is_observer: does nothing that a mode forbids, so nobody waits for it.
        monotonic: seconds.
        on_crash: told what only a fresh start mends.
    """
    view = View()
    control = Control(view, monotonic=monotonic)
    show_modes(control)

    def beat() -> bytes:
        return ProcessRecord(
            name=name,
            confirmed=control.confirmed,
            silent_after=STALE_AFTER + longest_call,
            version=VERSION,
            url=control.url,
            read=control.read(),
            budgets=control.budgets,
            in_line=sum(line() for line in control.lines),
        ).to_bytes()

    follower = Follower(
        bootstrap_servers,
        topics.CONTROL.name,
        view=view,
        sender=sender,
        key=OBSERVER_PREFIX + life if is_observer else f"{PROCESS_PREFIX}{name}/{life}",
        beat=beat,
        monotonic=monotonic,
        on_crash=on_crash,
    )
    control.on_confirmed = follower.beat_soon
    return control, follower
