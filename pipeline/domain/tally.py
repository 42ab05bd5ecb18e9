"""Counts, durations and levels that can be added up: what a window holds and a process reports.

A histogram is a mapping of log buckets to counts, so merging two is adding counts, and a
quantile over any range is exact to the width of a bucket (DDSketch's idea).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 1e-4  # seconds; below it all is one bucket

Buckets = dict[int, int]
"""Log bucket -> how many values fell into it."""


class Bucketed(Protocol):
    """A histogram to be merged: a dictionary, or whatever else tells its buckets."""

    def items(self) -> Iterable[tuple[int, int]]:
        """Log buckets and how many values fell into each."""
        ...


class Counted(Protocol):
    """What can be merged and asked; each name is a series of `pipeline.domain.metrics`."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Series -> how many."""
        ...

    @property
    def histograms(self) -> Mapping[str, Bucketed]:
        """Series -> buckets of its values."""
        ...

    @property
    def levels(self) -> Mapping[str, float]:
        """Series -> the highest level that was seen."""
        ...


class Tally(BaseModel):
    """Counts, histograms and levels by series; `add` changes it in place."""

    model_config = ConfigDict(extra="allow")

    counts: dict[str, int] = Field(default_factory=dict)
    histograms: dict[str, Buckets] = Field(default_factory=dict)
    levels: dict[str, float] = Field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.counts or self.histograms or self.levels)

    def count(self, series: str, by: int = 1) -> None:
        """Counts `by` more of `series`."""
        self.counts[series] = self.counts.get(series, 0) + by

    def observe(self, series: str, value: float, times: int = 1) -> None:
        """Notes a value of `series`, such as a duration in seconds."""
        self.observe_bucket(series, bucket(value), times)

    def observe_bucket(self, series: str, index: int, times: int) -> None:
        """Notes `times` values that lie in the bucket `index`."""
        buckets = self.histograms.setdefault(series, {})
        buckets[index] = buckets.get(index, 0) + times

    def level(self, series: str, value: float) -> None:
        """Notes a level of `series`; the highest one stays."""
        self.levels[series] = max(value, self.levels.get(series, value))

    def add(self, other: Counted) -> None:
        """Adds all of `other`."""
        for series, count in other.counts.items():
            self.count(series, count)
        for series, buckets in other.histograms.items():
            for index, times in buckets.items():
                self.observe_bucket(series, index, times)
        for series, value in other.levels.items():
            self.level(series, value)


class Measured(Tally):
    """What one process counts between two reports of it."""

    def take(self) -> Tally:
        """All since the last `take`."""
        taken = Tally(counts=self.counts, histograms=self.histograms, levels=self.levels)
        self.counts, self.histograms, self.levels = {}, {}, {}
        return taken


def bucket(value: float) -> int:
    """The log bucket of a value, such as a duration in seconds."""
    return math.ceil(math.log(max(value, _SMALLEST)) / _LOG_GAMMA)


def bucket_value(index: int) -> float:
    """The value that stands for a bucket: within one per cent of all in it."""
    return float(2 * _GAMMA**index / (_GAMMA + 1))


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The value that `share` (0 to 1) of the values do not exceed; None without values."""
    return quantiles(buckets, (share,))[0]


def quantiles(buckets: Mapping[int, int], shares: Iterable[float]) -> list[float | None]:
    """`quantile` for each of `shares`."""
    indexes = sorted(buckets)
    up_to = list(accumulate(map(buckets.__getitem__, indexes)))
    if not up_to or not up_to[-1]:
        return [None for _ in shares]
    ranks = (max(1, math.ceil(share * up_to[-1])) for share in shares)
    return [bucket_value(indexes[bisect_left(up_to, rank)]) for rank in ranks]
