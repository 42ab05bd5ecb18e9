"""An event that kills its process: five lives, then a dead letter, and the others go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.stream.attempts import POISON_AFTER
from sandbox.kafka import Broker

TOPICS = ("poison-in", "poison-out", "poison-in.dlq", "poison-changelog")
VALUES = [b"a", b"b", b"kill", b"c", b"d"]


def test_an_event_that_kills_five_times_becomes_a_dead_letter_and_its_neighbours_come_out(
    broker: Broker, tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for made in admin.create_topics([NewTopic(name, 1, 1) for name in TOPICS]).values():
        made.result()
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
    for value in VALUES:
        producer.produce("poison-in", value, b"k")
    producer.flush()
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "see", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["poison-out", "poison-in.dlq"])
    out: list[bytes] = []
    dead: list[confluent_kafka.Message] = []
    deaths = 0
    worker = start(broker, tmp_path)
    try:
        while not (dead and {b"a", b"b", b"c", b"d"} <= set(out)):
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                (dead if message.topic() == "poison-in.dlq" else out).append(
                    message if message.topic() == "poison-in.dlq" else message.value()
                )
            if worker.poll() is not None:
                assert worker.returncode == -signal.SIGKILL
                deaths += 1
                assert deaths <= POISON_AFTER + 1
                worker = start(broker, tmp_path)
    finally:
        worker.kill()
        worker.wait()
        consumer.close()
    assert [letter.value() for letter in dead] == [b"kill"]
    assert dict(dead[0].headers() or [])["sb-reason"] == b"poison"
    assert deaths >= POISON_AFTER


def start(broker: Broker, folder: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}
    command = [sys.executable, "-m", "tests.integration.poison_worker", str(folder)]
    return subprocess.Popen(command, env=env)
