"""`python -m tests.integration.poison_worker FOLDER`: copies records, and dies at one of them.

A value `kill` ends the process as the out-of-memory killer would: no exception, no clean-up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from pipeline.stream.app import DurableApp
from pipeline.stream.batch import Batch
from pipeline.stream.changelog import Changelogs
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.guard import crash
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.table import DurableTable
from pipeline.stream.transact import Effects, transact


def decide(batch: Batch) -> Effects:
    if any(record.value == b"kill" for record in batch.records):
        os.kill(os.getpid(), signal.SIGKILL)
    return Effects(
        outputs=[Outgoing("poison-out", record.key, record.value) for record in batch.records]
    )


async def main(folder: Path, bootstrap: str) -> None:
    app = DurableApp("poison", bootstrap_servers=bootstrap, folder=folder, group_instance_id="one")
    table = DurableTable(
        "rows",
        changelog="poison-changelog",
        folder=folder,
        open_changelog=Changelogs(bootstrap, group="poison", source="poison-in").open,
    )
    app.durable.append(table)
    producer = Producer(bootstrap, client_id="poison", fence=app.stalls.look)
    letters = DeadLetters(
        producer,
        lambda record, reason: [dead_letter(record, stage="s", reason=reason, failed_at=0.0)],
    )

    @app.agent(app.batches("poison-in"), name="copy")  # type: ignore[untyped-decorator]
    async def copy(batches: Any) -> None:
        await transact(
            batches, decide, table=table, producer=producer, on_crash=crash, letters=letters
        )

    await app.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
