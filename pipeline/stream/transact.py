"""A batch as one step: read the table, decide, make everything durable, then write the table.

Order, and why: changelog and outputs are produced together and acknowledged *before* the local
store is written and before the watermark moves. After a crash the store is at or behind its
changelog, never ahead, and whatever was not acknowledged is fetched again.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.stream.batch import Batch
from pipeline.stream.dead_letter import DeadLetters, is_nobodys_fault
from pipeline.stream.guard import Crash, give_up
from pipeline.stream.lanes import Lanes
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.table import DurableTable


@dataclass(frozen=True)
class Effects:
    """What a batch comes to: table rows to put (None deletes) and records to produce."""

    puts: Mapping[bytes, bytes | None] = field(default_factory=dict)
    outputs: Sequence[Outgoing] = ()


Decide = Callable[[Batch], Awaitable[Effects] | Effects]


async def transact(
    batches: AsyncIterable[Batch],
    decide: Decide,
    *,
    table: DurableTable,
    producer: Sender,
    on_crash: Crash,
    letters: DeadLetters | None = None,
) -> None:
    """Runs `decide` over each batch; partitions side by side, one partition in order.

    Batches that gather while their partition waits for the broker are decided as one.

    `decide` may read `table` for the batch's partition and must not write. When it raises, or its
    effects are too large for the broker, the records of the batch are tried one by one and the
    culprit goes to `letters`; without `letters`, and for trouble that is no record's fault,
    `on_crash` is called and the batch is fetched again.
    """
    work = _Transactions(decide, table, producer, letters)
    # No limit: a partition has one lane, and a worker has few partitions.
    partitions: Lanes[Batch] = Lanes(work.step, limit=10_000, on_crash=on_crash, merge=Batch.joined)
    async for batch in batches:
        partitions.submit(batch.partition, batch)
    await partitions.drain()


@dataclass(frozen=True)
class _Transactions:
    decide: Decide
    table: DurableTable
    producer: Sender
    letters: DeadLetters | None

    async def step(self, batch: Batch) -> None:
        if not batch.is_current:
            return
        with batch.assignment.running():
            try:
                await self._handle(batch)
            except BaseException as error:
                if is_nobodys_fault(error):
                    await give_up(batch.assignment)
                raise

    async def _handle(self, batch: Batch) -> None:
        await self.table.ready(batch.partition)
        if self.letters is None:
            await self._apply(batch)
        elif batch.is_poison:
            await self._bury(batch, "poison", self.letters)
        else:
            await self._apply_or_bury(batch, self.letters)

    async def _apply(self, batch: Batch) -> None:
        made = self.decide(batch)
        effects = await made if isinstance(made, Awaitable) else made
        await self.table.commit(
            batch.partition, effects.puts, self.producer, outputs=effects.outputs
        )
        batch.finish()
        if self.letters is not None:
            self.letters.handled()

    async def _apply_or_bury(self, batch: Batch, letters: DeadLetters) -> None:
        try:
            await self._apply(batch)
        except BaseException as error:
            reason = letters.reason(error)
            if reason is None:
                raise
            if not batch.is_current:
                # Its table may have been closed under it: the next owner has the last word.
                return
            if len(batch.records) == 1:
                await self._bury(batch, reason, letters)
                return
            for one in batch.one_by_one():
                await self._apply_or_bury(one, letters)

    async def _bury(self, batch: Batch, reason: str, letters: DeadLetters) -> None:
        for record in batch.records:
            await letters.bury(record, reason)
        batch.finish()
