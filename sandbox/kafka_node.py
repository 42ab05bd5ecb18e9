"""One node of an embedded broker: the Java process and the guard that is its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.kafka_jars import KafkaError

_GUARD = Path(__file__).with_name("kafka_guard.py")
_LONGEST_WORDS = 300  # characters of a log line that an error quotes


@dataclass(frozen=True)
class Node:
    """A started node: `pid` is the Java process, `guard` is our child and holds the lock."""

    pid: int
    guard: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def spawn(
        cls, command: Sequence[str], log: Path, *, owner: int, lock: int, env: Mapping[str, str]
    ) -> Node:
        """Starts `command` in the log's folder; `owner` 0 lets it outlive this process.

        Raises:
            KafkaError: the command could not be started.
        """
        with log.open("wb") as file:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(owner), *command],
                cwd=log.parent,
                env={**env, "LC_ALL": "C.UTF-8"},  # Java reads a folder's name by the locale
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is the owner's, which then stops the nodes
            )
        assert guard.stdout is not None  # noqa: S101 - piped just above
        with guard.stdout as said:
            pid = said.readline()
        if not pid:
            guard.wait()
            raise KafkaError(
                f"{command[0]} could not be run ({last_words(log)}): delete .venv and run "
                "./switchboard kafka start"
            )
        return cls(int(pid), guard, log)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 and the signal's number when a signal ended it."""
        return self.guard.poll()

    def signal(self, number: int) -> None:
        """Sends a signal to the Java process, if it still runs."""
        # Only the guard reaps the Java process: while it runs the id cannot be another's.
        if self.exit_code is None:
            os.kill(self.pid, number)

    def end(self, timeout: float) -> None:
        """Waits for the end after SIGTERM, and forces it after `timeout` seconds."""
        try:
            self.guard.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        self.guard.wait()


def last_words(log: Path) -> str:
    """The line of a node's log that tells most: its last error, else its last line."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    causes = [line for line in lines if line.startswith("Caused by:")]
    errors = [line for line in lines if " ERROR " in line or "Exception: " in line]
    told = causes or errors or lines or ["nothing was logged"]
    return f"{told[-1].strip()[:_LONGEST_WORDS]} (see {log})"
