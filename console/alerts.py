"""`./switchboard alerts`: what fires now, how bad it is, and what to do first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from console.board import Now, alerts_now, as_json
from console.bulk import Output
from pipeline.brokers import brokers
from pipeline.domain.alerts import in_unit, shipped_rules
from pipeline.settings import load_settings

Every = Annotated[bool, typer.Option("--all", help="Also those that have closed.")]
Rules = Annotated[bool, typer.Option("--rules", help="The rules themselves, worst first.")]
COLOURS = {"SEV0": "bold red", "SEV1": "red", "SEV2": "yellow"}


def alerts(every: Every = False, rules: Rules = False, output: Output = "table") -> None:
    """Show the alerts that fire, worst first, with the first lever of each."""
    if rules:
        show_rules(output)
        return
    now = alerts_now(brokers(load_settings()), every=every)
    if output == "json":
        as_json({"alerts": now.rows, "judged_at": now.judged_at, "doubts": now.doubts})
        return
    Console().print(screen(now))


def screen(now: Now) -> RenderableType:
    """A table of the alerts, and below it why it may not be the whole truth."""
    lines: list[RenderableType] = [Text(each, style="bold red") for each in now.doubts]
    if now.rows:
        lines.insert(0, _table(now.rows))
    elif not now.doubts:
        lines.append(Text("no alert fires"))
    return Group(*lines)


def _table(rows: Iterable[Mapping[str, Any]]) -> Table:
    columns = ("severity", "since (UTC)", Column("worst", justify="right"), "incident")
    table = Table("alert", *columns, "first lever, section", box=None, pad_edge=False)
    for row in rows:
        style = COLOURS[row["severity"]] if row["phase"] == "firing" else "dim"
        table.add_row(
            f"{row['title']}\n{row['alert']}",
            row["severity"],
            f"{datetime.fromtimestamp(row['since'], UTC):%Y-%m-%d %H:%M:%S}",
            in_unit(row["worst"], row["unit"]),
            row["incident"] or "",
            f"{row['lever']}\n{row['runbook']}",
            style=style,
        )
    return table


def show_rules(output: str) -> None:
    """Prints every rule as the file has it."""
    known = [rule.model_dump(mode="json", by_alias=True) for rule in shipped_rules()]
    if output == "json":
        as_json({"rules": known})
        return
    table = Table("rule", "severity", "asks", "enter", "leave", "for s", "runbook")
    for rule in known:
        asks = rule["metric"] or rule["signal"]
        table.add_row(
            rule["name"], rule["severity"], asks, str(rule["enter"]), str(rule["leave"]),
            str(rule["for"]), rule["runbook"],
        )  # fmt: skip
    Console().print(table)
