"""Window start -> counters and histograms of ten seconds. Owned by `observe`."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.domain.query import WIDTH, Dated
from pipeline.domain.windows import Window
from pipeline.stream.table import DurableTable
from pipeline.stream.windowed import WindowedTable

NAME = "windows"
RETENTION = 7 * 24 * 3600.0
"""Seconds after a window's last record; older ranges come from replaying the audit."""


_SERIES = "audit"


class WindowsTable:
    """Typed rows over the durable table; each audit partition has rows of its own."""

    def __init__(self, table: DurableTable) -> None:
        self._windows = WindowedTable(table, width=WIDTH)

    def load(self, partition: int, starts: Iterable[int]) -> dict[int, Window]:
        """The stored windows among `starts` (unix seconds)."""
        rows = self._windows.load(partition, _SERIES, starts)
        return {start: Window.parse(row) for start, row in rows.items()}

    def between(self, begin: int, end: int) -> list[Dated]:
        """Every stored window that starts in [begin, end), of all partitions owned here."""
        return [Window.parse(row) for _, row in self._windows.between(_SERIES, begin, end)]

    @staticmethod
    def puts(windows: Iterable[Window]) -> dict[bytes, bytes | None]:
        """The rows to write."""
        return {WindowedTable.key(_SERIES, window.start): window.to_bytes() for window in windows}
