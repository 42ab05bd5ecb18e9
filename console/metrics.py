"""`./switchboard metrics`: what the windows say of any past range, as a table, JSON, CSV or a chart."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from console.audit_windows import windows_of_trail
from console.bulk import moment, span
from console.charts import covered, draw, show
from console.lag import observers
from console.operating import Operator, with_operator
from pipeline.brokers import brokers
from pipeline.domain.metrics import CATALOGUE, Kind
from pipeline.domain.query import STEPS, QueryError, Question, answer, ask, told
from pipeline.settings import load_settings

PATIENCE = 10.0
"""Seconds that `observe` has to answer."""
CHART_POINTS = 120
"""Points of a chart for which nobody named a step, at most."""
COLUMNS = {Kind.HISTOGRAM: ("count", "p50", "p95", "p99"), Kind.RATIO: ("value", "count")}
"""What a point of a kind is shown as; the others are their value alone."""

LISTED = ("metric", "kind", "unit", "labels", "meaning")


class MetricsError(Exception):
    """No answer; the text says what to do."""


def metrics(
    name: Annotated[str, typer.Argument(help="A metric, or `list` for all there are.")],
    *,
    since: Annotated[
        str, typer.Option(help="From when: 15m, 2h, 1d, or a time like 2026-05-04T10:00.")
    ] = "1h",
    until: Annotated[str | None, typer.Option(help="To when, as --since; now by default.")] = None,
    step: Annotated[
        str | None, typer.Option(help="A point for each: 10s, 1m, 5m, 1h ...; else one for all.")
    ] = None,
    by: Annotated[str, typer.Option(help="Labels, with commas: a line for each.")] = "",
    replay: Annotated[
        bool, typer.Option("--replay", help="Count the audit trail anew: also older than 7 days.")
    ] = False,
    output: Annotated[
        Literal["table", "json", "csv"], typer.Option("-o", help="Form of the answer.")
    ] = "table",
    plot: Annotated[bool, typer.Option("--plot", help="Draw it in the terminal.")] = False,
    png: Annotated[Path | None, typer.Option(help="Draw it into this file.")] = None,
) -> None:
    """Show a metric over a range of time; `metrics list` tells which there are."""
    if name == "list":
        _list(output)
        return
    question = typed(name, since, until, step, by, is_drawn=plot or png is not None)
    found = _replayed(question) if replay else _asked(question)
    if png is not None:
        try:
            draw(found, png)
        except OSError as error:
            raise MetricsError(f"{png} cannot be written: {error.strerror}") from None
    if plot:
        show(found)
    elif output == "json":
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    elif output == "csv":
        _csv(found)
    elif png is None:
        Console().print(_table(found))
    if found["missing"]:
        missing = ", ".join(map(str, found["missing"]))
        sys.stderr.write(f"incomplete: no observe worker has the partitions {missing} now\n")


def typed(
    name: str, since: str, until: str | None, step: str | None, by: str, *, is_drawn: bool = False
) -> Question:
    """The question that a person typed; a drawing has its steps chosen.

    Raises:
        MetricsError: it cannot be asked; the text says what can.
        typer.BadParameter: a time or a step is none.
    """
    now = time.time()
    end = now if until is None else moment(until, now=now)
    begin = moment(since, now=now)
    seconds = None if step is None else span(step)
    if seconds is None and is_drawn:
        seconds = next((each for each in STEPS if (end - begin) / each <= CHART_POINTS), STEPS[-1])
    labels = tuple(filter(None, by.split(",")))
    try:
        return ask(name, begin, end, step=seconds, by=labels)
    except QueryError as error:
        raise MetricsError(str(error)) from None


def _asked(question: Question) -> Mapping[str, Any]:
    asked = {
        "metric": question.metric.name,
        "from": str(question.begin),
        "to": str(question.end),
        "by": ",".join(question.by),
    }
    if len(question.starts) > 1:
        asked["step"] = str(question.step)
    silent = []
    for url in with_operator(_observers):
        try:
            response = httpx.get(f"{url}/windows", params=asked, timeout=PATIENCE)
            found: dict[str, Any] = response.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            silent.append(f"{url} ({type(error).__name__})")
            continue
        if response.is_error:
            raise MetricsError(str(found.get("error")))
        return found
    why = f"answers: {', '.join(silent)}" if silent else "is running: python -m agents observe"
    raise MetricsError(f"no observe worker {why}; or count the trail with --replay")


async def _observers(operator: Operator) -> list[str]:
    return [record.url for record in observers(operator)]


def _replayed(question: Question) -> Mapping[str, Any]:
    settings = load_settings()
    windows = windows_of_trail(brokers(settings), question.begin, question.end)
    return told(question, answer(windows, question), missing=())


def _list(output: str) -> None:
    rows = [
        (each.name, each.kind.value, each.unit, " ".join(each.labels), each.meaning)
        for each in CATALOGUE.values()
    ]
    if output == "json":
        found = [dict(zip(LISTED, row, strict=True)) for row in rows]
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    elif output == "csv":
        csv.writer(sys.stdout).writerows([LISTED, *rows])
    else:
        table = Table(Column("metric", no_wrap=True), *LISTED[1:])
        for row in rows:
            table.add_row(*row)
        Console().print(table)


def _rows(found: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
    columns = COLUMNS.get(Kind(found["kind"]), ("value",))
    labels = list(found["lines"][0]["labels"]) if found["lines"] else []
    rows = [
        [_clock(point["start"]), *line["labels"].values(), *(point[each] for each in columns)]
        for line in found["lines"]
        for point in line["points"]
    ]
    return ["from", *labels, *columns], rows


def _table(found: Mapping[str, Any]) -> Table:
    head, rows = _rows(found)
    columns = len(COLUMNS.get(Kind(found["kind"]), ("value",)))
    numbers = (Column(each, justify="right") for each in head[-columns:])
    table = Table(*head[:-columns], *numbers, box=None, pad_edge=False)
    table.title = f"{found['metric']} ({found['unit']}), {covered(found)}: {found['meaning']}"
    table.title_justify = "left"
    for row in rows:
        table.add_row(*map(_short, row))
    return table


def _csv(found: Mapping[str, Any]) -> None:
    head, rows = _rows(found)
    csv.writer(sys.stdout).writerows([head, *rows])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
