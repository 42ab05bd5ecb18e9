from __future__ import annotations

import hashlib
import socket
import uuid
from pathlib import Path

import pytest

from sandbox.kafka import EmbeddedKafka, bootstrap_servers
from sandbox.kafka_config import (
    NodePorts,
    choose_ports,
    cluster_id,
    find_java,
    free_ports,
    is_free,
    java_on_path,
    properties,
)
from sandbox.kafka_folder import DataFolder, reset, running
from sandbox.kafka_jars import (
    KAFKA_VERSION,
    KafkaError,
    cache_folder,
    file_name,
    jars,
    locked_jars,
)
from sandbox.kafka_node import last_words

THREE = [NodePorts(11, 12), NodePorts(21, 22), NodePorts(31, 32)]


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    draws = iter([uuid.UUID(bytes=b"\xfb" + bytes(15)), uuid.UUID(bytes=b"\x04" + bytes(15))])
    assert cluster_id(lambda: next(draws)) == "BAAAAAAAAAAAAAAAAAAAAA"


def settings(node: int, ports: list[NodePorts]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in properties(node, ports).splitlines())


def occupied() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def half_written(folder: Path, **files: bool) -> DataFolder:
    (folder / "node-0").mkdir(parents=True)
    if files.get("meta"):
        (folder / "node-0" / "meta.properties").touch()
    if files.get("marker"):
        (folder / "formatted").touch()
    return DataFolder(folder)


def test_every_listener_is_bound_to_loopback() -> None:
    said = settings(1, THREE)
    assert said["listeners"] == "PLAINTEXT://127.0.0.1:21,CONTROLLER://127.0.0.1:22"
    assert said["controller.quorum.voters"] == "0@127.0.0.1:12,1@127.0.0.1:22,2@127.0.0.1:32"


def test_topics_are_never_created_by_accident() -> None:
    assert settings(0, THREE[:1])["auto.create.topics.enable"] == "false"


@pytest.mark.parametrize(("ports", "copies", "in_sync"), [(THREE[:1], "1", "1"), (THREE, "3", "2")])
def test_internal_topics_have_a_copy_on_every_node(
    ports: list[NodePorts], copies: str, in_sync: str
) -> None:
    said = settings(0, ports)
    assert said["offsets.topic.replication.factor"] == copies
    assert said["transaction.state.log.replication.factor"] == copies
    assert said["transaction.state.log.min.isr"] == in_sync
    assert said["min.insync.replicas"] == in_sync


def test_the_ports_of_the_last_start_are_kept_while_they_are_free() -> None:
    client, controller = free_ports(2)
    before = [NodePorts(client, controller)]
    assert choose_ports(1, before, None) == before


def test_new_ports_are_chosen_when_another_process_has_one_of_the_last() -> None:
    with occupied() as taken:
        before = [NodePorts(taken.getsockname()[1], free_ports(1)[0])]
        (chosen,) = choose_ports(1, before, None)
        assert chosen.client != before[0].client
        assert is_free(chosen.client)


def test_a_used_port_that_was_asked_for_is_named_with_the_command_that_mends_it() -> None:
    with occupied() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(KafkaError, match=rf"port {port} is in use.*kafka start --port PORT"):
            choose_ports(1, [], port)


def test_a_port_that_was_asked_for_is_used() -> None:
    (port,) = free_ports(1)
    assert choose_ports(1, [], port)[0].client == port


def test_a_cluster_of_two_nodes_is_refused_with_what_is_possible(tmp_path: Path) -> None:
    with pytest.raises(KafkaError, match=r"2 nodes: give 1 or 3.*--nodes 3"):
        EmbeddedKafka(tmp_path, nodes=2)


def test_the_users_own_broker_is_the_one_in_the_environment() -> None:
    assert bootstrap_servers({"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}) == "kafka:9092"
    assert bootstrap_servers({"KAFKA_BOOTSTRAP_SERVERS": ""}) is None
    assert bootstrap_servers({}) is None


def test_the_lock_holds_the_broker_and_its_logging_by_coordinates_and_sha256() -> None:
    locked = locked_jars()
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in locked
    logging = {name.split(":")[1]: name.split(":")[2] for name in locked if "log4j" in name}
    assert logging["log4j-slf4j-impl"] == logging["log4j-core"]
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in locked.values())


def test_the_jar_cache_is_where_the_user_keeps_caches(tmp_path: Path) -> None:
    folder = cache_folder({"XDG_CACHE_HOME": str(tmp_path)})
    assert folder == tmp_path / "switchboard" / f"kafka-{KAFKA_VERSION}"
    assert cache_folder({}).parent == Path.home() / ".cache" / "switchboard"


def test_a_jar_of_the_cache_that_was_changed_is_refused(tmp_path: Path) -> None:
    locked = {"org.example:thing:1.0": hashlib.sha256(b"the jar").hexdigest()}
    jar = tmp_path / file_name("org.example:thing:1.0")
    jar.write_bytes(b"the jar")
    assert jars(tmp_path, on_progress=pytest.fail, locked=locked) == [jar]
    jar.write_bytes(b"another jar")
    with pytest.raises(KafkaError, match=rf"not the locked jar: delete it, rm {jar}"):
        jars(tmp_path, on_progress=pytest.fail, locked=locked)


def test_a_cache_that_cannot_be_written_is_named_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KafkaError, match=r"jar cache .* cannot be used.*XDG_CACHE_HOME=FOLDER"):
        jars(tmp_path / "file" / "cache", on_progress=lambda _: None)


@pytest.mark.parametrize("files", [{}, {"meta": True}, {"marker": True}])
def test_a_half_written_data_folder_is_named_with_the_command_that_mends_it(
    tmp_path: Path, files: dict[str, bool]
) -> None:
    folder = half_written(tmp_path / "data", **files)
    with pytest.raises(KafkaError, match=r"half-written.*kafka reset --folder .*data"):
        folder.is_formatted(1)


def test_data_of_another_number_of_nodes_is_named_with_the_command_that_uses_it(
    tmp_path: Path,
) -> None:
    folder = half_written(tmp_path / "data", meta=True, marker=True)
    assert folder.is_formatted(1)
    with pytest.raises(KafkaError, match=r"of 1 node\(s\), not 3: .* --nodes 1, or delete"):
        folder.is_formatted(3)


def test_an_empty_folder_is_to_be_formatted(tmp_path: Path) -> None:
    assert not DataFolder(tmp_path).is_formatted(1)


def test_ports_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    for text in ("", "[", '[{"client": 1}]', "3"):
        (tmp_path / "ports.json").write_text(text)
        assert folder.last_ports() == []
    folder.keep_ports(THREE)
    assert folder.last_ports() == THREE


def test_a_second_holder_of_a_folder_is_told_who_runs(tmp_path: Path) -> None:
    first = DataFolder(tmp_path)
    first.take()
    try:
        with pytest.raises(KafkaError, match=r"already runs .*pid \d+.*kafka status .*kafka stop"):
            DataFolder(tmp_path).take()
        assert running(tmp_path) is not None
    finally:
        first.release()
    assert running(tmp_path) is None


def test_a_reset_deletes_the_brokers_files_and_nothing_else(tmp_path: Path) -> None:
    half_written(tmp_path, meta=True, marker=True).keep_ports(THREE)
    (tmp_path / "letter.txt").touch()
    reset(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "letter.txt"}


def test_a_reset_of_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    reset(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_java_comes_with_the_project() -> None:
    assert find_java({"PATH": ""}).endswith("/bin/java")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', None),
        ('openjdk version "25" 2025-09-16', None),
        ('openjdk version "11.0.2" 2019-01-15', "is older than Java 17"),
        ('java version "1.8.0_402"', "is older than Java 17"),
    ],
)
def test_a_java_on_the_path_is_used_from_version_17(
    tmp_path: Path, said: str, expected: str | None
) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    java.chmod(0o755)
    if expected is None:
        assert java_on_path({"PATH": str(tmp_path)}) == str(java)
    else:
        with pytest.raises(KafkaError, match=rf"{expected}: delete .venv and run"):
            java_on_path({"PATH": str(tmp_path)})


def test_no_java_at_all_is_named_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(KafkaError, match=r"there is no Java: delete .venv and run ./switchboard"):
        java_on_path({"PATH": str(tmp_path)})


def test_the_last_words_of_a_log_are_its_last_cause_not_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "node-0.log"
    assert last_words(log).startswith("nothing was logged")
    log.write_text("INFO starting\n")
    assert last_words(log).startswith("INFO starting")
    log.write_text("now ERROR it broke (X)\nCaused by: java.io.IOException: full\n\tat x\nbye\n")
    assert last_words(log).startswith("Caused by: java.io.IOException: full")
