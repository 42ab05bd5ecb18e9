"""Window start -> counters and histograms of ten seconds. Owned by `observe`."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.domain.windows import Window
from pipeline.stream.table import DurableTable

NAME = "windows"


class WindowsTable:
    """Typed rows over the durable table; each audit partition has rows of its own."""

    def __init__(self, table: DurableTable) -> None:
        self.table = table

    def load(self, partition: int, starts: Iterable[int]) -> dict[int, Window]:
        """The stored windows among `starts` (unix seconds)."""
        wanted = list(starts)
        rows = self.table.get_many(partition, [_key(start) for start in wanted])
        return {
            start: Window.parse(row)
            for start, row in zip(wanted, rows, strict=True)
            if row is not None
        }

    def between(self, begin: int, end: int) -> list[Window]:
        """Every stored window that starts in [begin, end), of all partitions owned here."""
        return [
            Window.parse(row) for key, row in self.table.items() if _key(begin) <= key < _key(end)
        ]

    @staticmethod
    def puts(windows: Iterable[Window]) -> dict[bytes, bytes | None]:
        """The rows to write."""
        return {_key(window.start): window.to_bytes() for window in windows}


def _key(start: int) -> bytes:
    return b"w%012d" % start
