from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import confluent_kafka
import orjson
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from pipeline import topics
from pipeline.stream import admin
from pipeline.stream.begin_again import begin_again
from pipeline.stream.changelog import EPOCH, Changelogs
from pipeline.stream.expiry import sweep
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.store import Marker, Store
from pipeline.stream.table import DurableTable
from pipeline.stream.verify import Verdict, verify
from sandbox.kafka import Broker

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Plan:
    name: str
    partitions: int = 1
    replication: int = 1
    config: Mapping[str, str] = field(
        default_factory=lambda: {
            "cleanup.policy": "compact",
            "message.timestamp.type": "LogAppendTime",
        }
    )


@pytest.fixture
def changelog(broker: Broker) -> str:
    name = f"tables-{uuid.uuid4().hex[:8]}"
    admin.apply(broker.bootstrap, [Plan(name), Plan(f"{name}-source")])
    return name


def logs(broker: Broker, changelog: str) -> Changelogs:
    return Changelogs(broker.bootstrap, group=f"{changelog}-group", source=f"{changelog}-source")


def check(broker: Broker, changelog: str, folder: Path) -> Verdict:
    return verify(folder / "rows" / "0", lambda: logs(broker, changelog).open(changelog, 0))


@pytest.fixture
def worker(broker: Broker, changelog: str) -> Iterator[Worker]:
    mine = Worker(broker.bootstrap, changelog)
    yield mine
    mine.kill()


@dataclass
class Worker:
    servers: str
    changelog: str
    process: subprocess.Popen[str] | None = None

    def start(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.integration.table_worker"]
        command += [self.servers, self.changelog, f"{self.changelog}-source", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def read(self, lines: int) -> list[str]:
        assert self.process is not None
        assert self.process.stdout is not None
        return [self.process.stdout.readline().strip() for _ in range(lines)]

    def kill(self) -> list[str]:
        """Kill -9; what it had said that nobody read yet."""
        if self.process is None:
            return []
        self.process.kill()
        assert self.process.stdout is not None
        rest = self.process.stdout.read().split("\n")
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        return rest[:-1]  # the last may be torn

    def exit_code(self) -> int:
        assert self.process is not None
        code = self.process.wait(60)
        self.kill()
        return code


def test_kill_9_in_mid_write_keeps_every_acknowledged_row(
    broker: Broker, changelog: str, worker: Worker, tmp_path: Path
) -> None:
    """With the disk kept, an older copy of it (behind), and the disk lost."""
    disks = [tmp_path / "kept", tmp_path / "kept", tmp_path / "behind", tmp_path / "lost"]
    durable = -1
    for life, disk in enumerate(disks):
        worker.start(disk)
        (ready,) = worker.read(1)
        assert int(ready.split()[1]) > durable
        said = worker.read(50 + 37 * life) + worker.kill()
        durable = max(int(number) for number in said if number.isdigit())
        verdict = check(broker, changelog, disk)
        assert verdict.is_good, verdict
        assert verdict.rows > 50
        if life == 0:
            shutil.copytree(disk, tmp_path / "behind")
    assert durable > 250


def test_verify_and_the_lock_beside_a_running_owner(
    broker: Broker, changelog: str, worker: Worker, tmp_path: Path
) -> None:
    worker.start(tmp_path)
    worker.read(60)
    verdict = check(broker, changelog, tmp_path)
    assert verdict.is_good, verdict
    assert verdict.rows >= 58


def emptied(broker: Broker, changelog: str) -> None:
    """What an operator can do by mistake: another policy, and the broker deletes it all."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    entry = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("topic", changelog, incremental_configs=[entry])
    for future in client.incremental_alter_configs([resource]).values():
        future.result(30)
    where = confluent_kafka.TopicPartition(changelog, 0, confluent_kafka.OFFSET_END)
    for deleted in client.delete_records([where]).values():
        deleted.result(30)


def recreated(broker: Broker, changelog: str) -> None:
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    for deleted in client.delete_topics([changelog]).values():
        deleted.result(30)
    deadline = time.monotonic() + 30
    while not admin.apply(broker.bootstrap, [Plan(changelog)]):  # the broker deletes in the back
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize("how", [emptied, recreated])
def test_a_changelog_emptied_or_made_anew_is_refused_with_and_without_the_disk(
    broker: Broker, changelog: str, worker: Worker, tmp_path: Path, how: object
) -> None:
    worker.start(tmp_path / "a")
    worker.read(20)
    worker.kill()
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": f"{changelog}-group"}
    )
    done = confluent_kafka.TopicPartition(f"{changelog}-source", 0, 20)
    consumer.commit(offsets=[done], asynchronous=False)
    consumer.close()
    assert callable(how)
    how(broker, changelog)
    for disk in ("a", "b"):
        worker.start(tmp_path / disk)
        assert worker.exit_code() == 78


def test_a_changelog_that_lost_its_end_is_refused_and_mended_from_the_store_ahead_of_it(
    broker: Broker, changelog: str, worker: Worker, tmp_path: Path
) -> None:
    """What a broker forgets is played by rows that the store has seen and the changelog has not."""
    worker.start(tmp_path / "a")
    worker.read(20)
    worker.kill()
    folder = tmp_path / "a" / "rows" / "0"
    with logs(broker, changelog).open(changelog, 0) as reader:
        end = reader.end
        marker = Marker(reader.topic_id, reader.epoch or "", end + 3, int(time.time()))
    store = Store.open(folder)
    store.apply([(b"s00000000", b"lost", end), (b"r00009999", b"2", end + 2)], marker)
    store.close()
    worker.start(tmp_path / "a")
    assert worker.exit_code() == 78
    assert "has lost the end" in (check(broker, changelog, tmp_path / "a").problem or "")

    async def bring_back() -> int:
        producer = Producer(broker.bootstrap, client_id="test")
        with logs(broker, changelog).open(changelog, 0) as reader:
            written = await begin_again(folder, reader, (changelog, 0), producer, epoch="never")
        await producer.close()
        return written

    # Twenty and more rows are known on both sides; those two only here.
    assert asyncio.run(bring_back()) == 2
    for disk in ("a", "b"):
        worker.start(tmp_path / disk)
        assert worker.read(1)[0].startswith("ready")
        worker.kill()
        verdict = check(broker, changelog, tmp_path / disk)
        assert verdict.is_good, verdict
        with Store.view(tmp_path / disk / "rows" / "0") as view:
            assert view.get_many([b"r00009999"]) == [b"2"]


def test_how_long_tombstones_are_kept_is_the_topics_own_setting(broker: Broker) -> None:
    name = f"tables-{uuid.uuid4().hex[:8]}"
    admin.apply(broker.bootstrap, [Plan(name, config={"delete.retention.ms": "3600000"})])
    with logs(broker, name).open(name, 0) as reader:
        assert reader.delete_retention() == 3600.0


def test_the_first_record_of_a_changelog_is_its_epoch(
    broker: Broker, changelog: str, worker: Worker, tmp_path: Path
) -> None:
    worker.start(tmp_path)
    worker.read(2)
    worker.kill()
    with logs(broker, changelog).open(changelog, 0) as reader:
        first = next(reader.read(0))[0][0]
        assert first[0] == EPOCH + (reader.epoch or "").encode()
        assert not reader.has_history()


def test_rows_end_by_the_brokers_time(broker: Broker, changelog: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        producer = Producer(broker.bootstrap, client_id="test")
        table = DurableTable(
            "rows", changelog=changelog, folder=tmp_path,
            open_changelog=logs(broker, changelog).open, retention=3600.0,
        )  # fmt: skip
        table.assign([0])
        await table.ready(0)
        await table.commit(0, {b"a": b"1", b"b": b"2"}, producer)
        assert await sweep(table, 0, producer, sleep=asyncio.sleep) == 0
        await asyncio.sleep(1.1)  # the broker's time has to pass: it is what is looked at
        await table.commit(0, {b"b": b"3"}, producer)
        table.retention = 1.0
        await sweep(table, 0, producer, sleep=asyncio.sleep)
        assert b"a" not in dict(table.items())
        await table.close()
        await producer.close()

    asyncio.run(scenario())
    assert check(broker, changelog, tmp_path).is_good


def switchboard(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", "tables", *arguments],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_verbs_on_the_files_of_a_stopped_stage(broker: Broker, tmp_path: Path) -> None:
    spec = topics.STAGE_CHANGELOGS["dedup"]
    admin.apply(broker.bootstrap, topics.plans(partitions=4, replication=1))
    settings = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "SWITCHBOARD_DATA_DIR": str(tmp_path)}

    async def fill() -> None:
        producer = Producer(broker.bootstrap, client_id="test")
        table = DurableTable(
            "seen", changelog=spec.name, folder=tmp_path / "tables" / "dedup-0",
            open_changelog=Changelogs(
                broker.bootstrap, group="nobody", source=topics.RECEIVED.name
            ).open,
        )  # fmt: skip
        table.assign([3])
        await table.ready(3)
        await table.commit(3, {b"evt:1": b'{"offset":7}', b"evt:2": b"\xff"}, producer)
        running = switchboard(settings, "verify", "seen")
        assert running.returncode == 0, running.stderr
        assert "beside the running stage" in running.stdout
        await table.close()
        await producer.close()

    asyncio.run(fill())
    all_rows = switchboard(settings, "inspect", "seen", "-o", "json")
    (found,) = orjson.loads(all_rows.stdout)
    assert [row["key"] for row in found["rows"]] == ["evt:1", "evt:2"]
    one = switchboard(settings, "inspect", "seen", "evt:1")
    assert one.returncode == 0
    assert re.search(r"evt:1.*offset", one.stdout)
    assert switchboard(settings, "inspect", "seen", "evt:0").returncode == 1
    good = switchboard(settings, "verify", "seen")
    assert good.returncode == 0, good.stderr
    assert "2 rows" in good.stdout
    dry = switchboard(settings, "begin", "seen")
    assert "its changelog is whole" in dry.stdout
    assert switchboard(settings, "inspect", "nothing").returncode == 1
    # A changelog that lost the row behind the store's back.
    asyncio.run(overwrite(broker, spec.name))
    folder = tmp_path / "tables" / "dedup-0" / "seen" / "3"
    assert folder.exists()
    behind = switchboard(settings, "verify", "seen", "-o", "json")
    assert orjson.loads(behind.stdout)[0]["behind"] == 1


async def overwrite(broker: Broker, topic: str) -> None:
    producer = Producer(broker.bootstrap, client_id="test")
    await producer.send([Outgoing(topic, b"evt:1", None, (), 3)])
    await producer.close()
