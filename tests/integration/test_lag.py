"""A consumer that is dead, stuck on one event, looping or rewound, as `observe` sees it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from pipeline import topics
from pipeline.stream import admin
from pipeline.stream.parking import Parked
from sandbox.kafka import EmbeddedKafka
from tests.stream.memory_broker import FakeRecord

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PATIENCE = 150.0
"""Seconds; what takes ten of them on a quiet machine."""
Row = dict[str, Any]


@dataclass
class Desk:
    """A broker, `observe`, and the workers of the other stages, which are bad ones."""

    bootstrap: str
    folder: Path
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    @property
    def env(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
        return {
            **own,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SWITCHBOARD_PARTITIONS": "1",
            "SWITCHBOARD_DATA_DIR": str(self.folder),
        }

    def start(self, name: str, module: str = "tests.integration.lag_worker") -> dict[str, Any]:
        worker = subprocess.Popen(
            [sys.executable, "-m", module, name],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.workers[name] = worker
        assert worker.stdout is not None
        with worker.stdout:
            line = worker.stdout.readline()
        return json.loads(line) if line else {}

    def kill(self, name: str) -> None:
        self.workers[name].kill()
        self.workers[name].wait()

    def keep_starting(self, name: str) -> None:
        """Starts a worker again whenever it has died, as a supervisor does."""
        while not self.ended.is_set():
            self.start(name)
            self.workers[name].wait()

    def send(self, topic: topics.TopicSpec, *values: bytes) -> None:
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        for value in values:
            producer.produce(topic.name, value, b"k")
        producer.flush()

    def park(self, tier: str, due: float) -> None:
        record = FakeRecord(topics.REQUESTED.name, 0, 0, b"k", b"v", ())
        out = Parked(0, 1, due, topics.REQUESTED.name).record(topics.PARKED[tier].name, record)
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(out.topic, out.value, out.key, headers=list(out.headers))
        producer.flush()

    def lag(self, group: str, topic: topics.TopicSpec) -> Row:
        rows = httpx.get(f"{self.url}/lag").json()["lags"]
        found = {(each["group"], each["topic"]): each for each in rows}
        return dict(found[topics.GROUP_PREFIX + group, topic.name]) if found else {}

    def until(self, group: str, topic: topics.TopicSpec, holds: Callable[[Row], bool]) -> Row:
        ends = time.monotonic() + PATIENCE
        while True:
            row = self.lag(group, topic)
            if row and holds(row):
                return row
            assert time.monotonic() < ends, row
            time.sleep(0.5)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("lag")
    with EmbeddedKafka(folder / "kafka") as kafka:
        desk = Desk(kafka.start().bootstrap, folder / "data")
        admin.apply(desk.bootstrap, topics.plans(partitions=1, replication=1))
        looping = threading.Thread(target=desk.keep_starting, args=("act",))
        try:
            # One after the other: several interpreters that start at once slow each other down.
            desk.url = desk.start("observe", "agents")["url"]
            desk.start("classify")
            desk.start("dedup")
            looping.start()
            yield desk
        finally:
            desk.ended.set()
            for worker in list(desk.workers.values()):
                worker.kill()
            if looping.is_alive():
                looping.join()
            for worker in desk.workers.values():
                worker.kill()
                worker.wait()


def is_well(row: Row) -> bool:
    return (row["state"], row["lag"]) == ("OK", 0) and int(row["committed"]) > 0


def test_bad_workers_are_told_apart(desk: Desk) -> None:
    desk.send(topics.ACCEPTED, b"1", b"2", b"hang", b"3")
    desk.send(topics.REQUESTED, b"1", b"kill", b"2")
    desk.send(topics.RECEIVED, b"1", b"2", b"3")

    desk.until("dedup", topics.RECEIVED, is_well)
    desk.kill("dedup")
    desk.send(topics.RECEIVED, b"4", b"5")
    dead = desk.until("dedup", topics.RECEIVED, lambda row: row["state"] == "STOP")
    assert (dead["cause"], dead["owner"], dead["committed"], dead["end"]) == ("dead", None, 3, 5)

    stuck = desk.until("classify", topics.ACCEPTED, lambda row: row["state"] == "STALL")
    assert (stuck["cause"], stuck["committed"], stuck["read"], stuck["end"]) == ("stuck", 2, 4, 4)
    assert stuck["age"] >= 30

    looping = desk.until("act", topics.REQUESTED, lambda row: row["cause"] == "looping")
    # The record before the killer is committed, or it died too soon for that.
    assert (looping["state"], looping["end"]) == ("STALL", 3)
    assert looping["committed"] in {0, 1}


def test_a_stopped_process_is_dead_until_another_takes_over(desk: Desk) -> None:
    desk.start("dedup")
    desk.until("dedup", topics.RECEIVED, is_well)
    desk.workers["dedup"].send_signal(signal.SIGSTOP)
    desk.send(topics.RECEIVED, b"6")
    desk.until("dedup", topics.RECEIVED, lambda row: row["state"] == "STOP")
    desk.kill("dedup")
    desk.start("dedup")
    desk.until("dedup", topics.RECEIVED, is_well)


def test_a_rewound_group_is_seen_though_it_catches_up(desk: Desk) -> None:
    desk.workers["dedup"].send_signal(signal.SIGTERM)
    assert desk.workers["dedup"].wait() == 0
    there = TopicPartition(topics.RECEIVED.name, 0, 1)
    client = AdminClient({"bootstrap.servers": desk.bootstrap})
    for done in client.alter_consumer_group_offsets(
        [ConsumerGroupTopicPartitions("switchboard-dedup", [there])]
    ).values():
        done.result()
    rewound = desk.until("dedup", topics.RECEIVED, lambda row: row["is_rewound"])
    assert (rewound["state"], rewound["cause"]) in {("REWIND", "rewound"), ("STOP", "dead")}
    desk.start("dedup")
    caught_up = desk.until("dedup", topics.RECEIVED, lambda row: row["lag"] == 0)
    assert caught_up["state"] == "REWIND"
    assert (
        'state="REWIND",topic="switchboard.tickets.received.v1"} 1.0'
        in httpx.get(f"{desk.url}/metrics").text
    )


def test_parked_work_waits_from_its_due_time(desk: Desk) -> None:
    desk.park("1h", time.time() + 3000)
    desk.park("30s", time.time() - 60)
    overdue = desk.until("parking", topics.PARKED["30s"], lambda row: row["state"] == "STOP")
    assert overdue["cause"] == "dead"
    waiting = desk.until("parking", topics.PARKED["1h"], lambda row: row["lag"] == 1)
    assert (waiting["state"], waiting["age"]) == ("OK", 0.0)


def test_the_command_asks_observe_and_looks_for_itself_where_none_runs(desk: Desk) -> None:
    desk.park("2m", time.time() - 60)
    assert command(desk)["source"] == "observe-0"
    desk.kill("observe")
    answer = command(desk)
    assert answer["source"] == "the broker, asked by this command"
    assert not answer["is_complete"]
    worst = answer["lags"][0]
    assert (worst["state"], worst["cause"]) == ("STOP", "dead")
    received = next(row for row in answer["lags"] if row["topic"] == topics.RECEIVED.name)
    assert received["read"] == received["committed"] == received["end"]


def command(desk: Desk) -> dict[str, Any]:
    answer = subprocess.run(
        [sys.executable, "-m", "console", "lag", "-o", "json"],
        cwd=ROOT, env=desk.env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    said: dict[str, Any] = json.loads(answer.stdout)
    return said
