"""Alerts: which rule is broken now, since when, and who has been told of it.

Enter and leave thresholds differ, so a value between them changes nothing; a broken rule must
stay broken for its `for` before it fires, and stay mended for its `quiet` before it closes. One
alert is a rule and a group: the vendor, stage or kind of process that the rule is broken for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline.domain.events import Message, first_problem
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.modes import Mode

FILE = Path(__file__).parents[1] / "data" / "alert_rules.toml"

WINDOW = 900.0
"""Seconds within which a group is told of at most once (FEATURES section 3)."""
WHOLE = "all"
"""The group of a rule that is not asked by anything."""


class RulesError(Exception):
    """The file of rules cannot be used; the text names the rule and what is wrong."""


class Severity(StrEnum):
    """SEV0: wrong replies at scale. SEV1: routing broken, massive backlog. SEV2: degradation."""

    SEV0 = "SEV0"
    SEV1 = "SEV1"
    SEV2 = "SEV2"


REMINDED = frozenset({Severity.SEV0, Severity.SEV1})
"""Told again once per `WINDOW` while nobody has acknowledged the incident."""


class Rule(BaseModel):
    """One line of the file of rules. Seconds where nothing else is said."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,47}$")
    severity: Severity
    title: str
    metric: str | None = None
    """Of the windows (`pipeline.domain.metrics`), over the last `over` seconds."""
    point: str = "value"
    """Which number of the metric's answer: value, count, p50, p95 or p99."""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Label -> its values: only these series of a counter. The file may name one value alone."""
    minus: str | None = None
    """Another counter that is taken off: what was decided and not done."""
    by: str | None = None
    over: float = Field(default=60.0, gt=0)
    least: int = 0
    """Events, or a ratio's denominator, below which the value says nothing and counts as 0."""
    signal: str | None = None
    """Instead of a metric: something that is known at once (`pipeline.domain.signals`)."""
    enter: float
    leave: float
    for_: float = Field(default=0.0, ge=0, alias="for")
    quiet: float = Field(default=20.0, ge=0)
    runbook: str
    """The section of RUNBOOK.md, as its anchor."""
    lever: str
    """The first lever, as a command."""
    pull: Mode | None = None
    """SEV0 alone: how far the mode is lowered at once."""

    @field_validator("where", mode="before")
    @classmethod
    def _lists(cls, where: Mapping[str, object]) -> dict[str, object]:
        return {label: (one,) if isinstance(one, str) else one for label, one in where.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.metric is None) is (self.signal is None):
            raise ValueError("a rule has either a metric or a signal")
        if self.leave >= self.enter:
            raise ValueError("leave must lie below enter, or the alert would flap")
        if (self.pull is not None) is not (self.severity is Severity.SEV0):
            raise ValueError("SEV0 pulls its lever, the others never do")
        return self


def read_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a TOML text, worst severity first.

    Raises:
        RulesError: a rule is not usable, or two have one name.
    """
    try:
        raw = tomllib.loads(text).get("alert", [])
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"the alert rules are no TOML: {error}") from None
    rules = [_rule(each) for each in raw]
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise RulesError(f"two alert rules have one name: {', '.join(names)}")
    return tuple(sorted(rules, key=lambda rule: rule.severity))


def _rule(raw: Mapping[str, object]) -> Rule:
    try:
        return Rule.model_validate(raw)
    except ValidationError as error:
        where, what = first_problem(error)
        raise RulesError(f"alert rule {raw.get('name')}: {where} {what}") from None


def shipped_rules() -> tuple[Rule, ...]:
    """The rules of this version."""
    return read_rules(FILE.read_text(encoding="utf-8"))


class Phase(StrEnum):
    """Where an alert stands."""

    PENDING = "pending"
    """Broken, not yet for as long as the rule says."""
    FIRING = "firing"
    CLOSED = "closed"


class AlertState(Message):
    """One alert: the value of ``alert/<rule>/<group>``. Moments are unix seconds."""

    rule: str
    group: str
    severity: Severity
    phase: Phase
    since: float
    """When the phase began."""
    value: float
    worst: float
    """The highest value of this firing."""
    fired_at: float | None = None
    mended_since: float | None = None
    """Since when a firing alert's value has been at `leave` or below."""
    told_at: float | None = None
    """When anybody was last told of this group, by an earlier firing too."""
    told_of: float | None = None
    """`fired_at` of the firing that was told of last."""
    pulled_at: float | None = None
    """When its own lever was last pulled for this firing."""
    pulled_value: float | None = None
    """The lowest value since then. What lies above it has happened since: the lever is for that too."""
    incident: str | None = None

    @property
    def id(self) -> str:
        """The same for every firing of this rule for this group."""
        return f"{self.rule}/{self.group}"

    @property
    def is_told(self) -> bool:
        """Whether anybody knows of this firing."""
        return self.fired_at is not None and self.told_of == self.fired_at

    @property
    def has_risen(self) -> bool:
        """Whether more has happened since its lever was pulled."""
        return self.pulled_value is not None and self.value > self.pulled_value


Values = Mapping[str, Mapping[str, float]]
"""Rule -> group -> value. A group that is left out is at 0; a rule that is left out could not be
read, and its alerts stay what they are."""


def step(
    rules: Iterable[Rule], states: Mapping[str, AlertState], values: Values, *, now: float
) -> dict[str, AlertState]:
    """Every alert as it is after these values; `now` is unix seconds.

    Alerts of rules that do not exist any more are closed: nobody could ever mend them.
    """
    known = {rule.name: rule for rule in rules}
    after = {
        id_: state
        if state.phase is not Phase.FIRING or state.rule in known
        else _closed(state, now)
        for id_, state in states.items()
    }
    for name, rule in known.items():
        if name not in values:
            continue
        groups = {state.group for state in states.values() if state.rule == name}
        for group in groups | set(values[name]):
            moved = _moved(
                rule, group, states.get(f"{name}/{group}"), values[name].get(group, 0.0), now
            )
            if moved is not None:
                after[moved.id] = moved
            else:
                after.pop(f"{name}/{group}", None)
    return after


def _moved(
    rule: Rule, group: str, state: AlertState | None, value: float, now: float
) -> AlertState | None:
    if state is None or state.phase is not Phase.FIRING:
        return _rising(rule, group, state, value, now)
    changes: dict[str, object] = {
        "value": value,
        "worst": max(state.worst, value),
        "severity": rule.severity,
        "mended_since": None,
    }
    if state.pulled_at is not None:
        # What is counted over a while falls as it grows old, and the next case would only fill it up.
        # A row of an earlier version has no such value: it begins with the present one.
        before = value if state.pulled_value is None else state.pulled_value
        changes["pulled_value"] = min(before, value)
    if value > rule.leave:
        return state.model_copy(update=changes)
    mended = now if state.mended_since is None else state.mended_since
    changes["mended_since"] = mended
    after = state.model_copy(update=changes)
    return _closed(after, now) if now - mended >= rule.quiet else after


def _rising(
    rule: Rule, group: str, state: AlertState | None, value: float, now: float
) -> AlertState | None:
    if value < rule.enter:
        # One that has fired before is kept: it knows when people were last told of its group.
        if state is None or state.told_at is None:
            return None
        return state if state.phase is Phase.CLOSED else _closed(state, now)
    if state is None or state.phase is Phase.CLOSED:
        told = {} if state is None else {"told_at": state.told_at, "told_of": state.told_of}
        state = AlertState(
            rule=rule.name, group=group, severity=rule.severity, phase=Phase.PENDING, since=now,
            value=value, worst=value, **told,
        )  # fmt: skip
    state = state.model_copy(update={"value": value, "worst": max(value, state.worst)})
    if now - state.since < rule.for_:
        return state
    return state.model_copy(update={"phase": Phase.FIRING, "since": now, "fired_at": now})


def _closed(state: AlertState, now: float) -> AlertState:
    return state.model_copy(update={"phase": Phase.CLOSED, "since": now, "mended_since": None})


def is_worth_keeping(before: AlertState | None, after: AlertState) -> bool:
    """Whether a restart must know of the change: not of each new value, and of nothing pending."""
    if before is None or before.phase is not after.phase:
        return after.phase is not Phase.PENDING
    marks = ("fired_at", "told_at", "pulled_at", "pulled_value", "incident", "severity")
    return any(getattr(before, mark) != getattr(after, mark) for mark in marks)


WORSE = 1.1
"""What a firing alert's worst value must come to, of the one that people see, to be shown to them."""


def is_worse(shown: AlertState | None, now: AlertState) -> bool:
    """Whether people must see a new worst value: a slow rise is a record for each tenth of it."""
    return (
        shown is not None
        and shown.fired_at == now.fired_at
        and now.phase is Phase.FIRING
        and now.worst >= WORSE * shown.worst
    )


class Telling(StrEnum):
    """What people are told of an alert."""

    FIRED = "fired"
    REMINDED = "reminded"
    CLOSED = "closed"


@dataclass(frozen=True)
class Due:
    """Somebody has to be told; `after` is the alert once that is written down."""

    kind: Telling
    after: AlertState


def due(
    before: AlertState | None, after: AlertState, *, now: float, acknowledged: Collection[str] = ()
) -> Due | None:
    """What must be told of one alert now: its firing once, never twice within `WINDOW`.

    A closing is told of where the firing was. `acknowledged` are incidents that somebody works on.
    """
    if after.phase is Phase.CLOSED:
        was_firing = before is not None and before.phase is Phase.FIRING
        return Due(Telling.CLOSED, after) if was_firing and after.is_told else None
    is_early = after.told_at is not None and now - after.told_at < WINDOW
    if after.phase is not Phase.FIRING or is_early:
        return None
    told = after.model_copy(update={"told_at": now, "told_of": after.fired_at})
    if not after.is_told:
        return Due(Telling.FIRED, told)
    if after.severity in REMINDED and after.incident not in acknowledged:
        return Due(Telling.REMINDED, told)
    return None


def to_pull(rules: Mapping[str, Rule], state: AlertState) -> Mode | None:
    """How far the mode must be lowered for an alert that fires; None = it is not, or was.

    Again for what has happened since: people may have raised the mode meanwhile.
    """
    rule = rules.get(state.rule)
    was_pulled = state.pulled_at is not None and not state.has_risen
    if rule is None or state.phase is not Phase.FIRING or was_pulled:
        return None
    return rule.pull


def pulled(state: AlertState, *, now: float, lowers: bool) -> AlertState:
    """The alert once its lever is pulled; `lowers` says whether the mode was above it.

    A lever that lowers the mode again is news, whoever has acknowledged the incident and however
    lately anybody was told: they believe that the mode is as they have set it. One that is still
    where it was pulled to is none.
    """
    changes: dict[str, object] = {"pulled_value": state.value}
    if state.pulled_at is None or lowers:
        changes["pulled_at"] = now
    if state.pulled_at is not None and lowers:
        changes |= {"told_at": None, "told_of": None}
    return state.model_copy(update=changes)


def unit_of(rule: Rule) -> str:
    """What a value of 1 is: seconds, share, events, records; empty of what is only counted."""
    if rule.metric is not None:
        return CATALOGUE[rule.metric].unit
    if rule.signal == "below_last_week":
        return "share"
    return "seconds" if (rule.signal or "").endswith("_seconds") else ""


def in_unit(value: float, unit: str) -> str:
    """A value for people."""
    if unit == "share":
        return f"{value:.1%}"
    return f"{value:.4g} s" if unit == "seconds" else f"{value:.4g}"


def described(state: AlertState, rule: Rule | None) -> dict[str, object]:
    """An alert with what to do about it, as JSON; `rule` is None where it is gone."""
    return {
        "alert": state.id,
        "group": state.group,
        "severity": state.severity.value,
        "phase": state.phase.value,
        "title": rule.title if rule else "the rule is gone",
        "value": state.value,
        "worst": state.worst,
        "unit": unit_of(rule) if rule else "",
        "since": state.since,
        "fired_at": state.fired_at,
        "incident": state.incident,
        "lever": rule.lever if rule else "",
        "runbook": f"RUNBOOK.md#{rule.runbook}" if rule else "",
    }


LEVELS = (0.5, 0.7, 0.9, 1.0)
"""Parts of a vendor's budget at which somebody is told that it is being used up."""


class BudgetState(Message):
    """How much of a budget was told of last: the value of ``budget/<vendor>``."""

    vendor: str
    level: float
    at: float
    """Unix seconds at which the window of this level began."""


@dataclass(frozen=True)
class BudgetUse:
    """What is told of a budget: this part of it is used, which is `level` or more."""

    vendor: str
    level: float
    used: float


def budget_steps(
    used: Mapping[str, float], states: Mapping[str, BudgetState], *, now: float
) -> tuple[list[BudgetUse], dict[str, BudgetState]]:
    """What is to be told of each vendor's budget, and the states that changed.

    Each level is told of at most once per vendor and `WINDOW`, and only on the way up.
    """
    told: list[BudgetUse] = []
    changed: dict[str, BudgetState] = {}
    for vendor, share in used.items():
        state = states.get(vendor)
        before = 0.0 if state is None or now - state.at >= WINDOW else state.level
        level = max((each for each in LEVELS if share >= each), default=0.0)
        if level > before:
            at = now if state is None or not before else state.at
            told.append(BudgetUse(vendor, level, share))
            changed[vendor] = BudgetState(vendor=vendor, level=level, at=at)
    return told, changed
