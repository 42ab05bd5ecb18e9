"""`GET /windows`: what the windows say of a range of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from agents.status import Answer, Route, json_answer
from agents.windows_peers import PATH, Found, Windows
from pipeline.domain.metrics import CATALOGUE, named
from pipeline.domain.query import QUANTILES, Dated, QueryError, Question, ask
from pipeline.domain.tally import Buckets, Tally, quantile

DEFAULT_RANGE = 3600
EVERYTHING = tuple(sorted({name for metric in CATALOGUE.values() for name in metric.stored}))


def routes(windows: Windows, *, now: Callable[[], float]) -> dict[str, Route]:
    """`/windows`, and what the other workers ask of it.

    Query: `metric`, `from` and `to` in unix seconds (the last hour when absent), `step` in
    seconds (absent = one point for the whole range), `by` label names with commas. Without a
    `metric` the answer holds the counts of every series over the whole range. `complete` is false
    while some worker's partitions, `missing`, are nowhere to be had.
    """

    async def respond(query: Mapping[str, str]) -> Answer:
        question = asked({"metric": "received", **query}, now())
        if "metric" in query:
            found = await windows.find(question)
            told = answered(question, found)
        else:
            found = await windows.find(question, EVERYTHING)
            told = totals(found.pieces)
        return json_answer(200, {**_known(question, found), **told})

    def part(query: Mapping[str, str]) -> Answer:
        try:
            return json_answer(200, windows.part(asked(query, now()), query))
        except KeyError as error:
            raise QueryError(f"{error.args[0]} is missing or unknown") from None

    return {"/windows": respond, PATH: part}


def asked(query: Mapping[str, str], now: float) -> Question:
    """The question of a query string that names a metric.

    Raises:
        QueryError: it cannot be asked; the text says what can.
    """
    end = _number(query, "to", now + 1)
    begin = _number(query, "from", end - DEFAULT_RANGE)
    step = _number(query, "step", 0)
    if step != int(step):
        raise QueryError("step must be whole seconds")
    by = tuple(filter(None, query.get("by", "").split(",")))
    return ask(query["metric"], begin, end, step=int(step) or None, by=by)


def answered(question: Question, found: Found) -> dict[str, Any]:
    """An answer as JSON."""
    metric = question.metric
    return {
        "metric": metric.name,
        "kind": metric.kind.value,
        "unit": metric.unit,
        "meaning": metric.meaning,
        "step": question.step,
        "lines": [
            {"labels": dict(line.labels), "points": [asdict(point) for point in line.points]}
            for line in found.lines(question)
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


def _known(question: Question, found: Found) -> dict[str, Any]:
    return {
        "from": question.begin,
        "to": question.end,
        "complete": not found.missing,
        "missing": list(found.missing),
    }


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(query.get(name) or default)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"{name} must be seconds")
    return number
