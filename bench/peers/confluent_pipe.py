"""Dedup and forward as a bare loop on confluent-kafka and RocksDB: the floor of what Python costs.

It acknowledges nothing before the commit of a batch is safe, but restores no state and is ready
for no rebalance.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer
from rocksdict import Options, Rdict, WriteBatch

env = os.environ
BATCH = 4000
CHANGELOG = f"{env['BENCH_GROUP']}-seen-changelog"

running = True


def stop(*_: Any) -> None:
    """Ends the loop."""
    global running  # noqa: PLW0603 - the whole program is one loop
    running = False


signal.signal(signal.SIGTERM, stop)
address = {"bootstrap.servers": env["BENCH_BROKER"]}
consumer = Consumer(
    {
        **address,
        "group.id": env["BENCH_GROUP"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
)
producer = Producer(
    {
        **address,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": 500_000,
    }
)
seen = Rdict(env["BENCH_FOLDER"], Options(raw_mode=True))
consumer.subscribe([env["BENCH_SOURCE"]])
while running:
    messages = [each for each in consumer.consume(BATCH, timeout=0.2) if each.error() is None]
    if not messages:
        continue
    ids = [orjson.loads(each.value())["event_id"].encode() for each in messages]
    known = dict(zip(ids, seen.get(ids), strict=True))
    new = WriteBatch(raw_mode=True)
    for message, event_id in zip(messages, ids, strict=True):
        if known[event_id] is None:
            known[event_id] = b"1"
            new.put(event_id, b"1")
            producer.produce(CHANGELOG, b"1", event_id, message.partition())
            producer.produce(
                env["BENCH_OUTPUT"], message.value(), message.key(), message.partition()
            )
    producer.flush()
    seen.write(new)
    consumer.commit(asynchronous=True)
consumer.close()
