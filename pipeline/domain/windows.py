"""Tumbling windows of ten seconds: counters, and histograms with one per cent error.

A histogram is a mapping of log buckets to counts, so merging two is adding counts, and a
quantile over any range is exact to the width of a bucket (DDSketch's idea).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pydantic import Field

from pipeline.domain.events import Audit, Message, Outcome

WIDTH = 10
"""Seconds of one window."""

RELATIVE_ERROR = 0.01
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 1e-4  # seconds; below it all is one bucket


class Window(Message):
    """What one partition of audit said in one window; `offset` is the last record folded in."""

    start: int
    offset: int
    counts: dict[str, int] = Field(default_factory=dict)
    histograms: dict[str, dict[int, int]] = Field(default_factory=dict)


def window_start(at: float) -> int:
    """The unix second at which the window of `at` begins."""
    return int(at // WIDTH) * WIDTH


def bucket(seconds: float) -> int:
    """The log bucket of a duration in seconds."""
    return math.ceil(math.log(max(seconds, _SMALLEST)) / _LOG_GAMMA)


def bucket_value(index: int) -> float:
    """The duration that stands for a bucket: within one per cent of all in it."""
    return float(2 * _GAMMA**index / (_GAMMA + 1))


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """The duration that `share` (0 to 1) of the values do not exceed; None without values."""
    total = sum(histogram.values())
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= rank:
            return bucket_value(index)
    raise AssertionError("a rank lies within the total")  # pragma: no cover


def fold(window: Window | None, start: int, audits: Iterable[tuple[int, Audit]]) -> Window:
    """`window` with more audit records, given as (offset, record) in offset order.

    A record that the window already holds changes nothing: the row carries the last applied
    offset, because after a crash the same records come again.
    """
    window = window or Window(start=start, offset=-1)
    offset = window.offset
    counts = dict(window.counts)
    histograms = {name: dict(buckets) for name, buckets in window.histograms.items()}
    for at, audit in audits:
        if at <= offset:
            continue
        offset = at
        for name in counters_of(audit):
            counts[name] = counts.get(name, 0) + 1
        for name, seconds in timings_of(audit):
            buckets = histograms.setdefault(name, {})
            index = bucket(seconds)
            buckets[index] = buckets.get(index, 0) + 1
    return Window(start=start, offset=offset, counts=counts, histograms=histograms)


def counters_of(audit: Audit) -> Iterable[str]:
    """The names that one audit record counts under."""
    yield f"{audit.stage}.{audit.what}"
    if audit.outcome is not None:
        yield f"outcome.{audit.outcome.value}"
    if audit.reason is not None and audit.what in {"withheld", "duplicated", "quarantined"}:
        yield f"{audit.what}.{audit.reason}"
    if audit.what == "classified":
        yield "decisions"
        yield f"path.{audit.detail.get('path', 'unknown')}"
    if audit.what == "ended" and not audit.detail.get("released"):
        # Decisions less successes are the plans that stopped half-way, stopped or still run.
        if audit.outcome is not Outcome.DEAD_LETTERED:
            yield "actions_success"
        elif audit.detail.get("partial"):
            yield "actions_partial"


def timings_of(audit: Audit) -> Iterable[tuple[str, float]]:
    """The durations in seconds that one audit record adds, by histogram name."""
    if audit.what == "routed" and audit.seconds is not None:
        yield "webhook_to_routed", audit.seconds
    if audit.outcome is not None and audit.seconds is not None:
        yield "webhook_to_outcome", audit.seconds
    spent = audit.detail.get("seconds")
    if isinstance(spent, int | float):
        yield f"stage.{audit.stage}", float(spent)


def merge(windows: Iterable[Window]) -> Window:
    """All of `windows` as one: counts added, histograms added; it starts at the earliest."""
    counts: dict[str, int] = {}
    histograms: dict[str, dict[int, int]] = {}
    start: int | None = None
    for window in windows:
        start = window.start if start is None else min(start, window.start)
        for name, count in window.counts.items():
            counts[name] = counts.get(name, 0) + count
        for name, buckets in window.histograms.items():
            into = histograms.setdefault(name, {})
            for index, count in buckets.items():
                into[index] = into.get(index, 0) + count
    return Window(start=start or 0, offset=0, counts=counts, histograms=histograms)
