"""Restoring a table on stock Faust. Prints what `bench.workers.restore` prints."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import faust

env = os.environ
app = faust.App(
    env["BENCH_GROUP"],
    broker=f"kafka://{env['BENCH_BROKER']}",
    store="rocksdb://" if env["BENCH_VARIANT"] == "rocksdb" else "memory://",
    datadir=env["BENCH_FOLDER"],
    topic_partitions=4,
    web_enabled=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
)
source = app.topic(env["BENCH_SOURCE"], key_type=bytes, value_serializer="raw", partitions=4)
options = {"block_cache_size": 32 << 20, "write_buffer_size": 8 << 20}
stored: dict[str, Any] = {"options": options} if env["BENCH_VARIANT"] == "rocksdb" else {}
raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes}
seen = app.Table("seen", partitions=4, **raw, **stored)
began = 0.0


@app.agent(source)  # type: ignore[untyped-decorator]
async def restore(events: Any) -> None:
    """A table is assigned with the source of its agent."""
    async for event in events:
        seen[event] = b""


@app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
async def on_assigned(_: Any, assigned: Any, **__: Any) -> None:
    """The first time counts."""
    global began  # noqa: PLW0603 - a worker restores once
    if assigned and not began:
        began = time.time()


@seen.on_recover  # type: ignore[untyped-decorator]
async def on_recover() -> None:
    """Says it."""
    say(began=began, ready=time.time())
    say(rows=sum(value.startswith(key) for key, value in seen.items()))


def say(**what: float) -> None:
    """One line of JSON."""
    sys.__stdout__.write(json.dumps(what) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    app.main()
