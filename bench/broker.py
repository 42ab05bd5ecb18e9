"""The broker of a measurement: its topics, what is preloaded into them and what came out."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

from bench.contestants import Contestant
from bench.process import Running

PARTITIONS = 4
FOLDER = Path(".switchboard/bench")
_TIMEOUT = 30.0
_AGAIN = 0.1


class Broker:
    """An address, the meter of the broker's process when it is ours, and short verbs."""

    def __init__(self, address: str, running: Running | None) -> None:
        self.address = address
        self.running = running
        self._reader = confluent_kafka.Consumer(_reading(address))
        self._admin = AdminClient({"bootstrap.servers": address, "log_level": 0})

    def close(self) -> None:
        """Lets go of the broker, which may end now."""
        self._reader.close()

    def create(self, *names: str, compact: bool = False, append_time: bool = False) -> None:
        """Makes topics of four partitions.

        `append_time` stamps each record when the broker appends it: the log itself then tells when
        a contestant was done with it, and nobody has to watch while it works.
        """
        config = {
            "cleanup.policy": "compact" if compact else "delete",
            "message.timestamp.type": "LogAppendTime" if append_time else "CreateTime",
            # A cleaner that runs for one contestant and not for another would be noise.
            "min.cleanable.dirty.ratio": "1.0",
        }
        made = self._admin.create_topics(
            [NewTopic(name, PARTITIONS, 1, config=config) for name in names]
        )
        for future in made.values():
            future.result()
        for name in names:
            self._await_leaders(name)

    def _await_leaders(self, name: str) -> None:
        """A broker promises a topic before it serves it, and clients remember a no for long."""
        ends = time.monotonic() + _TIMEOUT
        while True:
            found = self._admin.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
            if len(found) == PARTITIONS and all(each.leader >= 0 for each in found.values()):
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"the broker does not serve its new topic {name}")
            time.sleep(_AGAIN)

    def delete(self, prefix: str) -> None:
        """Deletes every topic whose name begins with `prefix`."""
        listed = self._admin.list_topics(timeout=_TIMEOUT).topics
        names = [name for name in listed if name.startswith(prefix)]
        for future in (self._admin.delete_topics(names) if names else {}).values():
            future.result()

    def fill(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Produces (key, value) records and waits until all are acknowledged."""
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": self.address,
                "acks": "all",
                "linger.ms": 20,
                "batch.size": 1 << 20,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 200_000,
            }
        )
        for key, value in records:
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(_AGAIN)
        left = producer.flush(120)
        if left:
            raise RuntimeError(f"{left} records of {topic} were not acknowledged")

    def count(self, topic: str) -> int:
        """Offsets that `topic` has, markers of transactions included."""
        return sum(high - low for low, high in self._bounds(topic).values())

    def _bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """First and next offset of each partition."""
        return {n: self._bound(confluent_kafka.TopicPartition(topic, n)) for n in range(PARTITIONS)}

    def _bound(self, where: confluent_kafka.TopicPartition) -> tuple[int, int]:
        ends = time.monotonic() + _TIMEOUT
        while True:
            try:
                bound: tuple[int, int] = self._reader.get_watermark_offsets(where, timeout=_TIMEOUT)
            except confluent_kafka.KafkaException:
                if time.monotonic() > ends:
                    raise
                # With what this one remembers of the topic it would go on saying no.
                self._reader.close()
                self._reader = confluent_kafka.Consumer(_reading(self.address))
                time.sleep(_AGAIN)
            else:
                return bound

    def read(self, topic: str) -> Iterator[tuple[float, bytes]]:
        """(unix time of the append or creation, value) of every committed record of `topic`."""
        left = {n for n, (low, high) in self._bounds(topic).items() if high > low}
        consumer = confluent_kafka.Consumer(_reading(self.address))
        with contextlib.closing(consumer):
            consumer.assign(
                [
                    confluent_kafka.TopicPartition(topic, n, confluent_kafka.OFFSET_BEGINNING)
                    for n in left
                ]
            )
            while left:
                for message in consumer.consume(10_000, timeout=1.0):
                    if message.error() is not None:
                        left.discard(message.partition())
                    else:
                        yield message.timestamp()[1] / 1000, message.value()


def _reading(address: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": address,
        "group.id": "bench-reader",
        "log_level": 0,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }


@contextlib.contextmanager
def broker(say: Callable[[str], None]) -> Iterator[Broker]:
    """The broker that KAFKA_BOOTSTRAP_SERVERS names, else an embedded one for this measurement."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        with contextlib.closing(Broker(given, None)) as there:
            yield there
        return
    folder = FOLDER / f"kafka-{os.getpid()}"
    command = [sys.executable, "-m", "sandbox.broker", "serve", "--folder", str(folder)]
    try:
        with Running(command, env={}, log=FOLDER / "log/kafka.log") as running:
            said: Mapping[str, Any] = {}
            while not said.get("ready"):
                said = running.said()
                if "progress" in said:
                    say(said["progress"])
            with contextlib.closing(Broker(said["bootstrap"], running)) as embedded:
                yield embedded
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_full(
    broker: Broker, topic: str, count: int, *, has_ended: Callable[[], bool], patience: float = 30.0
) -> None:
    """Returns when `topic` holds `count` records and grows no more, or nothing came for long."""
    seen, since = -1, time.monotonic()
    while True:
        now, found = time.monotonic(), broker.count(topic)
        if found != seen:
            seen, since = found, now
        elif now - since > (1.5 if found >= count else patience) or has_ended():
            return
        time.sleep(0.25)


def fresh_folder(name: str) -> Path:
    """An empty folder for a contestant's local state."""
    folder = FOLDER / "state" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder.resolve()


def log_of(measurement: str, contestant: Contestant) -> Path:
    """An empty log file of one contestant."""
    log = FOLDER / "log" / f"{measurement}-{contestant.name}.log"
    log.unlink(missing_ok=True)
    return log
