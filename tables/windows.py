"""Window start -> what was counted in it: ten seconds, and wider ones beside. Owned by `observe`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pipeline.domain.events import Audit
from pipeline.domain.metrics import named
from pipeline.domain.query import STEPS, WIDTH, Question
from pipeline.domain.rollup import Newest, cover, left, rolled, unrolled
from pipeline.domain.tally import Bucketed
from pipeline.domain.windows import Window, fold, window_start
from pipeline.stream.table import DurableTable
from pipeline.stream.windowed import WindowedTable

NAME = "windows"
KEPT = 7 * 24 * 3600.0
"""Seconds back that can be asked for; older ranges come from replaying the audit."""
RETENTION = KEPT + max(STEPS) + 2 * 3600.0
"""Seconds after a window's last record: who asks for the last week in steps is told the whole of the
first, and until rows expire some time passes."""

GATHER = 0.25
"""Seconds. Windows are read by people; a changelog record per audit record would cost more than the
event that it counts."""

_SERIES = "audit"
_NEWEST = WindowedTable.key("newest", 0)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some series of a window, as a question reads them (`pipeline.domain.query.Dated`)."""

    start: int
    counts: Mapping[str, int]
    histograms: Mapping[str, Bucketed]
    levels: Mapping[str, float]


class WindowsTable:
    """Typed rows over the durable table; each audit partition has rows of its own."""

    def __init__(self, table: DurableTable) -> None:
        self._windows = WindowedTable(table, width=WIDTH)

    @property
    def partitions(self) -> frozenset[int]:
        """The audit partitions whose windows are kept here now."""
        return frozenset(self._windows.table.partitions())

    def load(self, partition: int, starts: Iterable[int]) -> dict[int, Window]:
        """The stored windows among `starts` (unix seconds)."""
        rows = self._windows.load(partition, _SERIES, starts)
        return {start: Window.parse(row) for start, row in rows.items()}

    def fold(
        self, partition: int, audits: Iterable[tuple[float, int, Audit]]
    ) -> dict[bytes, bytes | None]:
        """The rows that more audit records change, given as (broker time, offset, record)."""
        by_window: dict[int, list[tuple[int, Audit]]] = defaultdict(list)
        for at, offset, audit in audits:
            # Broker time decides the window: a worker's own clock may be wrong.
            by_window[window_start(at)].append((offset, audit))
        stored = self.load(partition, by_window)
        return self.puts(
            partition,
            {start: fold(stored.get(start), start, some) for start, some in by_window.items()},
        )

    def puts(self, partition: int, folded: Mapping[int, Window]) -> dict[bytes, bytes | None]:
        """The rows to write for windows that were folded, with the wider ones that they change.

        In an order that a crash may cut anywhere: a window before what is summed up of it, and
        where the newest one lies, which says that those before it are summed up, at the end.
        """
        if not folded:
            return {}
        rows: dict[bytes, bytes | None] = {
            WindowedTable.key(_SERIES, start): window.to_bytes() for start, window in folded.items()
        }
        before = self._newest(partition)
        last = max(folded) if before is None else max(before, *folded)
        for width, start in left(last if before is None else before, folded):
            within = range(start, start + width, WIDTH)
            stored = self.load(partition, [each for each in within if each not in folded])
            mine = [folded[each] for each in within if each in folded]
            for metric, row in rolled(start, [*stored.values(), *mine]).items():
                rows[WindowedTable.key(_wide(width, metric), start)] = row.to_bytes()
        if last != before:
            rows[_NEWEST] = Newest(start=last).to_bytes()
        return rows

    def read(
        self, partition: int, question: Question, names: tuple[str, ...] | None = None
    ) -> Iterator[Piece]:
        """What a partition kept here holds for `question`, in few and wide rows.

        `names` are the metrics to read; None = those that the question is about.
        """
        step = None if len(question.starts) == 1 else question.step
        names = question.metric.stored if names is None else names
        newest = self._newest(partition) or 0
        for width, begin, end in cover(question.begin, question.end, newest, step=step):
            if width == WIDTH:
                yield from self._narrow(partition, names, begin, end)
            else:
                for name in names:
                    yield from self._wide(partition, width, name, begin, end)

    def between(self, begin: int, end: int) -> Iterator[Window]:
        """Every stored window of ten seconds that starts in [begin, end), partition by partition."""
        for partition in self.partitions:
            for _, row in self._windows.between(partition, _SERIES, begin, end):
                yield Window.parse(row)

    def _newest(self, partition: int) -> int | None:
        row = self._windows.table.get(partition, _NEWEST)
        return None if row is None else Newest.parse(row).start

    def _narrow(
        self, partition: int, names: tuple[str, ...], begin: int, end: int
    ) -> Iterator[Piece]:
        for start, row in self._windows.between(partition, _SERIES, begin, end):
            # Written by us and folded before: read without the model, which costs ten times more.
            window = orjson.loads(row)
            yield Piece(
                start,
                _of(window.get("counts", {}), names),
                {
                    series: {int(index): times for index, times in buckets.items()}
                    for series, buckets in _of(window.get("histograms", {}), names).items()
                },
                _of(window.get("levels", {}), names),
            )

    def _wide(self, partition: int, width: int, name: str, begin: int, end: int) -> Iterator[Piece]:
        for start, row in self._windows.between(partition, _wide(width, name), begin, end):
            window = orjson.loads(row)
            histograms = unrolled(window["histograms"])
            yield Piece(start, window["counts"], histograms, window["levels"])


def _wide(width: int, metric: str) -> str:
    return f"{width}s/{metric}"


def _of(series: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {each: value for each, value in series.items() if named(each) in names}
