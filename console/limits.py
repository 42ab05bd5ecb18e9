"""`./switchboard limits`: each vendor's gate and budget, what waits for it, and a hand on it."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from console.budgets import VENDORS, InUse, in_use, number, waiting
from console.bulk import moment, span
from console.changes import Optional, Vendor
from console.mode import Output, Patience, Reason, say
from console.operating import Operator, once_more, or_unsure, who, with_operator
from pipeline.brokers import brokers
from pipeline.confirming import Written
from pipeline.domain.control_records import GateRecord
from pipeline.domain.shedding import OPTIONAL
from pipeline.lever import PATIENCE, Closed, to_open
from pipeline.settings import load_settings

app = typer.Typer(
    help="Each vendor's gate and budget: show, close-until, reset, shed.", no_args_is_help=True
)

Which = Annotated[Vendor, typer.Argument(help="Which vendor.")]


@dataclass(frozen=True)
class Looked:
    """What stands on the control topic of vendors."""

    gates: dict[str, GateRecord | None]
    shed: list[str]
    used: dict[str, InUse]


@app.command()
def show(output: Output = "table") -> None:
    """Show each vendor's budget and its parts, until when its gate is closed and what waits.

    A budget is that of the running workers; where none runs, that of this shell's settings.
    """
    settings = load_settings()

    async def look(operator: Operator) -> Looked:
        control = operator.control
        heard, now = control.processes(), control.view.broker_time
        return Looked(
            {vendor: control.gate(vendor) for vendor in VENDORS},
            [what for what in OPTIONAL if control.is_shed(what)],
            {vendor: in_use(settings, heard, vendor, now=now) for vendor in VENDORS},
        )

    seen: Looked = with_operator(look)
    left = waiting(brokers(settings))
    told = {
        "vendors": [
            {
                "vendor": vendor,
                "budgets": [dataclasses.asdict(each) for each in used.budgets],
                "budgets_of": used.of,
                "differing": list(used.differing),
                "queued": left.queued(vendor),
                **gate_of(seen.gates[vendor], now=time.time()),
            }
            for vendor, used in seen.used.items()
        ],
        **dataclasses.asdict(left),
        "shed": seen.shed,
    }
    if output == "json":
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    names = ("acting", "reading", "people", "queued")
    numbers = [Column(name, no_wrap=True, justify="right") for name in names]
    vendors = Column("vendor", no_wrap=True)
    table = Table(
        vendors,
        Column("budget", overflow="fold"),
        *numbers,
        "gate",
        "by",
        "reason",
        box=None,
        pad_edge=False,
    )
    for each in told["vendors"]:
        gate = (gate_in_words(each), each["by"], each["reason"])
        for budget in seen.used[each["vendor"]].budgets:
            split = budget.parts
            parts = (number(part) for part in (split.acting, split.reading, split.people))
            table.add_row(each["vendor"], budget.in_words(), *parts, str(each["queued"]), *gate)
    Console().print(table)
    tiers = ", ".join(f"{tier} {count}" for tier, count in left.parked.items())
    typer.echo(
        f"parked: {tiers}; requested and not yet done: {left.act}; to classify: {left.classify}"
    )
    typer.echo(f"left out: {', '.join(seen.shed) or 'nothing'}")
    whose = (f"{vendor}: {used.in_words()}" for vendor, used in seen.used.items())
    typer.echo(f"budgets as told by: {'; '.join(whose)}")


@app.command("close-until")
def close_until(
    vendor: Which,
    until: Annotated[str, typer.Argument(help="A time like 2026-05-04T10:00, or +90s, +10m, +2h.")],
    reason: Reason,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Close a vendor's gate in every process until a time; never sooner than it already is."""
    at = until_moment(until, vendor, now=time.time())

    async def close(operator: Operator) -> Closed:
        with or_unsure(once_more()):
            return await operator.lever.close_gate(
                vendor, at, reason=reason, by=who(), patience=patience
            )

    closed: Closed = with_operator(close)
    what = f"{vendor}: closed until {_clock(closed.until)}"
    say(what, closed, output)


@app.command()
def reset(
    vendor: Which, reason: Reason, output: Output = "table", patience: Patience = PATIENCE
) -> None:
    """Open a vendor's gate in every process now; one call goes first and tells whether it may."""

    async def open_(operator: Operator) -> Written:
        with or_unsure(once_more()):
            return await operator.lever.open_gate(
                vendor, reason=reason, by=who(), patience=patience
            )

    say(f"{vendor}: open", with_operator(open_), output)


@app.command()
def shed(
    what: Annotated[Optional, typer.Argument(help="What to leave out.")],
    reason: Reason,
    off: Annotated[bool, typer.Option("--off", help="Make these calls again.")] = False,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Leave an optional kind of call out, so that replies need less of a vendor's budget."""

    async def switch(operator: Operator) -> Written:
        with or_unsure(once_more()):
            return await operator.lever.shed(
                what, on=not off, reason=reason, by=who(), patience=patience
            )

    say(f"{what}: {'made again' if off else 'left out'}", with_operator(switch), output)


def until_moment(until: str, vendor: str, *, now: float) -> float:
    """The unix second that `until` means for a vendor's gate.

    Raises:
        typer.BadParameter: it is no time, or one that has passed.
    """
    is_span = until.startswith("+")
    at = now + span(until[1:]) if is_span else moment(until, now=0.0, hint="UNTIL")
    if at <= 0:
        raise typer.BadParameter(f"a span from now begins with +: +{until}", param_hint="UNTIL")
    if at <= now:
        raise typer.BadParameter(f"{until} has passed; {to_open(vendor)}", param_hint="UNTIL")
    return at


def gate_of(gate: GateRecord | None, *, now: float) -> dict[str, Any]:
    """A vendor's last closing as JSON at `now`; a record that cannot be read closes for ever."""
    if gate is None:
        return {"closed_until": 0.0, "closed_for": 0.0, "by": "", "reason": ""}
    left = max(0.0, gate.closed_until - now)
    return {
        # JSON has no infinity: null.
        "closed_until": gate.closed_until if math.isfinite(left) else None,
        "closed_for": round(left, 1) if math.isfinite(left) else None,
        "by": gate.by,
        "reason": gate.reason,
    }


def gate_in_words(gate: dict[str, Any]) -> str:
    """A row of `gate_of` with its vendor, for a person."""
    if gate["closed_for"] != 0:
        if gate["closed_until"] is None:
            return f"closed: its record cannot be read; {to_open(gate['vendor'])}"
        return f"closed until {_clock(gate['closed_until'])}"
    return f"open since {_clock(gate['closed_until'])}" if gate["closed_until"] else "open"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
