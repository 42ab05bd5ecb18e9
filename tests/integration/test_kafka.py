from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sandbox.kafka import Broker, EmbeddedKafka, KafkaError
from sandbox.kafka_config import free_ports
from sandbox.kafka_folder import running
from sandbox.kafka_jars import KAFKA_VERSION, cache_folder

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


def create(bootstrap: str, topic: str, *, copies: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, copies)])[topic].result(20)


def topics(bootstrap: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics)


def produce(bootstrap: str, topic: str, value: bytes) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]


def consume(bootstrap: str, topic: str) -> bytes:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return bytes(message.value() or b"")
    finally:
        consumer.close()


def command(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def console(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from console.kafka import app; app()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def until(is_so: Callable[[], bool], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A formatted folder that the tests of life and death share, to format only once."""
    folder = tmp_path_factory.mktemp("shared-kafka") / "dåta, with a name"
    with EmbeddedKafka(folder) as kafka:
        create(kafka.start().bootstrap, "kept")
    return folder


OWNER = """
import sys, threading, time
from pathlib import Path
from sandbox.kafka import EmbeddedKafka

kafka = EmbeddedKafka(Path(sys.argv[1]))

def run():
    print(*kafka.start().pids, flush=True)

if "thread" in sys.argv:
    starter = threading.Thread(target=run)
    starter.start()
    starter.join()
else:
    run()
time.sleep(600)
"""


@pytest.fixture
def owner() -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a process that owns a broker; gives it and the broker's process id."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *how: str) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(folder), *how],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_record_is_produced_and_consumed(broker: Broker) -> None:
    create(broker.bootstrap, "there-and-back")
    produce(broker.bootstrap, "there-and-back", b"hello")
    assert consume(broker.bootstrap, "there-and-back") == b"hello"


def test_a_topic_that_nobody_created_stays_missing(broker: Broker) -> None:
    AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics("never-made", timeout=10)
    assert "never-made" not in topics(broker.bootstrap)


def test_the_broker_listens_on_loopback_only(broker: Broker) -> None:
    listening = {
        each.laddr.ip
        for each in psutil.Process(broker.pids[0]).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    }
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_the_log_says_what_the_broker_did(broker: Broker) -> None:
    assert "Kafka Server started" in broker.log.read_text()


def test_data_and_port_survive_a_restart(data: Path) -> None:
    with EmbeddedKafka(data) as kafka:
        first = kafka.start()
        produce(first.bootstrap, "kept", b"still here")
    assert all(map(is_gone, first.pids))
    with EmbeddedKafka(data) as kafka:
        second = kafka.start()
        assert second.bootstrap == first.bootstrap
        assert consume(second.bootstrap, "kept") == b"still here"


def test_new_ports_are_taken_when_another_process_has_the_last_ones(data: Path) -> None:
    with EmbeddedKafka(data) as kafka:
        first = kafka.start()
    port = int(first.bootstrap.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), EmbeddedKafka(data) as kafka:
        second = kafka.start()
        assert second.bootstrap != first.bootstrap
        assert "kept" in topics(second.bootstrap)


def test_a_killed_owner_leaves_no_broker_behind_and_the_folder_is_free_again(
    data: Path, owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    process, broker = owner(data)
    guard = psutil.Process(broker).ppid()
    process.kill()
    # Not reaped: even as a zombie the owner counts as gone.
    with EmbeddedKafka(data) as kafka:
        kafka.start()
        assert is_gone(broker)
        assert is_gone(guard)


def test_the_broker_outlives_the_thread_that_started_it(
    data: Path, owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    process, broker = owner(data, "thread")
    holder = running(data)
    assert holder is not None
    assert not until(lambda: is_gone(broker), 2)
    assert "kept" in topics(holder.bootstrap)
    process.kill()
    assert until(lambda: is_gone(broker), 15)


def test_a_killed_guard_takes_its_broker_with_it(
    data: Path, owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    _, broker = owner(data)
    os.kill(psutil.Process(broker).ppid(), signal.SIGKILL)
    assert until(lambda: is_gone(broker), 5)


def test_a_paused_broker_does_not_outlive_its_killed_owner(
    data: Path, owner: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    process, broker = owner(data)
    os.kill(broker, signal.SIGSTOP)
    process.kill()
    assert until(lambda: is_gone(broker), 15)


def test_a_second_start_on_the_same_folder_says_who_runs(data: Path) -> None:
    with EmbeddedKafka(data) as kafka:
        bootstrap = kafka.start().bootstrap
        said = rf"already runs .*pid {os.getpid()}, {bootstrap}.*kafka status .*kafka stop"
        with pytest.raises(KafkaError, match=said):
            EmbeddedKafka(data).start()
        assert "kept" in topics(bootstrap)


def test_faults_can_be_injected_and_healed(data: Path) -> None:
    with EmbeddedKafka(data) as kafka:
        first = kafka.start()
        kafka.pause()
        paused = psutil.Process(first.pids[0])
        assert until(lambda: paused.status() == psutil.STATUS_STOPPED, 5)
        kafka.resume()
        assert "kept" in topics(first.bootstrap)
        kafka.kill()
        assert is_gone(first.pids[0])
        with pytest.raises(KafkaError, match=r"node 0 ended with code 137: .*kafka start"):
            kafka.check()
        second = kafka.restart()
        assert second.pids != first.pids
        assert second.bootstrap == first.bootstrap
        assert "kept" in topics(second.bootstrap)


def test_a_paused_broker_is_stopped_cleanly(data: Path) -> None:
    with EmbeddedKafka(data) as kafka:
        broker = kafka.start()
        kafka.pause()
    assert is_gone(broker.pids[0])
    assert "App info kafka.server for 0 unregistered" in broker.log.read_text()


def test_a_broker_that_does_not_answer_in_time_is_told_and_ended(data: Path) -> None:
    kafka = EmbeddedKafka(data)
    with pytest.raises(KafkaError, match=r"no answer in 0 s: .*kafka start"):
        kafka.start(timeout=0.05)
    assert running(data) is None


def test_three_nodes_keep_an_acknowledged_record_when_one_dies(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "three", nodes=3) as kafka:
        broker = kafka.start()
        assert len(broker.bootstrap.split(",")) == len(set(broker.pids)) == 3
        create(broker.bootstrap, "copied", copies=3)
        produce(broker.bootstrap, "copied", b"one")
        kafka.kill(1)
        assert consume(broker.bootstrap, "copied") == b"one"
        produce(broker.bootstrap, "copied", b"two")
        after = kafka.restart(1)
    assert all(map(is_gone, {*broker.pids, *after.pids}))


def test_an_interrupted_format_is_told_and_mended_by_reset(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    (folder / "node-0").mkdir(parents=True)
    with pytest.raises(KafkaError, match=r"half-written.*kafka reset --folder") as told:
        EmbeddedKafka(folder).start()
    _, _, mend = str(told.value).partition("./switchboard kafka ")
    assert console(*shlex.split(mend)).returncode == 0
    with EmbeddedKafka(folder) as kafka:
        kafka.start()
    (folder / "node-0" / "meta.properties").unlink()
    with pytest.raises(KafkaError, match=r"half-written.*kafka reset --folder"):
        EmbeddedKafka(folder).start()


def test_no_network_at_the_first_start_is_one_clear_line(tmp_path: Path) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{free_ports(1)[0]}\n")
    env = {"JGO_CONFIG_FILE": str(settings), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder = str(tmp_path / "kafka")
    answer = command("sandbox.broker", "start", "--folder", folder, env=env)
    assert answer.returncode == 1
    assert re.fullmatch(
        r"error: Apache Kafka could not be downloaded .*first start needs the network; then run "
        r"\./switchboard kafka start, or use .*KAFKA_BOOTSTRAP_SERVERS\n",
        answer.stderr,
    )
    assert running(Path(folder)) is None


def test_no_network_is_no_matter_once_the_jars_are_there(data: Path, tmp_path: Path) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = http://127.0.0.1:{free_ports(1)[0]}\n")
    env = {"JGO_CONFIG_FILE": str(settings)}
    try:
        answer = command("sandbox.broker", "start", "--folder", str(data), env=env)
        assert answer.returncode == 0, answer.stderr
    finally:
        command("sandbox.broker", "stop", "--folder", str(data))


def test_a_changed_jar_in_the_cache_stops_the_start(data: Path, tmp_path: Path) -> None:
    cache = cache_folder({"XDG_CACHE_HOME": str(tmp_path)})
    cache.mkdir(parents=True)
    for jar in cache_folder(os.environ).glob("*.jar"):
        (cache / jar.name).symlink_to(jar)
    changed = cache / f"kafka-clients-{KAFKA_VERSION}.jar"
    changed.unlink()
    changed.write_bytes(b"something else")
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(KafkaError, match=rf"not the locked jar: delete it, rm {changed}"):
        EmbeddedKafka(data, env=env).start()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KafkaError, match=r"cannot be used \(Not a directory\).*--folder FOLDER"):
        EmbeddedKafka(tmp_path / "file" / "kafka").start()


def test_a_used_port_that_was_asked_for_is_one_clear_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = console("start", "--folder", str(data), "--port", str(port))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"error: port {port} is in use")
    assert answer.stderr.count("\n") == 1


def test_the_console_starts_shows_stops_and_resets_a_broker_of_its_own(tmp_path: Path) -> None:
    where = ["--folder", str(tmp_path / "kafka")]
    assert console("status", *where).returncode == 1
    try:
        started = console("start", *where)
        assert started.returncode == 0, started.stderr
        bootstrap = started.stdout.strip().rpartition("=")[2]
        create(bootstrap, "mine")
        assert f"runs at {bootstrap} (pid " in console("status", *where).stdout
        again = console("start", *where)
        assert again.returncode == 1
        assert "already runs" in again.stderr
        refused = console("reset", *where)
        assert refused.returncode == 1
        assert "kafka stop" in refused.stderr
        assert "mine" in topics(bootstrap)
    finally:
        stopped = console("stop", *where)
    assert stopped.stdout == "Kafka is stopped\n"
    assert console("stop", *where).stdout == "Kafka does not run\n"
    assert console("reset", *where).returncode == 0
    assert not list((tmp_path / "kafka").glob("node-*"))


def test_the_serving_process_ends_with_its_broker_on_sigterm(data: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.broker", "serve", "--folder", str(data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert any('"ready": true' in line for line in process.stdout)
        process.terminate()
    assert process.returncode == 0
    assert running(data) is None
