"""Incidents: records of what went wrong, folded from entries that are only ever added.

An alert that fires joins the incident that it belongs to or opens one; a person acknowledges,
notes and closes it. Each entry has a key of its own, so two people at once lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import Field

from pipeline.domain.alerts import AlertState, Severity
from pipeline.domain.events import Message, digest

PREFIX = "incident/"
BY_ALERTS = "alerts"
"""Who opens incidents by itself."""


class Kind(StrEnum):
    """What an entry says."""

    OPENED = "opened"
    ALERT_FIRED = "alert_fired"
    ALERT_CLOSED = "alert_closed"
    LEVER_PULLED = "lever_pulled"
    ACKNOWLEDGED = "acknowledged"
    NOTED = "noted"
    CLOSED = "closed"


class Entry(Message):
    """One entry of one incident; `at` is unix seconds. Its words hold no customer's text."""

    incident: str
    kind: Kind
    at: float
    by: str = Field(min_length=1, max_length=100)
    severity: Severity | None = None
    alert: str | None = None
    """``rule/group`` where the entry is about an alert."""
    text: str = Field(default="", max_length=2000)

    @property
    def key(self) -> str:
        """Where it lies: the same entry written twice is one."""
        own = digest(self.kind.value, repr(self.at), self.by, self.alert or "", size=6)
        return f"{PREFIX}{self.incident}/{own}"


def incident_id(at: float) -> str:
    """The id of an incident that is opened at `at` (unix seconds): its date and second."""
    return f"{datetime.fromtimestamp(at, UTC):%Y%m%d-%H%M%S}"


@dataclass(frozen=True)
class Incident:
    """One incident as its entries make it. Moments are unix seconds."""

    id: str
    severity: Severity
    """The worst that any entry names."""
    title: str
    opened_at: float
    opened_by: str
    entries: tuple[Entry, ...]
    acknowledged_by: str | None = None
    """Who works on it; nobody any more once it was quiet and an alert fires again, or once one fires
    that is worse than all that they had taken on."""
    closed_at: float | None = None
    open_alerts: frozenset[str] = frozenset()
    alerts: frozenset[str] = field(default=frozenset())

    @property
    def state(self) -> str:
        """``open``, ``acknowledged`` or ``closed``."""
        if self.closed_at is not None:
            return "closed"
        return "open" if self.acknowledged_by is None else "acknowledged"

    @property
    def is_attended(self) -> bool:
        """Whether somebody has it, or has said that it is over: nobody is reminded of it."""
        return self.state != "open"


def fold(entries: Iterable[Entry]) -> dict[str, Incident]:
    """Id -> incident, the oldest first. Entries come in any order."""
    by_id: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda each: (each.at, each.key)):
        by_id.setdefault(entry.incident, []).append(entry)
    made = (_made(id_, found) for id_, found in by_id.items())
    return {each.id: each for each in sorted(made, key=lambda each: (each.opened_at, each.id))}


def _made(id_: str, entries: Sequence[Entry]) -> Incident:
    first = next((each for each in entries if each.kind is Kind.OPENED), entries[0])
    closed = [each.at for each in entries if each.kind is Kind.CLOSED]
    open_: set[str] = set()
    acknowledged: str | None = None
    worst = taken_on = Severity.SEV2
    for each in entries:
        severity = each.severity or Severity.SEV2
        if each.kind is Kind.ACKNOWLEDGED:
            acknowledged, taken_on = acknowledged or each.by, worst
        elif each.kind is Kind.ALERT_FIRED and each.alert:
            # Whoever worked on it has seen it end, maybe weeks ago, or has said "I have it" of less.
            if not open_ or severity < taken_on:
                acknowledged = None
            open_.add(each.alert)
        elif each.kind is Kind.ALERT_CLOSED:
            open_.discard(each.alert or "")
        # SEV0 sorts first, which is the worst.
        worst = min(worst, severity)
    return Incident(
        id=id_,
        severity=worst,
        title=first.text,
        opened_at=first.at,
        opened_by=first.by,
        entries=tuple(entries),
        acknowledged_by=acknowledged,
        closed_at=closed[-1] if closed else None,
        open_alerts=frozenset(open_),
        alerts=frozenset(each.alert for each in entries if each.alert),
    )


def home_of(alert: AlertState, incidents: Mapping[str, Incident]) -> Incident | None:
    """The incident that an alert which fires belongs to; None = it opens one.

    One that has seen this alert before, else one in which something else fires: what breaks
    together is looked at together.
    """
    live = [each for each in incidents.values() if each.closed_at is None]
    seen = [each for each in live if alert.id in each.alerts]
    together = [each for each in live if each.open_alerts]
    return next(iter([*reversed(seen), *reversed(together)]), None)


def entries_for_firing(
    alert: AlertState, title: str, incidents: Mapping[str, Incident], *, at: float
) -> list[Entry]:
    """What is written down when an alert fires; the last entry names its incident."""
    home = home_of(alert, incidents)
    entries = []
    if home is None:
        id_ = _free(incident_id(at), incidents)
        entries.append(
            Entry(
                incident=id_, kind=Kind.OPENED, at=at, by=BY_ALERTS, severity=alert.severity,
                text=title,
            )
        )  # fmt: skip
    else:
        id_ = home.id
    entries.append(
        Entry(
            incident=id_, kind=Kind.ALERT_FIRED, at=at, by=BY_ALERTS, severity=alert.severity,
            alert=alert.id, text=f"{title}: {alert.value:.4g}",
        )
    )  # fmt: skip
    return entries


def _free(id_: str, taken: Mapping[str, Incident]) -> str:
    """`id_`, or the next one that nobody has: a second alert of the same second."""
    return next(
        each for each in (id_, *(f"{id_}-{n}" for n in range(2, 1000))) if each not in taken
    )


@dataclass(frozen=True)
class Line:
    """One line of a timeline; `at` is unix seconds."""

    at: float
    who: str
    text: str


_WORDS = {
    Kind.OPENED: "incident opened",
    Kind.ALERT_FIRED: "alert fired",
    Kind.ALERT_CLOSED: "alert closed",
    Kind.LEVER_PULLED: "lever pulled",
    Kind.ACKNOWLEDGED: "acknowledged",
    Kind.NOTED: "note",
    Kind.CLOSED: "incident closed",
}


def timeline(incident: Incident, acts: Iterable[Line] = ()) -> list[Line]:
    """The incident's own entries and what else was done meanwhile, in the order of time."""
    own = [Line(each.at, each.by, _told(each)) for each in incident.entries]
    return sorted([*own, *acts], key=lambda line: line.at)


def _told(entry: Entry) -> str:
    parts = [_WORDS[entry.kind]]
    if entry.severity is not None:
        parts.append(entry.severity.value)
    if entry.alert is not None:
        parts.append(f"`{entry.alert}`")
    said = " ".join(parts)
    return f"{said}: {entry.text}" if entry.text else said


def markdown(
    incident: Incident, lines: Sequence[Line], figures: Sequence[tuple[str, str, str]]
) -> str:
    """The incident as a document; `figures` are metric, unit and value over its time."""
    ended = "still open" if incident.closed_at is None else _utc(incident.closed_at)
    text = [
        f"# Incident {incident.id}: {incident.title or 'untitled'}",
        "",
        f"- Severity: {incident.severity.value}",
        f"- State: {incident.state}",
        f"- Opened: {_utc(incident.opened_at)} by {incident.opened_by}",
        f"- Acknowledged by: {incident.acknowledged_by or 'nobody'}",
        f"- Closed: {ended}",
        "",
        "## Timeline",
        "",
        "| UTC | who | what |",
        "|---|---|---|",
        *(f"| {_utc(line.at)} | {_cell(line.who)} | {_cell(line.text)} |" for line in lines),
    ]
    if figures:
        text += ["", "## Metrics over its time", "", "| metric | value | unit |", "|---|---|---|"]
        text += [f"| `{name}` | {value} | {unit} |" for name, unit, value in figures]
    return "\n".join(text) + "\n"


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
