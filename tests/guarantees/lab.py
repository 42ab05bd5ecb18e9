"""What a test sees and does: topics of its own, commits, outputs, workers and their kill points."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds within which a fact must be seen; far more than any of them takes."""

NOT_YET = (
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
"""What a broker says of topics and groups that it is just making."""

T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """The answer, when the broker has what it is asked about."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET or time.monotonic() > ends:
                raise
            time.sleep(0.05)


class Worker:
    """A worker process of either kind."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, data: Path) -> None:
        self.process = process
        self.log = log
        self.data = data

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9; returns when the process is gone."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        """The exit code, when it ends by itself."""
        return self.process.wait(PATIENCE)

    @property
    def words(self) -> str:
        return self.log.read_text(errors="replace")


class Lab:
    """One test's own topics, group and files on the session's broker."""

    def __init__(self, bootstrap: str, name: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self.folder = folder
        self.steps = folder / "steps"
        self.steps.mkdir(parents=True)
        self.source, self.other = f"{name}-source", f"{name}-other"
        self.out, self.changelog = f"{name}-out", f"{name}-seen-changelog"
        quiet = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._admin = AdminClient(quiet)
        self._producer = Producer({**quiet, "linger.ms": 0, "enable.idempotence": True})
        # Asks for commits and never joins. The admin client's call for the same ends the process
        # (SIGSEGV, confluent-kafka 2.16.1) when it is the first that a new broker's groups see.
        self._group = Consumer({**quiet, "group.id": name})
        self._readers: dict[str, Reader] = {}
        self._workers: list[Worker] = []

    # -- topics -------------------------------------------------------------------------------

    def make(self, *topics: str, partitions: int = 1) -> None:
        """Creates topics and waits until the broker shows them."""
        compact = {"cleanup.policy": "compact"}
        wanted = [
            NewTopic(topic, partitions, 1, config=compact if topic == self.changelog else {})
            for topic in topics
        ]
        for future in self._admin.create_topics(wanted).values():
            future.result(PATIENCE)
        self.until("the topics are there", lambda: all(self.partitions(each) for each in topics))

    def make_anew(self, topic: str) -> None:
        """Deletes a topic with all that is in it, and creates it again."""
        for future in self._admin.delete_topics([topic]).values():
            future.result(PATIENCE)
        self.until("the topic is gone", lambda: not self.exists(topic))
        self.make(topic)

    def exists(self, topic: str) -> bool:
        return topic in self._admin.list_topics(timeout=PATIENCE).topics

    def make_all(self, *, partitions: int = 1) -> None:
        """The topics of a plain worker."""
        self.make(self.source, self.out, self.changelog, partitions=partitions)

    def partitions(self, topic: str) -> int:
        return len(self._admin.list_topics(topic, timeout=PATIENCE).topics[topic].partitions)

    def send(
        self, *values: str | bytes, topic: str = "", key: str = "k", partition: int = 0
    ) -> None:
        """Sends one record per value, acknowledged."""
        for value in values:
            self.produce(value, topic=topic, key=key, partition=partition)
        self.flush()

    def produce(
        self, value: str | bytes, *, topic: str = "", key: str = "k", partition: int = 0
    ) -> None:
        body = value if isinstance(value, bytes) else value.encode()
        self._producer.produce(topic or self.source, body, key.encode(), partition)

    def flush(self) -> None:
        if self._producer.flush(PATIENCE):
            raise AssertionError("the broker took nothing")

    def messages(self, topic: str = "") -> list[Message]:
        """Every record of the output (or another topic) up to its end as it is now."""
        topic = topic or self.out
        if topic not in self._readers:
            self._readers[topic] = Reader(self.bootstrap, topic, self.partitions(topic))
        return self._readers[topic].read()

    def values(self, topic: str = "") -> list[str]:
        return [(message.value() or b"").decode() for message in self.messages(topic)]

    def rows(self) -> dict[str, str]:
        """The changelog folded: the last value of each key; without the layer's own records."""
        folded = {
            message.key() or b"": message.value() for message in self.messages(self.changelog)
        }
        return {
            key.decode(): value.decode()
            for key, value in folded.items()
            if value is not None and not key.startswith(b"\0")
        }

    # -- the group ----------------------------------------------------------------------------

    def commits(self, topic: str = "") -> dict[int, int]:
        """Committed offset by partition; 0 where nothing was committed."""
        topic = topic or self.source
        places = [TopicPartition(topic, number) for number in range(self.partitions(topic))]
        answer = patiently(lambda: self._group.committed(places, timeout=PATIENCE))
        return {place.partition: max(0, place.offset) for place in answer}

    def committed(self, partition: int = 0, topic: str = "") -> int:
        return self.commits(topic)[partition]

    def commit(self, offset: int) -> None:
        """Commits for partition 0 of the source in the name of the group, while no worker runs."""
        place = TopicPartition(self.source, 0, offset)
        patiently(lambda: self._group.commit(offsets=[place], asynchronous=False))

    def group(self) -> tuple[str, int]:
        """The group's state and how many members it has."""
        found = self._admin.describe_consumer_groups([self.name])[self.name].result(PATIENCE)
        return found.state.name, len(found.members)

    # -- workers ------------------------------------------------------------------------------

    def start(self, kind: str, scene: str, *, worker: str = "a", **env: str) -> Worker:
        """Starts a worker, ``stock`` or ``durable``; its local state is kept by its name."""
        data, log = self.folder / f"data-{worker}", self.folder / f"{worker}.log"
        data.mkdir(exist_ok=True)
        command = [sys.executable, "-m", f"tests.guarantees.{kind}"]
        command += ["worker", "-l", "warn", "--without-web"] if kind == "stock" else []
        given = {
            "BOOTSTRAP": self.bootstrap, "NAME": self.name, "SCENE": scene, "WORKER": worker,
            "STEPS": str(self.steps), "DATA": str(data), **env,
        }  # fmt: skip
        with log.open("ab") as words:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **given}, stdout=words, stderr=words,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        started = Worker(process, log, data)
        self._workers.append(started)
        return started

    def hold(self, step: str) -> None:
        """The next worker that reaches `step` waits there."""
        (self.steps / f"{step}.reached").unlink(missing_ok=True)
        (self.steps / f"{step}.hold").touch()

    def release(self, step: str) -> None:
        (self.steps / f"{step}.hold").unlink(missing_ok=True)

    def die_at(self, step: str) -> None:
        """The next worker that reaches `step` is killed there, once."""
        (self.steps / f"{step}.die").touch()

    def fail_at(self, step: str) -> None:
        """The next worker that reaches `step` raises there, once."""
        (self.steps / f"{step}.fail").touch()

    def has_reached(self, step: str) -> bool:
        return (self.steps / f"{step}.reached").exists()

    def await_step(self, step: str) -> None:
        self.until(f"a worker reaches {step}", lambda: self.has_reached(step))

    def journal(self, what: str = "", ident: str = "") -> list[dict[str, Any]]:
        """What the workers noted, in the order of the clock."""
        file = self.steps / "journal"
        lines = file.read_bytes().splitlines() if file.exists() else []
        entries = [json.loads(line) for line in lines]
        wanted = [e for e in entries if what in ("", e["what"]) and ident in ("", e["id"])]
        return sorted(wanted, key=lambda entry: float(entry["at"]))

    # -- time ---------------------------------------------------------------------------------

    def until(self, what: str, is_so: Callable[[], bool], *, patience: float = PATIENCE) -> None:
        """Waits for a fact.

        Raises:
            AssertionError: it was not seen in time; with the last words of each worker.
        """
        if not self.comes(is_so, patience):
            last = "\n".join(
                f"{worker.log.name}: {worker.words[-1500:]}" for worker in self._workers
            )
            raise AssertionError(f"not seen in {patience:.0f} s: {what}\n{last}")

    def comes(self, is_so: Callable[[], bool], patience: float) -> bool:
        """Whether a fact is seen within `patience` seconds."""
        ends = time.monotonic() + patience
        while not is_so():
            if time.monotonic() > ends:
                return False
            time.sleep(0.05)
        return True

    def follows(self, *values: str) -> None:
        """Waits until each of `values` is on the output topic."""
        self.until(f"{values} come out", lambda: set(values) <= set(self.values()))

    def sentinel(self, *, topic: str = "", value: Callable[[str], str] = str) -> None:
        """Sends events until one comes out: whatever was before it then has had its turn."""
        sent: list[str] = []

        def comes_out() -> bool:
            sent.append(f"sentinel-{len(sent)}")
            self.send(value(sent[-1]), topic=topic)
            return self.comes(lambda: bool(set(sent) & set(self.values())), 3.0)

        self.until("a later event comes out", comes_out)

    def close(self) -> None:
        for worker in self._workers:
            if worker.is_alive:
                worker.signal(signal.SIGCONT)
                worker.kill()
        for reader in self._readers.values():
            reader.close()
        self._group.close()


class Reader:
    """Everything on a topic, read once; `read` returns when it has seen the end as it is now."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
                "fetch.wait.max.ms": 20, "log_level": 0,
            }
        )  # fmt: skip
        self._next = {TopicPartition(topic, number).partition: 0 for number in range(partitions)}
        self._topic = topic
        self._messages: list[Message] = []
        self._consumer.assign([TopicPartition(topic, number, 0) for number in self._next])

    def read(self) -> list[Message]:
        ends = {number: patiently(functools.partial(self._end, number)) for number in self._next}
        while any(self._next[number] < end for number, end in ends.items()):
            for message in self._consumer.consume(5000, 1.0):
                if message.error():
                    raise AssertionError(message.error())
                self._next[message.partition()] = message.offset() + 1
                self._messages.append(message)
        return self._messages

    def _end(self, number: int) -> int:
        place = TopicPartition(self._topic, number)
        end: int = self._consumer.get_watermark_offsets(place, timeout=PATIENCE)[1]
        return end

    def close(self) -> None:
        self._consumer.close()
