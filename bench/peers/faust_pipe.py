"""Dedup and forward on stock Faust: its table, its stream, its producer."""

from __future__ import annotations

import os
from typing import Any

import faust

env = os.environ
rocksdb = env["BENCH_VARIANT"] == "rocksdb"
app = faust.App(
    env["BENCH_GROUP"],
    broker=f"kafka://{env['BENCH_BROKER']}",
    store="rocksdb://" if rocksdb else "memory://",
    datadir=env["BENCH_FOLDER"],
    topic_partitions=4,
    web_enabled=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    producer_acks=-1,
    producer_linger=0.005,
    broker_max_poll_records=1000,
    broker_session_timeout=10.0,
    broker_heartbeat_interval=3.0,
)
source = app.topic(env["BENCH_SOURCE"], key_type=bytes, value_serializer="json", partitions=4)
output = app.topic(env["BENCH_OUTPUT"], key_type=bytes, value_serializer="json", partitions=4)
# The defaults let each of the four stores claim a block cache of 2 GiB.
options: dict[str, Any] = {"block_cache_size": 32 << 20, "write_buffer_size": 8 << 20}
seen = app.Table(
    "seen", key_type=str, value_type=str, partitions=4, **({"options": options} if rocksdb else {})
)


@app.agent(source)  # type: ignore[untyped-decorator]
async def pipe(events: Any) -> None:
    """Forwards what its table does not know yet."""
    async for event in events.events():
        event_id = event.value["event_id"]
        if event_id not in seen:
            seen[event_id] = "1"
            await output.send(key=event.key, value=event.value)


if __name__ == "__main__":
    app.main()
