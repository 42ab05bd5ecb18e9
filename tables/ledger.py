"""Action id -> what is durable about sending its reply. Owned by `act`.

Two write-once rows per action, ``#intent`` before the send and ``#done`` after it. Only a send
that the helpdesk refused without writing anything takes its intent back.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain.ledger import Done, Intent, done_key, intent_key
from pipeline.stream.producer import Sender
from pipeline.stream.table import DurableTable

NAME = "ledger"


@dataclass(frozen=True)
class Rows:
    """What the ledger holds for one action."""

    intent: Intent | None
    done: Done | None


class LedgerTable:
    """Typed rows over the durable table."""

    def __init__(self, table: DurableTable, producer: Sender) -> None:
        self.table = table
        self._producer = producer

    async def rows(self, partition: int, action_id: str) -> Rows:
        """The durable rows of an action; waits for the partition's restore."""
        await self.table.ready(partition)
        keys = [intent_key(action_id).encode(), done_key(action_id).encode()]
        intent, done = self.table.get_many(partition, keys)
        return Rows(
            None if intent is None else Intent.parse(intent),
            None if done is None else Done.parse(done),
        )

    async def reserve(self, partition: int, intent: Intent) -> None:
        """Makes the intent durable; nothing may be sent before this returns."""
        await self._put(partition, intent_key(intent.action_id), intent.to_bytes())

    async def finish(self, partition: int, done: Done) -> None:
        """Makes the end durable."""
        await self._put(partition, done_key(done.action_id), done.to_bytes())

    async def release(self, partition: int, action_id: str) -> None:
        """Takes an intent back: the helpdesk said that nothing was written."""
        await self._put(partition, intent_key(action_id), None)

    async def _put(self, partition: int, key: str, value: bytes | None) -> None:
        await self.table.commit(partition, {key.encode(): value}, self._producer)
