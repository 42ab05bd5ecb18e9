"""`./switchboard limits`: each vendor's gate and budget, what waits for it, and a hand on it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import confluent_kafka
import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.bulk import moment
from console.mode import with_operator
from console.operating import Operator, who
from pipeline import topics
from pipeline.domain.control_records import GATE_PREFIX, SHED_PREFIX, GateRecord, SwitchRecord
from pipeline.domain.events import Message
from pipeline.domain.shedding import OPTIONAL
from pipeline.settings import Settings, load_settings

VENDORS = ("richpanel", "shopify", "openai")
ACT_GROUP = "switchboard-act"
_TIMEOUT = 10.0

app = typer.Typer(
    help="Each vendor's gate and budget: show, close-until, reset, shed.", no_args_is_help=True
)

Vendor = Annotated[Literal["richpanel", "shopify", "openai"], typer.Argument(help="Which vendor.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the gate.")]
Output = Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")]


@app.command()
def show(output: Output = "table") -> None:
    """Show each vendor's budget, until when its gate is closed and why, and what waits."""
    settings = load_settings()

    async def look(operator: Operator) -> dict[str, Any]:
        return {
            "vendors": [_vendor(operator, settings, vendor) for vendor in VENDORS],
            "shed": [what for what in OPTIONAL if operator.control.is_shed(what)],
        }

    told: dict[str, Any] = with_operator(look)
    told |= waiting(settings.bootstrap_servers)
    if output == "json":
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("vendor", "budget", "ours", "gate", "by", "reason")
    for each in told["vendors"]:
        gate = "open"
        if each["closed_for"] != 0:
            gate = f"closed until {_clock(each['closed_until'])}, {told['queued']} queued"
        table.add_row(
            each["vendor"], each["budget"], f"{each['ours']:.0%}", gate, each["by"], each["reason"]
        )
    Console().print(table)
    tiers = ", ".join(f"{tier} {count}" for tier, count in told["parked"].items())
    typer.echo(f"parked: {tiers}; requested and not yet done: {told['backlog']}")
    typer.echo(f"shed: {', '.join(told['shed']) or 'nothing'}")
    parts = ", ".join(f"{name} {count:g}" for name, count in told["vendors"][0]["split"].items())
    typer.echo(f"the helpdesk's requests in a window: {parts}")


@app.command("close-until")
def close_until(
    vendor: Vendor,
    until: Annotated[str, typer.Argument(help="A time like 2026-05-04T10:00, or +90s, +10m, +2h.")],
    reason: Reason,
) -> None:
    """Close a vendor's gate in every process until a time; never sooner than it already is."""
    at = until_moment(until, now=time.time())
    put(GATE_PREFIX + vendor, GateRecord(closed_until=at, by=who(), reason=reason))
    typer.echo(f"{vendor}: closed until {_clock(at)}")


@app.command()
def reset(vendor: Vendor, reason: Reason) -> None:
    """Open a vendor's gate in every process now; one call goes first and tells whether it may."""
    put(GATE_PREFIX + vendor, GateRecord(closed_until=0.0, by=who(), reason=reason))
    typer.echo(f"{vendor}: open")


@app.command()
def shed(
    what: Annotated[
        Literal["order_lookups", "shop_lookups"], typer.Argument(help="What to leave out.")
    ],
    reason: Reason,
    off: Annotated[bool, typer.Option("--off", help="Make these calls again.")] = False,
) -> None:
    """Leave an optional kind of call out, so that replies need less of a vendor's budget."""
    put(SHED_PREFIX + what, SwitchRecord(on=not off, by=who(), reason=reason, at=time.time()))
    typer.echo(f"{what}: {'made again' if off else 'left out'}")


def put(key: str, record: Message) -> None:
    """Writes one key of the control topic."""

    async def write(operator: Operator) -> None:
        await operator.follower.put([(key, record.to_bytes())])

    with_operator(write, known=False)


def until_moment(until: str, *, now: float) -> float:
    """The unix second that `until` means.

    Raises:
        typer.BadParameter: it is no time, or one that has passed.
    """
    at = 2 * now - moment(until[1:], now=now) if until.startswith("+") else moment(until, now=0.0)
    if at <= now:
        raise typer.BadParameter(f"{until} has passed; to open a gate: ./switchboard limits reset")
    return at


def waiting(bootstrap_servers: str) -> dict[str, Any]:
    """What waits: parked per tier, the act stage's backlog, and both together."""
    specs = {tier: spec.name for tier, spec in topics.PARKED.items()}
    behind = lag(bootstrap_servers, topics.PARKING_GROUP, specs.values())
    parked = {tier: behind[name] for tier, name in specs.items()}
    name = topics.REQUESTED.name
    backlog = lag(bootstrap_servers, ACT_GROUP, [name])[name]
    return {"parked": parked, "backlog": backlog, "queued": sum(parked.values()) + backlog}


def lag(bootstrap_servers: str, group: str, names: Iterable[str]) -> dict[str, int]:
    """Topic -> records that `group` has not committed."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group, "log_level": 0}
    )
    behind = {}
    try:
        for name in names:
            known = consumer.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
            places = [confluent_kafka.TopicPartition(name, number) for number in known]
            behind[name] = 0
            for place in consumer.committed(places, timeout=_TIMEOUT):
                low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT)
                behind[name] += high - max(low, place.offset)
    finally:
        consumer.close()
    return behind


def _vendor(operator: Operator, settings: Settings, vendor: str) -> dict[str, Any]:
    gate = operator.control.gate(vendor)
    until = 0.0 if gate is None else gate.closed_until
    left = max(0.0, until - time.time())
    return {
        "vendor": vendor,
        "budget": _budget(settings, vendor),
        "ours": settings.our_share,
        "split": asdict(settings.helpdesk_split) if vendor == "richpanel" else None,
        # JSON has no infinity: a record that cannot be read closes for ever, which is null.
        "closed_until": until if math.isfinite(until) else None,
        "closed_for": round(left, 1) if math.isfinite(left) else None,
        "by": "" if gate is None else gate.by,
        "reason": "" if gate is None else gate.reason,
    }


def _budget(settings: Settings, vendor: str) -> str:
    match vendor:
        case "richpanel":
            return f"{settings.vendor_budget} in {settings.vendor_window:g} s"
        case "shopify":
            return f"{settings.shopify_rate:g}/s, {settings.shopify_burst} at once"
        case _:
            return f"{settings.openai_requests} calls, {settings.openai_tokens} tokens a minute"


def _clock(at: float | None) -> str:
    if at is None:
        return "its record can be read"
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
