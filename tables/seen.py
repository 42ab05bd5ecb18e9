"""Event id -> the record that won it. Owned by `dedup`, partitioned like `tickets.received`."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import topics
from pipeline.domain.dedup import Seen
from pipeline.stream.table import DurableTable

NAME = "seen"
RETENTION = topics.RECEIVED.retention_ms / 1000 + topics.LATE_DELETION
"""Seconds. A row must outlive every record that it may have to recognise, in a replay too."""


class SeenTable:
    """Typed rows over the durable table."""

    def __init__(self, table: DurableTable) -> None:
        self.table = table

    def winners(self, partition: int, event_ids: Sequence[str]) -> dict[str, Seen]:
        """The known winners among `event_ids`."""
        rows = self.table.get_many(partition, [event_id.encode() for event_id in event_ids])
        return {
            event_id: Seen.parse(row)
            for event_id, row in zip(event_ids, rows, strict=True)
            if row is not None
        }

    @staticmethod
    def puts(marks: dict[str, Seen]) -> dict[bytes, bytes | None]:
        """The rows to write for new winners."""
        return {event_id.encode(): seen.to_bytes() for event_id, seen in marks.items()}
