"""The alerts of one `observe` worker: judged every two seconds where audit partition 0 is held.

One worker speaks, the one that owns partition 0 of the audit topic. What fires, what was told and
what must still be told stands on the topic of alerts, so the next owner goes on from there: an
open alert is not forgotten and nobody is told of it twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from agents.alert_facts import FactsReader
from agents.audit_reader import AuditReader
from agents.telling import Rows, Telling
from pipeline import telemetry
from pipeline.alert_board import BUDGET_PREFIX, AlertBoard, Judgement, alert_key
from pipeline.domain.alerts import (
    AlertState,
    Phase,
    Rule,
    budget_steps,
    due,
    is_worse,
    is_worth_keeping,
    pulled,
    step,
    to_pull,
)
from pipeline.domain.incidents import BY_ALERTS, Entry, Incident, Kind, entries_for_firing, fold
from pipeline.domain.modes import GLOBAL, Mode
from pipeline.domain.notices import notice_of, notice_of_budget
from pipeline.domain.signals import Facts, values_of
from pipeline.lever import Lever
from pipeline.stream.control import Follower
from pipeline.stream.delivery import DeliveryError

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between two judgements."""
LEVER_PATIENCE = 5.0
"""Seconds to wait for confirmations of a lowered mode; the next judgement waits as long."""


@dataclass
class Alerting:
    """Judges, writes down, lowers the mode, and has it told.

    `is_speaker` says whether this worker holds audit partition 0 now; `now` gives unix seconds,
    `monotonic` seconds.
    """

    rules: Sequence[Rule]
    board: AlertBoard
    follower: Follower
    facts: FactsReader
    trail: AuditReader
    lever: Lever
    telling: Telling
    runbook: str
    is_speaker: Callable[[], bool]
    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    states: dict[str, AlertState] = field(default_factory=dict)
    judged: Judgement = field(default_factory=Judgement)
    """The last judgement, which goes into this worker's signs of life."""
    _incidents: dict[str, Incident] = field(default_factory=dict)
    _shown: dict[str, AlertState] = field(default_factory=dict)
    _unwritten: Rows = field(default_factory=dict)
    """What was said of a lever that was pulled, and could not be made durable yet."""
    _task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._by_name = {rule.name: rule for rule in self.rules}

    async def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.trail.stop)

    async def _run(self) -> None:
        while True:
            if self.is_speaker():
                await self._speak()
            await self.sleep(EVERY)

    async def _speak(self) -> None:
        """For as long as this worker is the one: judges and tells."""
        since = self.monotonic()
        self.facts.watching_since = self.now()
        self.trail.start()
        log.info("this worker judges the alerts")
        try:
            # All that the last speaker wrote is read once a record of our own has come back.
            await self.follower.wait_until(
                lambda: (self.board.view.known_at or 0.0) > since or not self.is_speaker()
            )
            self.states = self.board.states()
            self._unwritten.clear()
            telling = asyncio.create_task(self.telling.run())
            try:
                while self.is_speaker():
                    await self._judged()
                    await self.sleep(EVERY)
            finally:
                telling.cancel()
        finally:
            _say_nothing()
            await asyncio.to_thread(self.trail.stop)

    async def _judged(self) -> None:
        try:
            facts, used = await self.facts.look()
            await self.judge(facts, used)
        except DeliveryError as error:
            log.warning("alerts not written", extra={"fields": {"code": error.code}})
        except Exception as error:
            # A rule that cannot be asked must not silence all the others for good.
            log.exception("alerts not judged", extra={"fields": {"type": type(error).__name__}})

    # -- judging ------------------------------------------------------------------------------

    async def judge(self, facts: Facts, used: dict[str, float]) -> None:
        """One judgement: what changed is durable before it is acted upon.

        Raises:
            DeliveryError: it is not durable; the next judgement comes to the same.
        """
        now = facts.now
        values = values_of(self.rules, facts)
        after = step(self.rules, self.states, values, now=now)
        self._incidents, self._shown = self.board.incidents(), self.board.states()
        rows: Rows = dict(self._unwritten)
        for id_, state in after.items():
            after[id_] = self._written(self.states.get(id_), state, rows, now)
        self._budget(used, rows, now)
        if rows:
            await self.follower.put(rows.items())
            self._unwritten.clear()
        self.states = after
        unknown = tuple(sorted(set(self._by_name) - set(values)))
        self.judged = Judgement(at=now, unknown=unknown, given_up=self.telling.given_up)
        self._show(facts)
        await self._pull_levers(now)

    def _written(
        self, before: AlertState | None, state: AlertState, rows: Rows, now: float
    ) -> AlertState:
        """The alert with its incident and what was told of it; puts into `rows` what to write."""
        was_firing = before is not None and before.phase is Phase.FIRING
        rule = self._by_name.get(state.rule)
        if state.phase is Phase.FIRING and rule is not None:
            is_new = before is None or before.fired_at != state.fired_at
            if is_new:
                entries = entries_for_firing(state, rule.title, self._incidents, at=now)
                self._note(entries, rows)
                state = state.model_copy(update={"incident": entries[-1].incident})
        elif was_firing and state.incident is not None:
            self._note([self._entry(state, Kind.ALERT_CLOSED, now)], rows)
        acknowledged = {id_ for id_, each in self._incidents.items() if each.is_attended}
        telling = due(before, state, now=now, acknowledged=acknowledged)
        if telling is not None and rule is not None:
            rows |= self.telling.rows(notice_of(telling, rule, at=now, runbook=self.runbook), now)
            state = telling.after
        if is_worth_keeping(before, state) or is_worse(self._shown.get(state.id), state):
            rows[alert_key(state)] = state.to_bytes()
        return state

    def _entry(self, state: AlertState, kind: Kind, now: float, text: str = "") -> Entry:
        return Entry(
            incident=state.incident or "",
            kind=kind,
            at=now,
            by=BY_ALERTS,
            severity=state.severity,
            alert=state.id,
            text=text or f"{state.worst:.4g} at its worst",
        )

    def _note(self, entries: Sequence[Entry], rows: Rows) -> None:
        """Adds entries, and lets the other alerts of this judgement see them."""
        rows |= {entry.key: entry.to_bytes() for entry in entries}
        known = [each for incident in self._incidents.values() for each in incident.entries]
        self._incidents = fold([*known, *entries])

    def _budget(self, used: dict[str, float], rows: Rows, now: float) -> None:
        uses, states = budget_steps(used, self.board.budgets(), now=now)
        for use in uses:
            rows |= self.telling.rows(notice_of_budget(use, at=now, runbook=self.runbook), now)
        rows |= {f"{BUDGET_PREFIX}{vendor}": each.to_bytes() for vendor, each in states.items()}

    def _show(self, facts: Facts) -> None:
        telemetry.ALERTS_FIRING.clear()
        for state in self.states.values():
            if state.phase is Phase.FIRING:
                labels = (state.rule, state.group, state.severity.value)
                telemetry.ALERTS_FIRING.labels(*labels).set(1)
        telemetry.ALERTS_EVALUATED.set(facts.now)
        if facts.broken is not None:
            telemetry.WITHOUT_OUTCOME.set(facts.broken.without_outcome)
            telemetry.REPLIES_UNKNOWN.set(facts.broken.unknown_replies)
            telemetry.SENT_TWICE.set(facts.broken.double_sends)
            telemetry.MODE_VIOLATIONS.set(facts.broken.mode_violations)

    async def _pull_levers(self, now: float) -> None:
        for id_, state in list(self.states.items()):
            mode = to_pull(self._by_name, state)
            if mode is None:
                continue
            was = self.lever.known_at(GLOBAL)
            after = pulled(state, now=now, lowers=was is None or was > mode)
            if after.pulled_at != state.pulled_at:
                said = await self._lowered(mode, was, state)
                entry = self._entry(state, Kind.LEVER_PULLED, now, said)
                self._unwritten[entry.key] = entry.to_bytes()
            # Before it is durable: with the lever down, the next judgement would find nothing to tell.
            self.states[id_] = after
            self._unwritten[alert_key(after)] = after.to_bytes()
            await self.follower.put(self._unwritten.items())
            self._unwritten.clear()

    async def _lowered(self, mode: Mode, was: Mode | None, state: AlertState) -> str:
        """Has nothing go on above `mode`; what is to be said of it."""
        if was is not None and was <= mode:
            return f"the mode was at {was.value} already"
        # A hold beside what others have set: it can lower, and it can never raise. So it is
        # right as well where the present mode is not known.
        held = await self.lever.hold(
            mode, reason=f"alert {state.rule}", by=BY_ALERTS, patience=LEVER_PATIENCE
        )
        began = "an unknown mode" if was is None else was.value
        text = f"the mode went from {began} to {held.answer.mode.value}"
        missing = ", ".join(held.answer.missing)
        return f"{text}; not confirmed by {missing}" if missing else text


def _say_nothing() -> None:
    """Whoever judges now tells: what this worker found last would stay an alarm for ever."""
    telemetry.ALERTS_FIRING.clear()
    for each in (
        telemetry.NOTICES_WAITING,
        telemetry.WITHOUT_OUTCOME,
        telemetry.REPLIES_UNKNOWN,
        telemetry.SENT_TWICE,
        telemetry.MODE_VIOLATIONS,
    ):
        each.set(0)
