"""`GET /windows`: what the windows say of a range of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from agents.status import Answer, Route, json_answer
from agents.windows_peers import PATH, Found, Windows
from pipeline.domain.metrics import CATALOGUE, named
from pipeline.domain.query import QUANTILES, QueryError, Question, ask, told
from pipeline.domain.tally import Tally, quantile
from tables.windows import KEPT

DEFAULT_RANGE = 3600
ON_THE_WAY = 60.0
"""Seconds that a question about the last 7 days may take to come here."""
EVERYTHING = tuple(sorted({name for metric in CATALOGUE.values() for name in metric.stored}))


def routes(windows: Windows, *, now: Callable[[], float]) -> dict[str, Route]:
    """`/windows`, and what the other workers ask of it.

    Query: `metric`, `from` and `to` in unix seconds (the last hour when absent), `step` in
    seconds (absent = one point for the whole range), `by` label names with commas. Without a
    `metric` the answer holds the counts of every series over the whole range. `complete` is false
    while some worker's partitions, `missing`, are nowhere to be had. What is kept no more is refused.
    """

    async def respond(query: Mapping[str, str]) -> Answer:
        question = asked({"metric": "received", **query}, now(), kept=KEPT + ON_THE_WAY)
        if "metric" in query:
            found = await windows.find(question)
            return json_answer(200, told(question, found.lines(question), found.missing))
        return json_answer(200, totals(question, await windows.find(question, EVERYTHING)))

    def part(query: Mapping[str, str]) -> Answer:
        try:
            return json_answer(200, windows.part(asked(query, now()), query))
        except KeyError as error:
            raise QueryError(f"{error.args[0]} is missing or unknown") from None

    return {"/windows": respond, PATH: part}


def asked(query: Mapping[str, str], now: float, *, kept: float = math.inf) -> Question:
    """The question of a query string that names a metric, about the last `kept` seconds.

    Raises:
        QueryError: it cannot be asked; the text says what can.
    """
    end = _number(query, "to", now + 1)
    begin = _number(query, "from", end - DEFAULT_RANGE)
    step = _number(query, "step", 0)
    if step != int(step):
        raise QueryError("step must be whole seconds")
    by = tuple(filter(None, query.get("by", "").split(",")))
    question = ask(query["metric"], begin, end, step=int(step) or None, by=by)
    # Who asks for the last 7 days in steps asks from the beginning of the first.
    if question.begin < now - kept - step:
        raise QueryError("windows are kept for 7 days: add --replay, which counts the audit trail")
    return question


def totals(question: Question, found: Found) -> dict[str, Any]:
    """Every series together: counts, levels, and quantiles of each histogram."""
    whole, merged = Tally(), Tally()
    for window in found.pieces:
        whole.add(window)
    for series, buckets in whole.histograms.items():
        merged.add(Tally(histograms={named(series): buckets}))
    return {
        "from": question.begin,
        "to": question.end,
        "complete": not found.missing,
        "missing": list(found.missing),
        "counts": whole.counts,
        "levels": whole.levels,
        "seconds": {
            name: {label: quantile(buckets, share) for label, share in QUANTILES.items()}
            for name, buckets in merged.histograms.items()
        },
    }


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        number = float(query.get(name) or default)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise QueryError(f"{name} must be seconds")
    return number
