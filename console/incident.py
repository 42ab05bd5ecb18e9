"""`./switchboard incident`: opened by an alert or a person, acknowledged, closed, told afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from console.board import as_json, read_board, write
from console.bulk import Output
from console.operating import operating, or_unsure, who
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.alerts import Severity
from pipeline.domain.events import Audit, UnreadableValue
from pipeline.domain.incidents import (
    Entry,
    Incident,
    Kind,
    Line,
    incident_id,
    markdown,
    timeline,
)
from pipeline.settings import load_settings

BEFORE = 600.0
"""Seconds before an incident's beginning whose acts belong to its story."""
METRICS = {
    "received": "value",
    "idempotency_duplicates_detected": "value",
    "decisions_made": "value",
    "actions_success": "value",
    "auto_reply_sent": "value",
    "dead_lettered": "value",
    "vendor_429_rate": "value",
    "openai_error_rate": "value",
    "end_to_end_seconds": "p95",
}
"""Key metrics of an export, and which number of each."""
ACTS = frozenset({"control", "console"})
"""Stages whose audit records are somebody's acts."""
_ASK_TIMEOUT = 5.0

app = typer.Typer(
    help="Incidents: open, list, show, ack, note, close, export.", no_args_is_help=True
)
Id = Annotated[str, typer.Argument(help="The incident, or enough of its beginning; `last` too.")]
MOST_TEXT = 2000
"""Characters of one entry."""


def some_text(text: str) -> str:
    """Words that an entry may hold.

    Raises:
        typer.BadParameter: there are none, or too many.
    """
    if not 0 < len(text.strip()) <= MOST_TEXT:
        raise typer.BadParameter(f"1 to {MOST_TEXT} characters are needed")
    return text.strip()


Text = Annotated[
    str, typer.Argument(help="In your own words, without customers' data.", callback=some_text)
]


class NoIncident(Exception):
    """There is none by that name; the text says what there is."""


def found(incidents: dict[str, Incident], wanted: str) -> Incident:
    """The incident that `wanted` names.

    Raises:
        NoIncident: none or several begin so.
    """
    if wanted == "last" and incidents:
        return list(incidents.values())[-1]
    if wanted in incidents:
        return incidents[wanted]
    like = [each for id_, each in incidents.items() if id_.startswith(wanted)]
    if len(like) != 1:
        known = ", ".join(list(incidents)[-5:]) or "none yet"
        raise NoIncident(f"no one incident {wanted}; the last ones: {known}")
    return like[0]


def _servers() -> str:
    return brokers(load_settings())


def _write(servers: str, entry: Entry) -> None:
    with or_unsure("What is: ./switchboard incident list"):
        write(servers, entry)


def _add(kind: Kind, wanted: str, text: str = "") -> None:
    servers = _servers()
    incident = found(read_board(servers).incidents(), wanted)
    _write(servers, Entry(incident=incident.id, kind=kind, at=time.time(), by=who(), text=text))
    typer.echo(f"{incident.id}: {kind.value}")


@app.command("open")
def open_(
    text: Text,
    severity: Annotated[Severity, typer.Option(help="How bad it is.")] = Severity.SEV2,
) -> None:
    """Open an incident that no alert has seen."""
    at, servers = time.time(), _servers()
    taken = read_board(servers).incidents()
    id_ = incident_id(at)
    while id_ in taken:
        id_ += "-2"
    entry = Entry(incident=id_, kind=Kind.OPENED, at=at, by=who(), severity=severity, text=text)
    _write(servers, entry)
    typer.echo(id_)


@app.command()
def ack(incident: Id) -> None:
    """Say that you work on it: its reminders end, until something worse joins it."""
    _add(Kind.ACKNOWLEDGED, incident)


@app.command()
def note(incident: Id, text: Text) -> None:
    """Add a line to its timeline."""
    _add(Kind.NOTED, incident, text)


@app.command()
def close(incident: Id, text: Text) -> None:
    """Close it, with what ended it."""
    _add(Kind.CLOSED, incident, text)


@app.command("list")
def list_(output: Output = "table") -> None:
    """List incidents, the newest first."""
    incidents = list(read_board(_servers()).incidents().values())[::-1]
    if output == "json":
        as_json({"incidents": [row(each) for each in incidents]})
        return
    table = Table("incident", "severity", "state", "title", "open alerts")
    for each in incidents:
        alerts = ", ".join(sorted(each.open_alerts))
        table.add_row(each.id, each.severity.value, each.state, each.title, alerts)
    Console().print(table)


@app.command()
def show(incident: Id, output: Output = "table") -> None:
    """Show one incident with its timeline."""
    one = found(read_board(_servers()).incidents(), incident)
    if output == "json":
        lines = timeline(one, acts(_servers(), one))
        as_json({**row(one), "timeline": [vars(line) for line in lines]})
        return
    Console().print(Markdown(document(one)))


@app.command()
def export(
    incident: Id,
    file: Annotated[Path | None, typer.Option("--file", help="Else to the terminal.")] = None,
) -> None:
    """Write it as Markdown: timeline of alerts, mode changes and acts, and key metrics."""
    text = document(found(read_board(_servers()).incidents(), incident))
    if file is None:
        typer.echo(text)
    else:
        try:
            file.write_text(text)
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--file") from None
        typer.echo(f"written to {file}")


def row(incident: Incident) -> dict[str, Any]:
    """An incident as JSON, without its entries."""
    return {
        "id": incident.id,
        "severity": incident.severity.value,
        "state": incident.state,
        "title": incident.title,
        "opened_at": incident.opened_at,
        "opened_by": incident.opened_by,
        "acknowledged_by": incident.acknowledged_by,
        "closed_at": incident.closed_at,
        "open_alerts": sorted(incident.open_alerts),
        "alerts": sorted(incident.alerts),
    }


def document(incident: Incident) -> str:
    """The export of one incident."""
    servers = _servers()
    figures = asyncio.run(_figures(servers, incident))
    return markdown(incident, timeline(incident, acts(servers, incident)), figures)


def acts(bootstrap_servers: str, incident: Incident) -> list[Line]:
    """Mode changes and other acts of operators while it lasted, from the audit trail."""
    begin = incident.opened_at - BEFORE
    end = incident.closed_at or time.time()
    found_ = []
    with TopicLog(bootstrap_servers, topics.AUDIT.name, since=begin) as log:
        for message in log.records():
            try:
                audit = Audit.parse(message.value())
            except UnreadableValue:
                continue
            if audit.stage in ACTS and audit.what != "measured" and begin <= audit.at <= end:
                found_.append(act_line(audit))
    return found_


def act_line(audit: Audit) -> Line:
    """An act in one line: what, how far, and why. Acts hold no customers' data."""
    shown = ("scope", "was", "mode", "template", "vendor", "job", "count")
    said = ", ".join(f"{name} {audit.detail[name]}" for name in shown if name in audit.detail)
    reason = f" because: {audit.reason}" if audit.reason else ""
    by = str(audit.detail.get("by", audit.stage))
    return Line(audit.at, by, f"{audit.what.replace('_', ' ')} ({said}){reason}")


async def _figures(bootstrap_servers: str, incident: Incident) -> Sequence[tuple[str, str, str]]:
    """Key metrics over its time, as a running `observe` tells them; none where none answers."""
    end = incident.closed_at or time.time()
    async with operating(bootstrap_servers) as operator, httpx.AsyncClient() as http:
        await operator.known()
        at = operator.control.view.broker_time
        urls = [
            heard.record.url
            for heard in operator.control.processes()
            if heard.record.name.startswith("observe") and heard.is_live(at) and heard.record.url
        ]
        for url in urls:
            try:
                return [await _figure(http, url, name, incident.opened_at, end) for name in METRICS]
            except (httpx.HTTPError, ValueError, LookupError):
                continue
    return ()


async def _figure(
    http: httpx.AsyncClient, url: str, name: str, begin: float, end: float
) -> tuple[str, str, str]:
    query: dict[str, str | float] = {"metric": name, "from": begin, "to": end + 1}
    said = (await http.get(f"{url}/windows", params=query, timeout=_ASK_TIMEOUT)).raise_for_status()
    told = said.json()
    value = values(told["lines"], METRICS[name])
    return name, f"{told['unit']}, {METRICS[name]}", value


def values(lines: Iterable[dict[str, Any]], point: str) -> str:
    """The number of the one line and point of an answer without steps."""
    numbers = [each[point] for line in lines for each in line["points"]]
    known = [each for each in numbers if each is not None]
    return f"{known[0]:.4g}" if known else "-"
