"""Event id -> the first decision about it. Owned by `classify`.

A redelivery reuses the decision: a second model call could say something else, and then one
event would have two plans.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline import topics
from pipeline.domain.events import Decision
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.table import DurableTable

NAME = "decisions"
RETENTION = topics.ACCEPTED.retention_ms / 1000 + topics.LATE_DELETION
"""Seconds: as long as the event can be delivered again."""


class DecisionsTable:
    """Typed rows over the durable table."""

    def __init__(self, table: DurableTable, producer: Sender) -> None:
        self.table = table
        self._producer = producer

    async def first(self, partition: int, event_id: str) -> Decision | None:
        """The stored decision, if there is one; waits for the partition's restore."""
        await self.table.ready(partition)
        row = self.table.get(partition, event_id.encode())
        return None if row is None else Decision.parse(row)

    async def keep(
        self, partition: int, event_id: str, decision: Decision, outputs: Sequence[Outgoing] = ()
    ) -> None:
        """Makes the decision and `outputs` durable; only then may it be forwarded."""
        row = {event_id.encode(): decision.to_bytes()}
        await self.table.commit(partition, row, self._producer, outputs=outputs)
