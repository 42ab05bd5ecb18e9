"""Dedup and forward on FastStream, a message at a time; its state is a set in memory.

It does not wait for acknowledgements: each would cost the producer's linger.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

env = os.environ
broker = KafkaBroker(env["BENCH_BROKER"], acks="all", linger_ms=5, logger=None)
app = FastStream(broker, logger=None)
seen: set[str] = set()


@broker.subscriber(  # type: ignore[untyped-decorator]
    env["BENCH_SOURCE"],
    group_id=env["BENCH_GROUP"],
    auto_offset_reset="earliest",
)
async def pipe(event: dict[str, Any], message: KafkaMessage) -> None:
    """Forwards what the set does not know yet."""
    if event["event_id"] not in seen:
        seen.add(event["event_id"])
        await broker.publish(
            event, env["BENCH_OUTPUT"], key=message.raw_message.key, no_confirm=True
        )


asyncio.run(app.run())
