"""`GET /windows`: what the windows say of a range of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from agents.status import Answer, Route, json_answer
from pipeline.domain.metrics import named
from pipeline.domain.query import QUANTILES, Dated, Line, QueryError, Question, answer, ask
from pipeline.domain.tally import Buckets, Tally, quantile
from tables.windows import WindowsTable

DEFAULT_RANGE = 3600


def route(table: WindowsTable, *, now: Callable[[], float]) -> Route:
    """The route over `table`.

    Query: `metric`, `from` and `to` in unix seconds (the last hour when absent), `step` in
    seconds (absent = one point for the whole range), `by` label names with commas. Without a
    `metric` the answer holds the counts of every series over the whole range.
    """

    def respond(query: Mapping[str, str]) -> Answer:
        question = asked({"metric": "received", **query}, now())
        if "metric" not in query:
            return json_answer(200, totals(table.between(question.begin, question.end)))
        return json_answer(200, told(question, answer(table.read(question), question)))

    return respond


def asked(query: Mapping[str, str], now: float) -> Question:
    """The question of a query string that names a metric.

    Raises:
        QueryError: it cannot be asked; the text says what can.
    """
    end = _number(query, "to", now + 1)
    begin = _number(query, "from", end - DEFAULT_RANGE)
    step = _number(query, "step", 0)
    by = tuple(filter(None, query.get("by", "").split(",")))
    return ask(query["metric"], begin, end, step=int(step) or None, by=by)


def told(question: Question, lines: list[Line]) -> dict[str, Any]:
    """An answer as JSON."""
    metric = question.metric
    return {
        "metric": metric.name,
        "kind": metric.kind.value,
        "unit": metric.unit,
        "meaning": metric.meaning,
        "from": question.begin,
        "to": question.end,
        "step": question.step,
        "lines": [
            {"labels": dict(line.labels), "points": [asdict(point) for point in line.points]}
            for line in lines
        ],
    }


def totals(windows: Iterable[Dated]) -> dict[str, Any]:
    """Every series of `windows` together: counts, levels, and quantiles of each histogram."""
    whole = Tally()
    merged: dict[str, Buckets] = {}
    for window in windows:
        whole.add(window)
    for series, buckets in whole.histograms.items():
        into = merged.setdefault(named(series), {})
        for index, times in buckets.items():
            into[index] = into.get(index, 0) + times
    seconds = {
        name: {label: quantile(buckets, share) for label, share in QUANTILES.items()}
        for name, buckets in merged.items()
    }
    return {"counts": whole.counts, "levels": whole.levels, "seconds": seconds}


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(query.get(name) or default)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"{name} must be seconds")
    return number
