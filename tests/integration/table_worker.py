"""A process with a durable table on a real broker: `python -m tests.integration.table_worker`.

Arguments: servers, changelog, source, folder, rows per second at most. It puts rows to partition 0
one commit after the other and prints each one's number once it is durable, until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from pipeline.stream.changelog import Changelogs
from pipeline.stream.producer import Producer
from pipeline.stream.restore import TableRefused
from pipeline.stream.table import DurableTable


async def run(servers: str, changelog: str, source: str, folder: str) -> int:
    logs = Changelogs(servers, group=f"{changelog}-group", source=source)
    table = DurableTable("rows", changelog=changelog, folder=Path(folder), open_changelog=logs.open)
    table.assign([0])
    try:
        await table.ready(0)
    except TableRefused:
        return 78
    producer = Producer(servers, client_id="table-worker")
    first = 1 + max((int(key[1:9]) for key, _ in table.items()), default=-1)
    sys.stdout.write(f"ready {first}\n")
    for number in range(first, 10**8):
        rows: dict[bytes, bytes | None] = {b"r%08d" % number: b"v" * 100}
        rows[b"s%08d" % (number % 10)] = None if number % 3 else b"%d" % number
        await table.commit(0, rows, producer)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(*sys.argv[1:])))
