"""The data folder of an embedded broker: who holds it, on which ports, whether it is whole.

The lock is a `flock` that the broker's guards inherit: it is held until the last node is gone,
however its owner ended, and it never outlives them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from sandbox.kafka_config import NodePorts
from sandbox.kafka_jars import KafkaError

DEFAULT = Path(".switchboard/kafka")
_LOOK_EVERY = 0.05  # seconds
_DYING = 0.5
"""Seconds for a process that was just killed to be seen as dead."""
_ENDING = 15.0
"""Seconds to wait for the nodes of an owner that is gone: more than the guards' grace."""


@dataclass(frozen=True)
class Holder:
    """Who runs on a folder: the processes to ask for an end, and the address once it answers."""

    pids: tuple[int, ...] = ()
    bootstrap: str = ""

    def __str__(self) -> str:
        pids = ", ".join(map(str, self.pids)) or "unknown"
        return f"pid {pids}, {self.bootstrap or 'still starting'}"


class DataFolder:
    """One folder, locked from `take` to `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def command(self, verb: str) -> str:
        """The command line of `verb` for this folder."""
        is_default = self.path == DEFAULT.absolute()
        return f"./switchboard kafka {verb}" + (
            "" if is_default else f" --folder {shlex.quote(str(self.path))}"
        )

    # -- lock ---------------------------------------------------------------------------------

    def take(self) -> int:
        """Takes the lock, waiting for nodes whose owner is gone; returns its file descriptor.

        Raises:
            KafkaError: somebody runs on the folder.
            OSError: the folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = _read(self.path)
                patience = _DYING if any(map(_is_alive, holder.pids)) else _ENDING
                if time.monotonic() - began > patience:
                    lock.close()
                    raise KafkaError(
                        f"a broker already runs on {self.path} ({holder}): "
                        f"{self.command('status')} shows it, {self.command('stop')} ends it"
                    ) from None
                time.sleep(_LOOK_EVERY)
        self._lock = lock
        self.note(Holder((os.getpid(),)))
        return lock.fileno()

    def note(self, holder: Holder) -> None:
        """Writes down who holds the lock, for `status`, `stop` and whoever else wants it."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.write(json.dumps(asdict(holder)))
            self._lock.flush()

    def release(self) -> None:
        """Gives the lock up; guards that still run keep it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # -- contents -----------------------------------------------------------------------------

    def last_ports(self) -> list[NodePorts]:
        """The ports of the last start, none when there was none."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return [NodePorts(**each) for each in json.loads(self._ports.read_text())]
        return []

    def keep_ports(self, ports: Sequence[NodePorts]) -> None:
        """Writes the ports down for the next start."""
        self._ports.write_text(json.dumps([asdict(each) for each in ports]))

    @property
    def _ports(self) -> Path:
        return self.path / "ports.json"

    def is_formatted(self, nodes: int) -> bool:
        """Whether the data is there and whole; False when there is none at all.

        Raises:
            KafkaError: it is half-written, or of another number of nodes.
        """
        found = sorted(path for path in self.path.glob("node-*") if path.is_dir())
        if not found and not self._formatted.exists():
            return False
        is_whole = self._formatted.exists() and all(
            (path / "meta.properties").exists() for path in found
        )
        if not found or not is_whole:
            raise KafkaError(
                f"the data in {self.path} is half-written, its formatting was interrupted or files "
                f"were removed: delete it with {self.command('reset')}"
            )
        if len(found) != nodes:
            raise KafkaError(
                f"the data in {self.path} is of {len(found)} node(s), not {nodes}: "
                f"{self.command('start')} --nodes {len(found)}, or delete it with "
                f"{self.command('reset')}"
            )
        return True

    def set_formatted(self) -> None:
        """Notes that every node's data is complete."""
        self._formatted.touch()

    @property
    def _formatted(self) -> Path:
        return self.path / "formatted"


def running(path: Path) -> Holder | None:
    """Who runs on the folder, None when nobody does."""
    try:
        with (path / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read(path)
    return None


def stop(path: Path, *, timeout: float = 30.0) -> bool:
    """Ends the broker that runs on the folder; False when none does.

    Raises:
        KafkaError: it still runs after `timeout` seconds.
    """
    holder = running(path)
    if holder is None:
        return False
    for pid in holder.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    ends = time.monotonic() + timeout
    while running(path) is not None:
        if time.monotonic() > ends:
            pids = " ".join(map(str, holder.pids))
            raise KafkaError(f"the broker did not stop in {timeout:.0f} s: kill -9 {pids}")
        time.sleep(_LOOK_EVERY)
    return True


def reset(path: Path) -> None:
    """Deletes the broker's files in the folder, and nothing else that may lie there.

    Raises:
        KafkaError: the broker runs, or a file cannot be deleted.
    """
    folder = DataFolder(path)
    if not folder.path.exists():
        return
    try:
        folder.take()
        # The lock file stays: whoever waits for it must not be left with one that is gone.
        for name in ("node-*", "formatted", "ports.json"):
            for found in folder.path.glob(name):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
    except OSError as error:
        raise KafkaError(f"cannot delete: {error.strerror}: rm -r {folder.path}") from None
    finally:
        folder.release()


def _read(path: Path) -> Holder:
    with contextlib.suppress(OSError, ValueError, TypeError):
        said = json.loads((path / "lock").read_text())
        return Holder(tuple(said["pids"]), said["bootstrap"])
    return Holder()


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
