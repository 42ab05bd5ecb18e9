"""`python -m bench.workers.windows`: the windows of `observe`, as the product folds them.

Every metric of the catalogue is counted, not only the one that is asked for at the end. Settings
come from the environment, see `bench.windows`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop

from pipeline.domain.events import Audit
from pipeline.domain.query import answer, ask
from pipeline.stream.app import DurableApp
from pipeline.stream.batch import Batch
from pipeline.stream.changelog import Changelogs
from pipeline.stream.guard import crash
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.table import DurableTable
from pipeline.stream.transact import Effects, transact
from tables.windows import GATHER, WindowsTable

METRIC = "stage_duration_seconds"


class Progress:
    """Tells when the first event was taken, and when all are in the table."""

    def __init__(self, producer: Producer, output: str, events: int) -> None:
        self._producer = producer
        self._output = output
        self._left = events
        self.done = asyncio.Event()

    async def took(self, events: int, *, is_first: bool) -> None:
        """`events` more are about to be folded."""
        if is_first:
            await self.tell({"what": "begun"})
        self._left -= events
        if self._left <= 0:
            self.done.set()

    async def tell(self, what: dict[str, Any]) -> None:
        """Writes to the output."""
        await self._producer.send([Outgoing(self._output, b"", orjson.dumps(what), (), 0)])


async def run(env: dict[str, str]) -> None:
    """Works until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    folder = Path(env["BENCH_FOLDER"])
    app = DurableApp(
        env["BENCH_GROUP"],
        bootstrap_servers=env["BENCH_BROKER"],
        folder=folder,
        gather=GATHER,
    )
    table = DurableTable(
        "latency",
        changelog=f"{env['BENCH_GROUP']}-latency-changelog",
        folder=folder,
        open_changelog=Changelogs(
            env["BENCH_BROKER"], group=env["BENCH_GROUP"], source=env["BENCH_SOURCE"]
        ).open,
    )
    app.durable.append(table)
    producer = Producer(env["BENCH_BROKER"], client_id="bench", fence=app.stalls.look)
    progress = Progress(producer, env["BENCH_OUTPUT"], int(env["BENCH_EVENTS"]))
    windows = WindowsTable(table)
    is_first = True

    async def decide(batch: Batch) -> Effects:
        nonlocal is_first
        was_first, is_first = is_first, False
        await progress.took(len(batch.records), is_first=was_first)
        audits = (
            (record.timestamp / 1000, record.offset, Audit.parse(record.value))
            for record in batch.records
        )
        return Effects(windows.fold(batch.partition, audits))

    @app.agent(app.batches(env["BENCH_SOURCE"]), name="windows")  # type: ignore[untyped-decorator]
    async def observe(batches: Any) -> None:
        await transact(batches, decide, table=table, producer=producer, on_crash=crash)

    await app.start()
    gc.freeze()
    await progress.done.wait()
    await progress.tell(
        {"what": "answer", "lines": await answered(windows, int(env["BENCH_EVENTS"]))}
    )
    await stop.wait()
    await app.stop()
    await producer.close()
    await table.close()


async def answered(windows: WindowsTable, events: int) -> list[dict[str, Any]]:
    """p95 and p99 of each stage over everything, once all of it is durable."""
    while True:
        question = ask(METRIC, 0, time.time() + 60, by=("stage",))
        pieces = [piece for each in windows.partitions for piece in windows.read(each, question)]
        lines: list[dict[str, Any]] = [
            {
                "stage": line.labels["stage"],
                "count": point.count,
                "p95": point.p95,
                "p99": point.p99,
            }
            for line in answer(pieces, question)
            for point in line.points
        ]
        if sum(line["count"] for line in lines) >= events:
            return lines
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    sys.exit(uvloop.run(run(dict(os.environ))))
