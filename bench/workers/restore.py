"""`python -m bench.workers.restore`: a stage joins its group and restores its table.

Prints when it was given its partitions and when the table was ready, then how many rows are right.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uvloop

from pipeline.stream.app import DurableApp
from pipeline.stream.changelog import Changelogs
from pipeline.stream.table import DurableTable


class TimedApp(DurableApp):
    """Notes when it was given its partitions."""

    began = 0.0

    def on_stream_assigned(self, partitions: Iterable[int]) -> None:
        """The first time counts."""
        self.began = self.began or time.time()
        super().on_stream_assigned(partitions)


async def run(env: dict[str, str]) -> None:
    """Restores once and ends."""
    folder = Path(env["BENCH_FOLDER"])
    app = TimedApp(env["BENCH_GROUP"], bootstrap_servers=env["BENCH_BROKER"], folder=folder)
    table = DurableTable(
        "seen",
        changelog=f"{env['BENCH_GROUP']}-seen-changelog",
        folder=folder,
        open_changelog=Changelogs(
            env["BENCH_BROKER"], group=env["BENCH_GROUP"], source=env["BENCH_SOURCE"]
        ).open,
    )
    app.durable.append(table)

    @app.agent(app.batches(env["BENCH_SOURCE"]), name="restore")  # type: ignore[untyped-decorator]
    async def restore(batches: Any) -> None:
        async for _ in batches:
            raise AssertionError("the source is empty")

    await app.start()
    while not (app.began and app.is_ready):  # noqa: ASYNC110 - Faust has no such event
        await asyncio.sleep(0.005)
    say(began=app.began, ready=time.time())
    say(rows=sum(value.startswith(key) for key, value in table.items()))
    await app.stop()
    await table.close()


def say(**what: float) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(run(dict(os.environ)))
