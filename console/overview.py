"""What one screen says of a running system: sections, each with how bad it is, the worst first.

Pure: the same facts make the same screen. A fact that could not be found out is a line of its own,
never a blank: who looks must not take silence for health.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from console.lag import duration, stage_of, topic_of, why
from pipeline.domain.alerts import WHOLE, in_unit
from pipeline.domain.incidents import BY_ALERTS
from pipeline.domain.lag import State
from pipeline.domain.signals import KINDS


class Level(IntEnum):
    """How bad a line is."""

    WELL = 0
    LOOK = 1
    BAD = 2


@dataclass(frozen=True)
class Line:
    """One thing that is said."""

    text: str
    level: Level = Level.WELL


@dataclass(frozen=True)
class Section:
    """What is said of one subject; as bad as its worst line."""

    title: str
    lines: Sequence[Line]

    @property
    def level(self) -> Level:
        """Of the worst line."""
        return max((line.level for line in self.lines), default=Level.WELL)


@dataclass(frozen=True)
class Facts:
    """What was found out; None = it could not be. Rows are those of `-o json`."""

    modes: Mapping[str, Mapping[str, Any]]
    processes: Sequence[Mapping[str, Any]]
    vendors: Sequence[Mapping[str, Any]]
    lags: Sequence[Mapping[str, Any]] | None
    lag_source: str
    letters: Mapping[str, Mapping[str, int]] | None
    """Topic -> `all` that are kept and `last_hour`."""
    alerts: Sequence[Mapping[str, Any]] | None
    """Those that fire, the worst first."""
    doubts: Sequence[str] = ()
    """Why that may not be all: they were not judged lately, or some rule was not."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Fact -> why it could not be found out."""


def sections(facts: Facts) -> list[Section]:
    """All of it, the worst first; equally bad ones in the order in which one looks at them."""
    found = [
        Section("alerts", _alerts(facts)),
        Section("mode", _modes(facts)),
        Section("oldest waiting", _age(facts)),
        Section("dead letters", _letters(facts)),
        Section("vendors", _vendors(facts)),
        Section("lag", _lags(facts)),
        Section("processes", _processes(facts)),
    ]
    return sorted(found, key=lambda section: -section.level)


def _unknown(facts: Facts, name: str) -> list[Line]:
    return [Line(f"not known: {facts.missing.get(name, 'nobody told')}", Level.LOOK)]


def _alerts(facts: Facts) -> list[Line]:
    if facts.alerts is None:
        return _unknown(facts, "alerts")
    lines = [
        Line(_alert(each), Level.LOOK if each["severity"] == "SEV2" else Level.BAD)
        for each in facts.alerts
    ]
    lines += [Line(each, Level.LOOK) for each in facts.doubts]
    return lines or [Line("none")]


def _alert(row: Mapping[str, Any]) -> str:
    """What fires and how bad it was, and on a line of its own the command to begin with."""
    rule, _, group = row["alert"].partition("/")
    of = "" if group == WHOLE else f": {group}"
    since = f"{datetime.fromtimestamp(row['since'], UTC):%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"{row['severity']} {row['title']}{of}: {in_unit(row['worst'], row['unit'])} since {since} "
        f"({rule}, incident {row['incident'] or 'none'})\n{row['lever']}  # {row['runbook']}"
    )


def _modes(facts: Facts) -> list[Line]:
    return [
        Line(
            f"{scope} {mode['mode']}, by {mode['by']}: {mode['reason']}",
            Level.LOOK if mode["mode"] == "stop" or mode["by"] == BY_ALERTS else Level.WELL,
        )
        for scope, mode in facts.modes.items()
    ]


def _age(facts: Facts) -> list[Line]:
    if facts.lags is None:
        return _unknown(facts, "lag")
    oldest = max(facts.lags, key=lambda row: row["age"], default=None)
    if oldest is None or not duration(oldest["age"]):
        return [Line("nothing")]
    words = f"{duration(oldest['age'])} for {stage_of(oldest)} ({topic_of(oldest)})"
    return [Line(words, _level_of([oldest]))]


def _letters(facts: Facts) -> list[Line]:
    if facts.letters is None:
        return _unknown(facts, "letters")
    return [
        Line(
            f"{topic_of({'topic': topic})}: {each['last_hour']} in the last hour, {each['all']} kept",
            Level.LOOK if each["last_hour"] else Level.WELL,
        )
        for topic, each in sorted(facts.letters.items(), key=lambda one: -one[1]["last_hour"])
        if each["all"]
    ] or [Line("none")]


def _vendors(facts: Facts) -> list[Line]:
    return [
        _vendor(each) for each in sorted(facts.vendors, key=lambda each: each["closed_for"] == 0)
    ]


def _vendor(row: Mapping[str, Any]) -> Line:
    queued = "" if row["queued"] is None else f", {row['queued']} queued"
    if row["closed_for"] == 0:
        return Line(f"{row['vendor']} open{queued}")
    words = f"{row['vendor']} closed until {row['until']}{queued}: {row['reason']}, by {row['by']}"
    return Line(words, Level.LOOK)


def _lags(facts: Facts) -> list[Line]:
    if facts.lags is None:
        return _unknown(facts, "lag")
    told: dict[tuple[str, str], Line] = {}
    for row in facts.lags:
        if row["state"] != State.OK:
            words = f"{row['state']} {stage_of(row)} {topic_of(row)}: {why(row)}"
            told.setdefault((stage_of(row), row["cause"]), Line(words, _level_of([row])))
    waiting = sum(row["lag"] for row in facts.lags)
    rest = Line(f"{waiting} offsets not committed; from {facts.lag_source}")
    return [*told.values(), rest]


def _level_of(rows: Iterable[Mapping[str, Any]]) -> Level:
    states = {row["state"] for row in rows}
    if states & {State.STALL, State.STOP}:
        return Level.BAD
    return Level.LOOK if states & {State.WARN, State.REWIND} else Level.WELL


def command_of(kind: str) -> str:
    """What starts a process of a kind."""
    return "python -m ingress" if kind == "ingress" else f"python -m agents {kind}"


def _processes(facts: Facts) -> list[Line]:
    alive = [each for each in facts.processes if each["is_live"]]
    kinds = {each["name"].partition("-")[0] for each in alive}
    lines = [
        Line(f"no {kind} gives a sign of life: start {command_of(kind)}", Level.BAD)
        for kind in KINDS
        if kind not in kinds
    ]
    lines += [
        Line(f"{each['name']} has not confirmed the last change", Level.BAD)
        for each in alive
        if not each["has_confirmed"]
    ]
    versions = sorted({each["version"] for each in alive if each["version"]})
    if len(versions) > 1:
        lines.append(Line(f"several versions run: {', '.join(versions)}", Level.LOOK))
    names = sorted(each["name"] for each in alive)
    lines.append(Line(f"{len(names)} alive: {', '.join(names)}; version {', '.join(versions)}"))
    return lines
