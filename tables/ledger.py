"""Action id -> what is durable about each step at the helpdesk. Owned by `act`.

Rows of a step are write-once: ``#intent`` of each attempt before a reply is sent, ``#done`` after
it. Only a send that wrote nothing at the helpdesk takes its intent back. One row per ticket counts
its replies; it is written with the intent, so no reply is sent that is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.ledger import (
    MOST_ATTEMPTS,
    Done,
    Intent,
    TicketReplies,
    done_key,
    intent_key,
    ticket_key,
)
from pipeline.stream.batch import AssignmentEnded
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.table import DurableTable

NAME = "ledger"
RETENTION = 90 * 24 * 3600.0
"""Seconds: longer than dead letters and withheld replies can be brought back."""


@dataclass(frozen=True)
class Rows:
    """What the ledger holds for one reply and its ticket; `intent` is that of the last attempt."""

    intent: Intent | None
    done: Done | None
    ticket: TicketReplies


class LedgerTable:
    """Typed rows over the durable table.

    Every method raises `AssignmentEnded` when the partition is not this worker's any more.
    """

    def __init__(self, table: DurableTable, producer: Sender) -> None:
        self.table = table
        self._producer = producer

    async def rows(self, partition: int, action_id: str, conversation_id: str) -> Rows:
        """The durable rows of a reply; waits for the partition's restore."""
        attempts = [intent_key(action_id, n + 1) for n in range(MOST_ATTEMPTS)]
        keys = [done_key(action_id), ticket_key(conversation_id), *attempts]
        done, ticket, *intents = await self._get(partition, keys)
        last = next((row for row in reversed(intents) if row is not None), None)
        return Rows(
            intent=None if last is None else Intent.parse(last),
            done=None if done is None else Done.parse(done),
            ticket=TicketReplies(conversation_id=conversation_id)
            if ticket is None
            else TicketReplies.parse(ticket),
        )

    async def done(self, partition: int, action_ids: Sequence[str]) -> dict[str, Done]:
        """The steps among `action_ids` that have ended."""
        rows = await self._get(partition, [done_key(each) for each in action_ids])
        return {
            action_id: Done.parse(row)
            for action_id, row in zip(action_ids, rows, strict=True)
            if row is not None
        }

    async def reserve(
        self, partition: int, intent: Intent, ticket: TicketReplies, counted: Sequence[Outgoing]
    ) -> None:
        """Makes intent and counts durable; nothing may be sent before this returns."""
        # The count first: of a write that is cut off half-way it may stay alone, never the intent.
        rows = {
            ticket_key(ticket.conversation_id): ticket.to_bytes(),
            intent_key(intent.action_id, intent.attempt): intent.to_bytes(),
        }
        await self._put(partition, rows, counted)

    async def finish(
        self, partition: int, done: Iterable[Done], *, outputs: Sequence[Outgoing] = ()
    ) -> None:
        """Makes ends durable, together with `outputs`."""
        rows = {done_key(each.action_id): each.to_bytes() for each in done}
        await self._put(partition, rows, outputs)

    async def take_back(self, partition: int, intent: Intent) -> None:
        """Takes an intent back: nothing was written. The reply keeps its place in the counts."""
        await self._put(partition, {intent_key(intent.action_id, intent.attempt): None}, ())

    async def give_up_place(
        self, partition: int, ticket: TicketReplies, uncounted: Sequence[Outgoing]
    ) -> None:
        """Writes the counts without a reply that will not be sent."""
        await self._put(
            partition, {ticket_key(ticket.conversation_id): ticket.to_bytes()}, uncounted
        )

    async def _get(self, partition: int, keys: Sequence[str]) -> list[bytes | None]:
        try:
            await self.table.ready(partition)
            return self.table.get_many(partition, [key.encode() for key in keys])
        except KeyError:
            raise AssignmentEnded from None

    async def _put(
        self, partition: int, rows: Mapping[str, bytes | None], outputs: Sequence[Outgoing]
    ) -> None:
        puts = {key.encode(): value for key, value in rows.items()}
        try:
            await self.table.commit(partition, puts, self._producer, outputs=outputs)
        except KeyError:
            raise AssignmentEnded from None
