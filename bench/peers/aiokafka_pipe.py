"""Dedup and forward as a bare loop on aiokafka; its state is a set in memory, with a changelog."""

from __future__ import annotations

import asyncio
import os
import signal

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

env = os.environ
CHANGELOG = f"{env['BENCH_GROUP']}-seen-changelog"


async def main() -> None:
    """Whole fetches; each is acknowledged before it is committed."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOKafkaConsumer(
        env["BENCH_SOURCE"],
        bootstrap_servers=env["BENCH_BROKER"],
        group_id=env["BENCH_GROUP"],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=env["BENCH_BROKER"],
        acks="all",
        linger_ms=5,
        max_batch_size=1 << 18,
        enable_idempotence=True,
    )
    await producer.start()
    await consumer.start()
    seen: set[str] = set()
    while not stop.is_set():
        sent = []
        for records in (await consumer.getmany(timeout_ms=200, max_records=4000)).values():
            for record in records:
                event_id = orjson.loads(record.value)["event_id"]
                if event_id in seen:
                    continue
                seen.add(event_id)
                sent += [
                    await producer.send(
                        CHANGELOG, b"1", key=event_id.encode(), partition=record.partition
                    ),
                    await producer.send(
                        env["BENCH_OUTPUT"],
                        record.value,
                        key=record.key,
                        partition=record.partition,
                    ),
                ]
        if sent:
            await asyncio.gather(*sent)
            await consumer.commit()
    await consumer.stop()
    await producer.stop()


uvloop.run(main())
