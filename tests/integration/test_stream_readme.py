"""The stage that `pipeline/stream/README.md` shows does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from sandbox.kafka import Broker

ROOT = Path(__file__).parents[2]
README = ROOT / "pipeline" / "stream" / "README.md"


def example() -> str:
    """The Python text of the README."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    return str(code)


def test_the_stage_is_thirty_lines_long() -> None:
    body = example().split("def bury", 1)[1].splitlines()
    assert len([line for line in body if line.strip()]) <= 30


def test_every_test_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", README.read_text())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_stage_passes_each_order_once_though_it_is_killed(
    broker: Broker, tmp_path: Path
) -> None:
    topics = [NewTopic(name, 2, 1) for name in ("orders", "orders.once", "orders.dlq")]
    topics.append(NewTopic("orders-seen", 2, 1, config={"cleanup.policy": "compact"}))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for made in admin.create_topics(topics).values():
        made.result()
    orders = [b"order-%d" % number for number in range(40)]
    send(broker, [*orders[:20], *orders[:10]])
    worker = start(broker, tmp_path)
    try:
        assert sorted(receive(broker, 20, worker)) == sorted(orders[:20])
        worker.kill()
        worker.wait()
        send(broker, [*orders[5:], *orders[5:10]])
        worker = start(broker, tmp_path)
        # What was not committed before the kill comes again; duplicates never do.
        assert set(receive(broker, 40, worker)) == set(orders)
    finally:
        worker.kill()
        worker.wait()


def start(broker: Broker, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", example(), broker.bootstrap, str(folder)]
    return subprocess.Popen(command, cwd=ROOT)


def send(broker: Broker, ids: list[bytes]) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": broker.bootstrap, "partitioner": "murmur2_random"}
    )
    for one in ids:
        producer.produce("orders", b"{}", one)
    producer.flush()


def receive(broker: Broker, ids: int, worker: subprocess.Popen[bytes]) -> list[bytes]:
    """The keys on `orders.once` from its beginning, until `ids` different ones are there."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "see", "enable.auto.commit": False}
    )
    consumer.assign(
        [
            confluent_kafka.TopicPartition("orders.once", n, confluent_kafka.OFFSET_BEGINNING)
            for n in (0, 1)
        ]
    )
    found: list[bytes] = []
    while len(set(found)) < ids:
        assert worker.poll() is None, "the stage has ended"
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            found.append(message.key() or b"")
    consumer.close()
    return found
