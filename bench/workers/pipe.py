"""`python -m bench.workers.pipe`: dedup and forward on `pipeline.stream`, every guarantee on.

The mark of an event holds its winner's coordinates, so a record that comes again after a crash
passes again and a duplicate never does. Settings come from the environment, see `bench.pipe`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop

from pipeline.stream.app import DurableApp
from pipeline.stream.batch import Batch
from pipeline.stream.changelog import Changelogs
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.guard import crash
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.table import DurableTable
from pipeline.stream.transact import Effects, transact

LINGER = float(os.environ.get("BENCH_LINGER", "0.005"))


def decide(batch: Batch, table: DurableTable, output: str) -> Effects:
    """What the batch adds to the store and passes on."""
    ids = [orjson.loads(record.value)["event_id"].encode() for record in batch.records]  # type: ignore[arg-type]
    winners = dict(zip(ids, table.get_many(batch.partition, ids), strict=True))
    marks: dict[bytes, bytes | None] = {}
    passed = []
    for record, event_id in zip(batch.records, ids, strict=True):
        here = b"%d/%d" % (record.partition, record.offset)
        winner = winners[event_id]
        if winner is None:
            winners[event_id] = marks[event_id] = here
        elif winner != here:
            continue
        passed.append(Outgoing(output, record.key, record.value, (), record.partition))
    return Effects(marks, passed)


async def run(env: dict[str, str]) -> None:
    """Works until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    folder = Path(env["BENCH_FOLDER"])
    app = DurableApp(
        env["BENCH_GROUP"],
        bootstrap_servers=env["BENCH_BROKER"],
        folder=folder,
        group_instance_id="bench" if env["BENCH_VARIANT"] == "static" else None,
    )
    table = DurableTable(
        "seen",
        changelog=f"{env['BENCH_GROUP']}-seen-changelog",
        folder=folder,
        open_changelog=Changelogs(
            env["BENCH_BROKER"], group=env["BENCH_GROUP"], source=env["BENCH_SOURCE"]
        ).open,
    )
    app.durable.append(table)
    producer = Producer(
        env["BENCH_BROKER"], client_id="bench", linger=LINGER, fence=app.stalls.look
    )
    letters = DeadLetters(
        producer,
        lambda record, reason: [
            dead_letter(record, stage="bench", reason=reason, failed_at=time.time())
        ],
    )

    @app.agent(app.batches(env["BENCH_SOURCE"]), name="pipe")  # type: ignore[untyped-decorator]
    async def pipe(batches: Any) -> None:
        await transact(
            batches,
            functools.partial(decide, table=table, output=env["BENCH_OUTPUT"]),
            table=table,
            producer=producer,
            on_crash=crash,
            letters=letters,
        )

    await app.start()
    gc.freeze()
    await stop.wait()
    await app.stop()
    await producer.close()
    await table.close()


if __name__ == "__main__":
    sys.exit(uvloop.run(run(dict(os.environ))))
