"""Dedup and forward on Quix Streams: its state store with a changelog, its checkpoints."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application

env = os.environ
app = Application(
    broker_address=env["BENCH_BROKER"],
    consumer_group=env["BENCH_GROUP"],
    auto_offset_reset="earliest",
    state_dir=env["BENCH_FOLDER"],
    loglevel="ERROR",
    commit_interval=1.0,
    producer_extra_config={"acks": "all", "linger.ms": 5, "queue.buffering.max.messages": 500_000},
    consumer_extra_config={"queued.min.messages": 100_000},
)
source = app.topic(env["BENCH_SOURCE"], key_deserializer="bytes", value_deserializer="json")
output = app.topic(env["BENCH_OUTPUT"], key_serializer="bytes", value_serializer="json")


def is_new(event: dict[str, Any], state: Any) -> bool:
    """Whether the store of this key does not know the event yet."""
    if state.exists(event["event_id"]):
        return False
    state.set(event["event_id"], 1)
    return True


app.dataframe(source).filter(is_new, stateful=True).to_topic(output)
app.run()
