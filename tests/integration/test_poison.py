"""Records and the deaths of their process: whose fault it was, and what becomes of the record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from pipeline.stream.attempts import POISON_AFTER
from pipeline.stream.guard import EXIT_CRASH
from sandbox.kafka import Broker

pytestmark = pytest.mark.integration


class Copying:
    """A worker that copies `values`, restarted whenever it dies, and what came out."""

    def __init__(self, broker: Broker, name: str, folder: Path, *values: bytes) -> None:
        self._broker, self._name, self._folder = broker, name, folder
        topics = [f"{name}-{each}" for each in ("in", "out", "in.dlq", "changelog")]
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        for made in admin.create_topics([NewTopic(each, 1, 1) for each in topics]).values():
            made.result()
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.bootstrap})
        for value in values:
            producer.produce(topics[0], value, b"k")
        producer.flush()
        self.out: set[bytes] = set()
        self.dead: list[confluent_kafka.Message] = []
        self.ends: list[int] = []
        """How each life ended."""

    @contextmanager
    def lives(self) -> Iterator[Iterator[None]]:
        """Each step of the iterator is a look at what came out and at whether it still lives."""
        settings = {"bootstrap.servers": self._broker.bootstrap, "group.id": f"{self._name}-see"}
        consumer = confluent_kafka.Consumer({**settings, "auto.offset.reset": "earliest"})
        consumer.subscribe([f"{self._name}-out", f"{self._name}-in.dlq"])
        worker = self._start()

        def look() -> Iterator[None]:
            nonlocal worker
            while True:
                self._take(consumer.poll(0.2))
                if worker.poll() is not None:
                    self.ends.append(worker.returncode)
                    worker = self._start()
                yield

        try:
            yield look()
        finally:
            worker.kill()
            worker.wait()
            consumer.close()

    def _take(self, message: confluent_kafka.Message | None) -> None:
        if message is None or message.error() is not None:
            return
        if (message.topic() or "").endswith(".dlq"):
            self.dead.append(message)
        else:
            self.out.add(message.value() or b"")

    def _start(self) -> subprocess.Popen[bytes]:
        env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self._broker.bootstrap}
        command = [sys.executable, "-m", "tests.integration.poison_worker"]
        return subprocess.Popen([*command, self._name, str(self._folder)], env=env)


def test_an_event_that_kills_five_times_becomes_a_dead_letter_and_its_neighbours_come_out(
    broker: Broker, tmp_path: Path
) -> None:
    copying = Copying(broker, "poison", tmp_path, b"a", b"b", b"kill", b"c", b"d")
    with copying.lives() as looks:
        for _ in looks:
            assert len(copying.ends) <= POISON_AFTER + 1
            if copying.dead and {b"a", b"b", b"c", b"d"} <= copying.out:
                break
    assert set(copying.ends) == {-signal.SIGKILL}
    assert len(copying.ends) >= POISON_AFTER
    assert [letter.value() for letter in copying.dead] == [b"kill"]
    assert dict(copying.dead[0].headers() or [])["sb-reason"] == b"poison"


@pytest.mark.full
@pytest.mark.timeout(240)
def test_an_event_that_blocks_the_loop_without_any_work_becomes_a_dead_letter_too(
    broker: Broker, tmp_path: Path
) -> None:
    copying = Copying(broker, "blocking", tmp_path, b"a", b"wait", b"b")
    with copying.lives() as looks:
        for _ in looks:
            assert len(copying.ends) <= POISON_AFTER + 1
            if copying.dead and {b"a", b"b"} <= copying.out:
                break
    assert set(copying.ends) == {EXIT_CRASH}
    assert [letter.value() for letter in copying.dead] == [b"wait"]


def test_a_process_that_ends_itself_for_another_reason_blames_no_event(
    broker: Broker, tmp_path: Path
) -> None:
    copying = Copying(broker, "innocent", tmp_path, b"a", b"end", b"b")
    reason = tmp_path / "end"
    reason.touch()
    with copying.lives() as looks:
        for _ in looks:
            if len(copying.ends) > POISON_AFTER:
                reason.unlink(missing_ok=True)
            if {b"a", b"end", b"b"} <= copying.out:
                break
    assert set(copying.ends) == {EXIT_CRASH}
    assert copying.dead == []
