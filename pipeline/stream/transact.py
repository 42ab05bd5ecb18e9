"""A batch as one step: read the table, decide, make everything durable, then write the table.

Order, and why: changelog and outputs are produced together and acknowledged *before* the local
store is written and before the watermark moves. After a crash the store is at or behind its
changelog, never ahead, and whatever was not acknowledged is fetched again.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.stream.batch import Batch
from pipeline.stream.guard import Crash
from pipeline.stream.lanes import Lanes
from pipeline.stream.producer import Outgoing, Sender
from pipeline.stream.table import DurableTable


@dataclass(frozen=True)
class Effects:
    """What a batch comes to: table rows to put (None deletes) and records to produce."""

    puts: Mapping[bytes, bytes | None] = field(default_factory=dict)
    outputs: Sequence[Outgoing] = ()


async def transact(
    batches: AsyncIterable[Batch],
    decide: Callable[[Batch], Awaitable[Effects] | Effects],
    *,
    table: DurableTable,
    producer: Sender,
    on_crash: Crash,
) -> None:
    """Runs `decide` over each batch; partitions side by side, one partition in order.

    `decide` may read `table` for the batch's partition and must not write. An exception of any
    kind is an infrastructure failure: `on_crash` is called and the batch is fetched again.
    """

    async def step(batch: Batch) -> None:
        if not batch.is_current:
            return
        with batch.assignment.running():
            await table.ready(batch.partition)
            made = decide(batch)
            effects = await made if isinstance(made, Awaitable) else made
            await table.commit(batch.partition, effects.puts, producer, outputs=effects.outputs)
            batch.finish()

    # No limit: a partition has one lane, and a worker has few partitions.
    partitions: Lanes[Batch] = Lanes(step, limit=10_000, on_crash=on_crash)
    async for batch in batches:
        partitions.submit(batch.partition, batch)
    await partitions.drain()
