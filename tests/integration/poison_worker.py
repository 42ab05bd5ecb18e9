"""`python -m tests.integration.poison_worker NAME FOLDER`: copies records, and dies at one of them.

A value `kill` ends the process as the out-of-memory killer would: no exception, no clean-up. A value
`wait` keeps the loop for itself for longer than it may, and works on nothing meanwhile. While there
is a file `end` in FOLDER, a value `end` makes the process end itself for another reason.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.stream.app import FATAL_STALL, DurableApp
from pipeline.stream.batch import Batch
from pipeline.stream.changelog import Changelogs
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.guard import crash
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.table import DurableTable
from pipeline.stream.transact import Effects, transact


def decide(app: DurableApp, folder: Path, batch: Batch) -> Effects:
    values = {record.value for record in batch.records}
    if b"kill" in values:
        os.kill(os.getpid(), signal.SIGKILL)
    if b"wait" in values:
        time.sleep(FATAL_STALL + 1)
    if b"end" in values and (folder / "end").exists():
        app.end("test", RuntimeError("something else is wrong"))
    return Effects(
        outputs=[
            Outgoing(record.topic.replace("-in", "-out"), record.key, record.value)
            for record in batch.records
        ]
    )


async def main(name: str, folder: Path, bootstrap: str) -> None:
    app = DurableApp(name, bootstrap_servers=bootstrap, folder=folder, group_instance_id="one")
    table = DurableTable(
        "rows",
        changelog=f"{name}-changelog",
        folder=folder,
        open_changelog=Changelogs(bootstrap, group=name, source=f"{name}-in").open,
    )
    app.durable.append(table)
    producer = Producer(bootstrap, client_id=name, fence=app.stalls.look)
    letters = DeadLetters(
        producer,
        lambda record, reason: [dead_letter(record, stage="s", reason=reason, failed_at=0.0)],
    )

    @app.agent(app.batches(f"{name}-in"), name="copy")  # type: ignore[untyped-decorator]
    async def copy(batches: Any) -> None:
        await transact(
            batches, functools.partial(decide, app, folder), table=table, producer=producer,
            on_crash=crash, letters=letters,
        )  # fmt: skip

    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
