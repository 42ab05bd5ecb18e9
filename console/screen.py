"""What `dev` shows: tables of values, no logic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from console.environment import BUDGET, WINDOW, Urls
from console.trail import Trail


def verdict_table(figures: Mapping[str, Any]) -> RenderableType:
    """The figures of one judged run."""
    table = Table(title="Switchboard: one run, every webhook accounted for", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in figures.items():
        shown = value
        if isinstance(value, dict):
            shown = "  ".join(f"{key} {_short(each)}" for key, each in value.items())
        table.add_row(name.replace("_", " "), str(shown))
    return table


def outcome_table(
    urls: Urls, trail: Trail, figures: Mapping[str, Any], restarts: Mapping[str, int]
) -> RenderableType:
    """The live screen: outcomes, paths, vendor, latency, addresses."""
    counts = figures.get("windows", {}).get("counts", {})
    seconds = figures.get("windows", {}).get("seconds", {}).get("webhook_to_routed", {})
    vendor = figures.get("vendor", {})
    withheld = Counter(
        reason for each, reason in trail.reasons.items() if trail.outcomes[each] == "withheld"
    )
    received = sum(
        counts.get(f"dedup.{what}", 0)
        for what in ("accepted", "ignored", "duplicated", "quarantined")
    )
    few = {
        "received": received,
        "duplicates": counts.get("dedup.duplicated", 0),
        "ignored (own, looped)": counts.get("dedup.ignored", 0),
        "quarantined": counts.get("dedup.quarantined", 0),
        "classified by model": counts.get("path.model", 0),
        "classified by rules": counts.get("path.rules", 0) + counts.get("path.tier0", 0),
        "default team": counts.get("path.default_team", 0),
        "routed": counts.get("act.routed", 0),
        "replied": counts.get("act.replied", 0),
        "triaged": counts.get("outcome.triaged", 0),
        "dead letters": counts.get("outcome.dead_lettered", 0),
        "replies applied twice": vendor.get("double_replies", "?"),
    }
    long = {
        "withheld": _words(withheld),
        "webhook to routed": "  ".join(
            f"{name} {_short(seconds.get(name))} s" for name in ("p50", "p95", "p99")
        ),
        "helpdesk answers": _words(vendor.get("requests", {})),
        "restarts": _words({name: n for name, n in restarts.items() if n}),
    }
    where = "\n".join(
        [
            f"ingress    {urls.ingress}/webhooks/richpanel",
            f"           X-Middleware-Token: {urls.token}",
            f"windows    {urls.stages['observe']}/windows",
            f"metrics    {urls.ingress}/metrics",
            f"control    {urls.console}/control/state (Bearer, the same token)",
            f"helpdesk   {urls.richpanel}/_sandbox/journal",
            f"broker     {urls.broker}",
            "logs       .switchboard/dev/log (or the folder of --folder)",
            f"budget     {BUDGET} requests in {WINDOW} s at this helpdesk (the real one: 50)",
        ]
    )
    return Group(
        Panel(Group(_pairs(few), _lines(long)), title="Switchboard dev: the last hour"),
        Panel(where, title="Ctrl-C stops all"),
    )


def _pairs(values: Mapping[str, Any]) -> RenderableType:
    """Short values, two on a line: the whole screen fits a terminal of 24 lines."""
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(style="bold", min_width=22)
        table.add_column(min_width=8)
    cells = [str(cell) for row in values.items() for cell in row]
    for begin in range(0, len(cells), 4):
        table.add_row(*cells[begin : begin + 4])
    return table


def _lines(values: Mapping[str, Any]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", min_width=22)
    table.add_column()
    for name, value in values.items():
        table.add_row(name, str(value))
    return table


def _words(counts: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {count}" for name, count in counts.items()) or "0"


def _short(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
