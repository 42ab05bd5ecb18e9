"""Wider windows kept beside the narrow ones, so that a long range is read in few rows.

A wider window is the sum of the narrow ones that lie in it, and has a row for each metric: a
question about one metric reads no other. It is written when the trail's time has left it, and
again for each record that comes late. The window that the newest record lies in, and so those
around it, are read from narrower rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import Field

from pipeline.domain.events import Message
from pipeline.domain.metrics import named
from pipeline.domain.query import WIDTH
from pipeline.domain.tally import Counted, Tally

WIDTHS = (3600, 900, 300, 60)
"""Seconds of the wider windows, each a whole number of the next one."""


class Newest(Message):
    """Where the newest window of a partition begins, in unix seconds."""

    start: int


class Rolled(Message):
    """One metric in one wider window; a histogram is its bucket numbers and their counts."""

    start: int
    counts: dict[str, int] = Field(default_factory=dict)
    histograms: dict[str, tuple[list[int], list[int]]] = Field(default_factory=dict)
    levels: dict[str, float] = Field(default_factory=dict)


def left(newest: int, touched: Iterable[int]) -> list[tuple[int, int]]:
    """Wider windows to write, as (width, start), after records of the windows `touched` came.

    `newest` is the newest window before them; those that come late lie in windows left long ago.
    """
    starts = {newest, *touched}
    last = max(starts)
    return sorted(
        {
            (width, start // width * width)
            for width in WIDTHS
            for start in starts
            if start // width < last // width
        }
    )


def rolled(start: int, narrow: Iterable[Counted]) -> dict[str, Rolled]:
    """The wider window that begins at `start`, by metric, as the sum of its `narrow` ones."""
    whole = Tally()
    for each in narrow:
        whole.add(each)
    found: dict[str, Rolled] = defaultdict(lambda: Rolled(start=start))
    for series, count in whole.counts.items():
        found[named(series)].counts[series] = count
    for series, buckets in whole.histograms.items():
        found[named(series)].histograms[series] = (list(buckets), list(buckets.values()))
    for series, level in whole.levels.items():
        found[named(series)].levels[series] = level
    return dict(found)


def cover(
    begin: int, end: int, newest: int, *, step: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """The rows that make up [`begin`, `end`), as (width, begin, end), widest possible.

    Each lies in one step of `step` seconds (None = all is one), and none of the wider ones in a
    window that `newest` lies in.
    """
    usable = tuple(width for width in WIDTHS if step is None or step % width == 0)
    yield from _cover(begin, end, newest, usable)


def _cover(
    begin: int, end: int, newest: int, widths: tuple[int, ...]
) -> Iterator[tuple[int, int, int]]:
    if begin >= end:
        return
    if not widths:
        yield WIDTH, begin, end
        return
    width, narrower = widths[0], widths[1:]
    first = -(-begin // width) * width
    last = min(end // width, newest // width) * width
    if first >= last:
        yield from _cover(begin, end, newest, narrower)
        return
    yield from _cover(begin, first, newest, narrower)
    yield width, first, last
    yield from _cover(last, end, newest, narrower)


class Columns(NamedTuple):
    """A histogram of a wider window: merged as it is stored, since a week has a million buckets."""

    indexes: list[int]
    times: list[int]

    def items(self) -> Iterable[tuple[int, int]]:
        """As of a dictionary."""
        return zip(self.indexes, self.times, strict=True)


def unrolled(row: Mapping[str, tuple[list[int], list[int]]]) -> dict[str, Columns]:
    """The histograms of a wider window, to be merged."""
    return {series: Columns(*pair) for series, pair in row.items()}
