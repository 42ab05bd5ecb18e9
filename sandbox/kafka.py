"""A real Apache Kafka in KRaft mode as child processes: one node or three, on loopback.

`EmbeddedKafka` belongs to the process that starts it and dies with it, even by kill -9, unless
it is told to stay. ``python -m sandbox.broker`` is the same broker for the command line.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sandbox.kafka_config import (
    NodePorts,
    choose_ports,
    cluster_id,
    find_java,
    jvm,
    properties,
)
from sandbox.kafka_folder import DataFolder, Holder
from sandbox.kafka_jars import KafkaError, cache_folder, jars
from sandbox.kafka_node import Node, last_words

__all__ = ["Broker", "EmbeddedKafka", "KafkaError", "bootstrap_servers"]

_STOP_TIMEOUT = 20.0
_PORT_TAKEN = "Address already in use"


@dataclass(frozen=True)
class Broker:
    """A running cluster: `bootstrap` as ``host:port,...``, the nodes' process ids, node 0's log."""

    bootstrap: str
    pids: tuple[int, ...]
    log: Path


def bootstrap_servers(env: Mapping[str, str]) -> str | None:
    """The broker that the user brings, if any."""
    return env.get("KAFKA_BOOTSTRAP_SERVERS") or None


class EmbeddedKafka:
    """One cluster on one data folder; keeps its data, its cluster id and, where free, its ports.

    Args:
        folder: the data folder; made when it is not there.
        nodes: 1 or 3, each broker and controller.
        die_with_parent: ends the cluster when this process is gone, however that came; else it
            stays until `sandbox.kafka_folder.stop` ends it.
        port: node 0's port for clients; a free one by default.
        on_progress: told what is being done, in words for a person.
        env: the environment, for the jar cache and the Java on the PATH.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        die_with_parent: bool = True,
        port: int | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        if nodes not in (1, 3):
            raise KafkaError(f"{nodes} nodes: give 1 or 3, ./switchboard kafka start --nodes 3")
        self._folder = DataFolder(folder)
        self._count = nodes
        self._owner = os.getpid() if die_with_parent else 0
        self._port = port
        self._on_progress = on_progress
        self._env = env
        self._lock = -1
        self._ports: list[NodePorts] = []
        self._nodes: list[Node] = []
        self._java = ""
        self._class_path: Sequence[Path] = ()

    # -- life ---------------------------------------------------------------------------------

    def start(self, *, timeout: float = 60.0) -> Broker:
        """Starts every node and waits until the cluster answers, `timeout` seconds at most.

        The first download of the jars is not part of the timeout.

        Raises:
            KafkaError: one clear line with the command that mends it.
        """
        try:
            self._lock = self._folder.take()
            self._class_path = jars(cache_folder(self._env), on_progress=self._on_progress)
            self._java = find_java(self._env)
            self._launch(timeout)
            self._note()
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise KafkaError(
                    f"{self._folder.path} cannot be used ({error.strerror}): free the disk or "
                    "choose another folder, ./switchboard kafka start --folder FOLDER"
                ) from None
            raise
        return self._broker()

    def stop(self) -> None:
        """Stops every node cleanly, by force after 20 s, and gives the folder up."""
        self._end_nodes()
        self._folder.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Sees that every node is alive.

        Raises:
            KafkaError: one ended; its last words are quoted.
        """
        for number in range(len(self._nodes)):
            self._check(number)

    # -- faults -------------------------------------------------------------------------------

    def kill(self, node: int = 0) -> None:
        """SIGKILL: the machine is gone."""
        self._nodes[node].kill()

    def restart(self, node: int = 0, *, timeout: float = 60.0) -> Broker:
        """Starts a node again on its own data and port, after a kill if it still runs.

        Raises:
            KafkaError: it does not answer.
        """
        self.kill(node)
        self._nodes[node] = self._spawn(node)
        self._await_answer({node}, timeout)
        self._note()
        return self._broker()

    def pause(self, node: int = 0) -> None:
        """SIGSTOP: the broker hangs and its connections stay open."""
        self._nodes[node].signal(signal.SIGSTOP)

    def resume(self, node: int = 0) -> None:
        """SIGCONT."""
        self._nodes[node].signal(signal.SIGCONT)

    # -- pieces -------------------------------------------------------------------------------

    def _launch(self, timeout: float) -> None:
        try:
            self._start_nodes(timeout)
        except KafkaError as error:
            # Between the choice of a free port and its use another process may take it.
            if _PORT_TAKEN not in str(error):
                raise
            self._end_nodes()
            self._start_nodes(timeout)

    def _start_nodes(self, timeout: float) -> None:
        self._ports = choose_ports(self._count, self._folder.last_ports(), self._port)
        self._folder.keep_ports(self._ports)
        for node in range(self._count):
            self._config(node).write_text(properties(node, self._ports))
        if not self._folder.is_formatted(self._count):
            self._format()
        self._on_progress("starting the broker")
        for node in range(self._count):
            self._nodes.append(self._spawn(node))
        self._await_answer(set(range(self._count)), timeout)

    def _end_nodes(self) -> None:
        ends = time.monotonic() + _STOP_TIMEOUT
        for node in self._nodes:
            node.signal(signal.SIGTERM)
            node.signal(signal.SIGCONT)  # a paused node acts on its SIGTERM only now
        for node in self._nodes:
            node.end(max(0.0, ends - time.monotonic()))
        self._nodes = []

    def _format(self) -> None:
        cluster = cluster_id(uuid.uuid4)
        for node in range(self._count):
            self._on_progress(f"formatting the data folder of node {node}")
            with self._log(node).open("wb") as log:
                code = subprocess.run(
                    self._jvm(node, "kafka.tools.StorageTool", "format", "-t", cluster, "-c"),
                    cwd=self._folder.path,
                    stdout=log,
                    stderr=log,
                    check=False,
                ).returncode
            if code:
                raise KafkaError(
                    f"formatting failed: {last_words(self._log(node))}; "
                    f"{self._folder.command('reset')} starts from nothing"
                )
        self._folder.set_formatted()

    def _spawn(self, node: int) -> Node:
        return Node.spawn(
            self._jvm(node, "kafka.Kafka"),
            self._log(node),
            owner=self._owner,
            lock=self._lock,
            env=self._env,
        )

    def _jvm(self, node: int, *arguments: str) -> list[str]:
        return jvm(self._java, self._class_path, *arguments, self._config(node).name)

    def _await_answer(self, nodes: set[int], timeout: float) -> None:
        """Waits until a metadata answer of the cluster names all of `nodes`."""
        ends = time.monotonic() + timeout
        admin = AdminClient({"bootstrap.servers": self._bootstrap(), "log_level": 0})
        while time.monotonic() < ends:
            for number in nodes:
                self._check(number)
            try:
                if nodes <= set(admin.list_topics(timeout=1).brokers):
                    return
            except KafkaException:
                pass  # nobody listens yet
            time.sleep(0.05)
        raise KafkaError(
            f"the broker gave no answer in {timeout:.0f} s: {last_words(self._log(min(nodes)))}; "
            f"{self._folder.command('start')} tries again"
        )

    def _check(self, node: int) -> None:
        code = self._nodes[node].exit_code
        if code is not None:
            raise KafkaError(
                f"node {node} ended with code {code}: {last_words(self._log(node))}; "
                f"{self._folder.command('start')} tries again, "
                f"{self._folder.command('reset')} starts from nothing"
            )

    def _note(self) -> None:
        guards = tuple(node.guard.pid for node in self._nodes)
        self._folder.note(Holder((self._owner,) if self._owner else guards, self._bootstrap()))

    def _broker(self) -> Broker:
        return Broker(self._bootstrap(), tuple(node.pid for node in self._nodes), self._log(0))

    def _bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{each.client}" for each in self._ports)

    def _config(self, node: int) -> Path:
        return self._folder.path / f"node-{node}.properties"

    def _log(self, node: int) -> Path:
        return self._folder.path / f"node-{node}.log"
