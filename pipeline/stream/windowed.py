"""Rows of tumbling windows in a durable table: one for each series and window start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.stream.table import DurableTable


class WindowedTable:
    """A durable table whose rows are windows of `width` seconds.

    The table's retention ends a window that long after its last record, whatever its start: a
    late record makes its window live on, one that nobody writes to ends in time.
    """

    def __init__(self, table: DurableTable, *, width: int) -> None:
        self.table = table
        self.width = width

    def start_of(self, at: float) -> int:
        """The unix second at which the window of `at` begins."""
        return int(at // self.width) * self.width

    @staticmethod
    def key(series: str, start: int) -> bytes:
        """The key of a row: all windows of a series lie together, in the order of time.

        Raises:
            ValueError: the series is empty or holds a zero byte, which would mix it with others.
        """
        if not series or "\x00" in series:
            raise ValueError("a series has a name, without zero bytes")
        return series.encode() + b"\x00" + start.to_bytes(8)

    def load(self, partition: int, series: str, starts: Iterable[int]) -> dict[int, bytes]:
        """The stored rows among `starts`, in one read."""
        wanted = list(starts)
        rows = self.table.get_many(partition, [self.key(series, start) for start in wanted])
        return {start: row for start, row in zip(wanted, rows, strict=True) if row is not None}

    def between(
        self, partition: int, series: str, begin: int, end: int
    ) -> Iterator[tuple[int, bytes]]:
        """Every window of a restored partition that starts in [begin, end), in that order."""
        first, behind = self.key(series, max(0, begin)), self.key(series, max(0, end))
        for key, value in self.table.items_of(partition, first, behind):
            yield int.from_bytes(key[-8:]), value
