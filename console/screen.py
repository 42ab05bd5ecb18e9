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
    windows = figures.get("windows", {})
    counts = windows.get("counts", {})
    seconds = windows.get("seconds", {}).get("end_to_end_seconds", {})
    vendor = figures.get("vendor", {})
    withheld = Counter(
        reason for each, reason in trail.reasons.items() if trail.outcomes[each] == "withheld"
    )
    few = {
        "received": _sum(counts, "received|"),
        "duplicates": _sum(counts, "received|duplicated"),
        "ignored (own, looped)": _sum(counts, "received|ignored"),
        "quarantined": _sum(counts, "received|quarantined"),
        "classified by model": _sum(counts, "decisions_made|model|"),
        "classified by rules": _sum(counts, "decisions_made|rules|", "decisions_made|tier0|"),
        "default team": _sum(counts, "decisions_made|default_team|"),
        "routed": _sum(counts, "actions|route|routed"),
        "replied": _sum(counts, "auto_reply_sent|"),
        "triaged": _sum(counts, "outcomes|triaged"),
        "dead letters": _sum(counts, "outcomes|dead_lettered"),
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


def _sum(counts: Mapping[str, int], *beginnings: str) -> int:
    """How much all series come to whose names begin so."""
    return sum(count for series, count in counts.items() if series.startswith(beginnings))


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
