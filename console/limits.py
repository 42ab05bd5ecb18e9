"""`./switchboard limits`: each vendor's gate and budget, what waits for it, and a hand on it."""

from __future__ import annotations

import dataclasses
import math
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.budgets import VENDORS, budgets, waiting
from console.bulk import moment, span
from console.changes import Optional, Vendor
from console.mode import Output, Patience, say, with_operator
from console.operating import Operator, who
from pipeline.confirming import Written
from pipeline.domain.control_records import GateRecord
from pipeline.domain.shedding import OPTIONAL
from pipeline.lever import PATIENCE, Closed
from pipeline.settings import load_settings

app = typer.Typer(
    help="Each vendor's gate and budget: show, close-until, reset, shed.", no_args_is_help=True
)

Which = Annotated[Vendor, typer.Argument(help="Which vendor.")]
Reason = Annotated[str, typer.Option(help="Why; audited.")]
Until = Annotated[
    float,
    typer.Argument(
        help="A time like 2026-05-04T10:00, or +90s, +10m, +2h.",
        metavar="UNTIL",
        parser=lambda until: until_moment(until, now=time.time()),
    ),
]


@app.command()
def show(output: Output = "table") -> None:
    """Show each vendor's budget and its parts, until when its gate is closed and what waits."""
    settings = load_settings()

    async def look(operator: Operator) -> tuple[dict[str, GateRecord | None], list[str]]:
        control = operator.control
        gates = {vendor: control.gate(vendor) for vendor in VENDORS}
        return gates, [what for what in OPTIONAL if control.is_shed(what)]

    gates, shed_now = with_operator(look)
    left = waiting(settings.bootstrap_servers)
    told = {
        "vendors": [
            {
                "vendor": vendor,
                "budgets": [dataclasses.asdict(each) for each in budgets(settings, vendor)],
                "queued": left.queued(vendor),
                **gate_of(gates[vendor], now=time.time()),
            }
            for vendor in VENDORS
        ],
        **dataclasses.asdict(left),
        "shed": shed_now,
    }
    if output == "json":
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(
        "vendor", "budget", "acting", "reading", "people", "queued", "gate", "by", "reason"
    )
    for each in told["vendors"]:
        gate = (_gate_in_words(each), each["by"], each["reason"])
        for budget in budgets(settings, each["vendor"]):
            split = budget.parts
            parts = (f"{part:g}" for part in (split.acting, split.reading, split.people))
            table.add_row(each["vendor"], budget.in_words(), *parts, str(each["queued"]), *gate)
    Console().print(table)
    tiers = ", ".join(f"{tier} {count}" for tier, count in left.parked.items())
    typer.echo(
        f"parked: {tiers}; requested and not yet done: {left.act}; to classify: {left.classify}"
    )
    typer.echo(f"left out: {', '.join(shed_now) or 'nothing'}")


@app.command("close-until")
def close_until(
    vendor: Which,
    until: Until,
    reason: Reason,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Close a vendor's gate in every process until a time; never sooner than it already is."""

    async def close(operator: Operator) -> Closed:
        return await operator.lever.close_gate(
            vendor, until, reason=reason, by=who(), patience=patience
        )

    closed: Closed = with_operator(close)
    say([f"{vendor}: closed until {_clock(closed.until)}"], [closed], output)


@app.command()
def reset(
    vendor: Which, reason: Reason, output: Output = "table", patience: Patience = PATIENCE
) -> None:
    """Open a vendor's gate in every process now; one call goes first and tells whether it may."""

    async def open_(operator: Operator) -> Written:
        return await operator.lever.open_gate(vendor, reason=reason, by=who(), patience=patience)

    say([f"{vendor}: open"], [with_operator(open_)], output)


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
        return await operator.lever.shed(
            what, on=not off, reason=reason, by=who(), patience=patience
        )

    say([f"{what}: {'made again' if off else 'left out'}"], [with_operator(switch)], output)


def until_moment(until: str, *, now: float) -> float:
    """The unix second that `until` means.

    Raises:
        typer.BadParameter: it is no time, or one that has passed.
    """
    is_span = until.startswith("+")
    at = now + span(until[1:]) if is_span else moment(until, now=0.0, hint="UNTIL")
    if at <= 0:
        raise typer.BadParameter(f"a span from now begins with +: +{until}", param_hint="UNTIL")
    if at <= now:
        raise typer.BadParameter(f"{until} has passed; to open a gate: ./switchboard limits reset")
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


def _gate_in_words(gate: dict[str, Any]) -> str:
    if gate["closed_for"] != 0:
        return f"closed until {_clock(gate['closed_until'])}"
    return f"open since {_clock(gate['closed_until'])}" if gate["closed_until"] else "open"


def _clock(at: float | None) -> str:
    if at is None:
        return "its record can be read: ./switchboard limits reset"
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
