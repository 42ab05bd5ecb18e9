"""Conversation -> its work that waits for its time, oldest first. Rows of a stage's own table.

A ticket with a row here has parked work, and everything that comes for it later waits behind it.
"""

from __future__ import annotations

from pipeline.domain.parking import Queue
from pipeline.stream.batch import AssignmentEnded
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.table import DurableTable

PREFIX = b"parked:"
"""Keeps the rows apart from the others: a ledger's keys are hex digits, an event's id is ``evt:...``."""


class ParkedTable:
    """Typed rows over the durable table.

    Every method raises `AssignmentEnded` when the partition is not this worker's any more.
    """

    def __init__(self, table: DurableTable, producer: Sender) -> None:
        self.table = table
        self._producer = producer

    async def queue(self, partition: int, key: bytes) -> Queue:
        """What waits for `key`; waits for the partition's restore."""
        try:
            await self.table.ready(partition)
            row = self.table.get(partition, PREFIX + key)
        except KeyError:
            raise AssignmentEnded from None
        return Queue() if row is None else Queue.parse(row)

    async def keep(self, partition: int, key: bytes, queue: Queue, *outputs: Outgoing) -> None:
        """Makes the row and `outputs` durable; an empty row is removed."""
        row = queue.to_bytes() if queue.waiting else None
        puts = {PREFIX + key: row}
        try:
            await self.table.commit(partition, puts, self._producer, outputs=outputs)
        except KeyError:
            raise AssignmentEnded from None
