"""`GET /windows`: counters and quantiles of a range of time, from the windows kept here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from agents.status import Answer, Route, json_answer
from pipeline.domain.windows import Window, merge, quantile, window_start
from tables.windows import WindowsTable

DEFAULT_RANGE = 3600
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def route(table: WindowsTable, *, now: Callable[[], float]) -> Route:
    """The route over `table`.

    Query: `from` and `to` in unix seconds, the last hour when absent. The answer holds `from`,
    `to`, `counts` {name: count} and `seconds` {name: {p50, p95, p99, count}} over the range.
    """

    def answer(query: Mapping[str, str]) -> Answer:
        end = _seconds(query, "to", now() + 1)
        begin = _seconds(query, "from", end - DEFAULT_RANGE)
        if begin > end:
            raise ValueError("from is after to: give both in unix seconds, from before to")
        whole = merge(table.between(window_start(begin), int(end) + 1))
        return json_answer(200, {"from": begin, "to": end, **summary(whole)})

    return answer


def summary(window: Window) -> dict[str, Any]:
    """Counts and quantiles (seconds) of one merged window."""
    return {
        "counts": window.counts,
        "seconds": {
            name: {
                **{label: quantile(buckets, share) for label, share in QUANTILES.items()},
                "count": sum(buckets.values()),
            }
            for name, buckets in window.histograms.items()
        },
    }


def _seconds(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        moment = float(query.get(name, default))
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise ValueError(f"{name} must be unix seconds")
    return moment
