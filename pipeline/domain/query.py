"""A question about the windows of a range of time, and its answer.

`ask` checks the words of a question, `query` answers it from windows; both are pure. A range is
cut into steps; the answer has a point for each, with zeros where nothing happened.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.domain.metrics import CATALOGUE, NONE, Kind, Metric, Part, known, named
from pipeline.domain.tally import Buckets, Counted, quantiles

WIDTH = 10
"""Seconds of the narrowest window."""
STEPS = (10, 60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""Seconds that a step may be; each is a whole number of some width that windows are kept in."""
MOST_POINTS = 721
"""Points that a line may have: two hours in steps of ten seconds, a week in steps of a quarter hour."""
MOST_QUANTILES = 241
"""The same of a histogram, whose points cost ten times as much: a week in steps of an hour."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class QueryError(ValueError):
    """A question that cannot be answered; the text says what can be asked instead."""


class Dated(Counted, Protocol):
    """A window: what was counted in some seconds from `start` (unix seconds) on."""

    @property
    def start(self) -> int:
        """Where it begins."""
        ...


@dataclass(frozen=True)
class Question:
    """A metric over [begin, end) in unix seconds, in steps, by some of its labels."""

    metric: Metric
    begin: int
    end: int
    step: int
    """Seconds; the first step is the one that `begin` lies in, on a multiple of `step`."""
    by: tuple[str, ...] = ()

    @property
    def starts(self) -> range:
        """The unix seconds at which the steps begin."""
        return range(self.begin, self.end, self.step)


@dataclass(frozen=True)
class Point:
    """What one step came to.

    `value` is the count of a counter, the highest level of a gauge (None = not measured), the
    share of a ratio (None = of nothing); a histogram has its quantiles instead, None without
    values. `count` is how many it rests on: events, values, or the denominator of a ratio.
    """

    start: int
    count: int = 0
    value: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Line:
    """The points of one combination of labels, in the order of time."""

    labels: Mapping[str, str]
    points: tuple[Point, ...]


def ask(
    metric: str,
    begin: float,
    end: float,
    *,
    step: int | None = None,
    by: tuple[str, ...] = (),
) -> Question:
    """The question about [`begin`, `end`); without a `step` the whole range is one point.

    Raises:
        QueryError: there is no such metric, label or step, or the range is none.
    """
    found = CATALOGUE.get(metric)
    if found is None:
        raise QueryError(f"no metric {metric!r}; there are: {known(CATALOGUE)}")
    if not (math.isfinite(begin) and math.isfinite(end)) or begin < 0 or begin >= end:
        raise QueryError("the range must be from before to, both in unix seconds")
    strange = [label for label in by if label not in found.labels]
    if strange:
        labels = known(found.labels) or "none"
        raise QueryError(f"{metric} has no label {', '.join(strange)!r}; it has: {labels}")
    if step is None:
        first = _floor(begin, WIDTH)
        return Question(found, first, _ceil(end, WIDTH), _ceil(end, WIDTH) - first, by)
    if step not in STEPS:
        raise QueryError(f"no step of {step} s; there are: {', '.join(map(str, STEPS))} s")
    question = Question(found, _floor(begin, step), _ceil(end, WIDTH), step, by)
    most = MOST_QUANTILES if found.kind is Kind.HISTOGRAM else MOST_POINTS
    if len(question.starts) > most:
        least = next((each for each in STEPS if (end - begin) / each <= most - 1), None)
        hint = f"take a step of {least} s or more" if least else "take a shorter range"
        raise QueryError(f"that would be more than {most} points: {hint}")
    return question


def query(
    windows: Iterable[Dated],
    metric: str,
    begin: float,
    end: float,
    *,
    step: int | None = None,
    by: tuple[str, ...] = (),
) -> list[Line]:
    """What `windows` say to `ask(metric, begin, end, step=step, by=by)`; one line per combination of `by`.

    Windows may come in any order, of any width that divides `step`, several of one start too, as
    from several partitions; those outside of the range do not count. Without `by`, or where
    nothing was counted, the answer is one line.

    Raises:
        QueryError: see `ask`.
    """
    return answer(windows, ask(metric, begin, end, step=step, by=by))


def answer(windows: Iterable[Dated], question: Question) -> list[Line]:
    """`query` for a question that was asked before."""
    fold = _FOLDS[question.metric.kind](question)
    for window in windows:
        if question.begin <= window.start < question.end:
            fold.add((window.start - question.begin) // question.step, window)
    groups = sorted(fold.groups) or ([()] if not question.by else [])
    return [
        Line(
            dict(zip(question.by, group, strict=True)),
            tuple(fold.point(group, n, start) for n, start in enumerate(question.starts)),
        )
        for group in groups
    ]


def told(question: Question, lines: Iterable[Line], missing: Iterable[int]) -> dict[str, Any]:
    """An answer as JSON; `missing` are the audit partitions that nothing is known of."""
    metric, missing = question.metric, list(missing)
    return {
        "metric": metric.name,
        "kind": metric.kind.value,
        "unit": metric.unit,
        "meaning": metric.meaning,
        "from": question.begin,
        "to": question.end,
        "step": question.step,
        "complete": not missing,
        "missing": missing,
        "lines": [
            {"labels": dict(line.labels), "points": [vars(point) for point in line.points]}
            for line in lines
        ],
    }


Group = tuple[str, ...]
Cell = tuple[Group, int]


class _Fold(ABC):
    """Adds windows up by group and step."""

    def __init__(self, question: Question) -> None:
        self._by = question.by
        self._parts = question.metric.of or (Part(question.metric.name),)
        self._places: dict[str, tuple[Group, tuple[int, ...]] | None] = {}
        self.groups: set[Group] = set()

    def _place(self, series: str) -> tuple[Group, tuple[int, ...]] | None:
        """The group of a series and the parts that it counts for; None = it counts for none.

        Looked up once: a week has each series two thousand times.
        """
        if series not in self._places:
            self._places[series] = self._placed(series)
        return self._places[series]

    def _placed(self, series: str) -> tuple[Group, tuple[int, ...]] | None:
        name = named(series)
        if all(part.metric != name for part in self._parts):
            return None
        labels = CATALOGUE[name].labels_of(series)
        parts = tuple(
            number
            for number, part in enumerate(self._parts)
            if part.metric == name and part.admits(labels)
        )
        group = tuple(labels.get(label, NONE) for label in self._by)
        if parts:
            self.groups.add(group)
        return group, parts

    @abstractmethod
    def add(self, step: int, window: Counted) -> None:
        """Adds a window that lies in the step number `step`."""

    @abstractmethod
    def point(self, group: Group, step: int, start: int) -> Point:
        """The point of a group at a step."""


class _Counters(_Fold):
    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._sums: tuple[dict[Cell, int], ...] = tuple({} for _ in self._parts)

    def add(self, step: int, window: Counted) -> None:
        for series, count in window.counts.items():
            if (place := self._place(series)) is not None:
                cell = place[0], step
                for part in place[1]:
                    sums = self._sums[part]
                    sums[cell] = sums.get(cell, 0) + count

    def point(self, group: Group, step: int, start: int) -> Point:
        count = self._sums[0].get((group, step), 0)
        return Point(start, count, count)


class _Ratios(_Counters):
    def point(self, group: Group, step: int, start: int) -> Point:
        top, bottom = (sums.get((group, step), 0) for sums in self._sums)
        return Point(start, bottom, top / bottom if bottom else None)


class _Histograms(_Fold):
    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._sums: dict[Cell, Buckets] = {}

    def add(self, step: int, window: Counted) -> None:
        for series, buckets in window.histograms.items():
            if (place := self._place(series)) is not None:
                cell = place[0], step
                if (into := self._sums.get(cell)) is None:
                    self._sums[cell] = defaultdict(int, buckets.items())
                    continue
                for index, times in buckets.items():
                    into[index] += times

    def point(self, group: Group, step: int, start: int) -> Point:
        buckets = self._sums.get((group, step), {})
        found = quantiles(buckets, QUANTILES.values())
        return Point(start, sum(buckets.values()), None, *found)


class _Gauges(_Fold):
    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self._highest: dict[Cell, float] = {}

    def add(self, step: int, window: Counted) -> None:
        for series, level in window.levels.items():
            if (place := self._place(series)) is not None:
                cell = place[0], step
                self._highest[cell] = max(level, self._highest.get(cell, level))

    def point(self, group: Group, step: int, start: int) -> Point:
        value = self._highest.get((group, step))
        return Point(start, int(value is not None), value)


_FOLDS: dict[Kind, type[_Fold]] = {
    Kind.COUNTER: _Counters,
    Kind.HISTOGRAM: _Histograms,
    Kind.GAUGE: _Gauges,
    Kind.RATIO: _Ratios,
}


def _floor(at: float, width: int) -> int:
    return int(at // width) * width


def _ceil(at: float, width: int) -> int:
    return -int(-at // width) * width
