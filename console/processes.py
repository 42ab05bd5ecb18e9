"""Child processes of one environment: started, watched, restarted, and none left behind.

A child writes one JSON line with ``"ready": true`` to its standard output when it can work; its
standard error goes to a log file. A child that ends by itself is started again with backoff,
after its death is certain, which is what static group membership needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pipeline.stream.guard import EXIT_CONFIG, EXIT_USAGE

BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the first, second ... restart in a row."""
STEADY = 20.0
"""Seconds after which a child counts as healthy and its backoff starts anew."""
MAX_RESTARTS_IN_A_ROW = 8
NO_RESTART = {EXIT_USAGE, EXIT_CONFIG}
"""What a fresh start does not mend."""
READY_TIMEOUT = 90.0
STOP_TIMEOUT = 45.0
"""Seconds that children may take to stop: a stage ends itself after 40, and one that is killed before
has not given its attempt back, which counts as a death of all that it has in hand."""
_PR_SET_PDEATHSIG = 1


class ProcessError(Exception):
    """A child could not be started or kept; the text says which and where its log is."""


@dataclass
class Child:
    """One child: its command, how it came up and how often it was started again."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    stands_on: int = 0
    """Children that were ready before it was started, so that it may need them."""
    restarts: int = 0
    ready: dict[str, Any] = field(default_factory=dict)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    failure: str | None = None


def die_with_parent() -> None:
    """For a child between fork and exec: a kill -9 of the console must leave none behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # Ctrl-C reaches the console alone, which then stops its children in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Supervisor:
    """Starts children and keeps them running until `stop`."""

    def __init__(self, log_folder: Path, *, on_failure: Callable[[str], None]) -> None:
        self._logs = log_folder
        self._on_failure = on_failure
        self._children: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> Child:
        """Starts a child and waits until it says that it is ready.

        Raises:
            ProcessError: it ended first, or said nothing for `READY_TIMEOUT` seconds.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        stands_on = sum(child.is_ready.is_set() for child in self._children.values())
        child = Child(name, command, env, self._logs / f"{name}.log", stands_on)
        self._children[name] = child
        self._watchers.append(asyncio.create_task(self._keep(child)))
        ready = asyncio.create_task(child.is_ready.wait())
        try:
            await asyncio.wait_for(ready, READY_TIMEOUT)
        except TimeoutError:
            raise ProcessError(
                f"{name} was not ready after {READY_TIMEOUT:.0f} s; see {child.log}"
            ) from None
        if child.failure is not None:
            raise ProcessError(child.failure)
        return child

    async def _keep(self, child: Child) -> None:
        in_a_row = 0
        while not self._is_stopping():
            began = asyncio.get_running_loop().time()
            code = await self._run(child)
            if self._is_stopping():
                return
            steady = asyncio.get_running_loop().time() - began > STEADY
            in_a_row = 1 if steady else in_a_row + 1
            is_hopeless = code in NO_RESTART or in_a_row > MAX_RESTARTS_IN_A_ROW
            if is_hopeless or not child.is_ready.is_set():
                child.failure = f"{child.name} ended with code {code}: {_last_line(child.log)}"
                child.is_ready.set()
                self._on_failure(child.failure)
                return
            child.restarts += 1
            await asyncio.sleep(BACKOFF[min(in_a_row, len(BACKOFF)) - 1])

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _run(self, child: Child) -> int:
        with child.log.open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                env=dict(child.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=die_with_parent,
                # Ctrl-C reaches a terminal's whole process group at once; the broker must not end
                # before those who still have to write to it.
                start_new_session=True,
            )
        assert child.process.stdout is not None  # noqa: S101 - piped just above
        async for line in child.process.stdout:
            self._read(child, line)
        return await child.process.wait()

    def _read(self, child: Child, line: bytes) -> None:
        with contextlib.suppress(orjson.JSONDecodeError):
            said = orjson.loads(line)
            if isinstance(said, dict) and said.get("ready"):
                child.ready = said
                child.is_ready.set()

    def kill(self, name: str) -> None:
        """Sends SIGKILL, as a machine would; the child is started again."""
        self.signal(name, signal.SIGKILL)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a child that runs, e.g. SIGSTOP and SIGCONT."""
        process = self._children[name].process
        if process is not None and process.returncode is None:
            process.send_signal(number)

    @property
    def restarts(self) -> dict[str, int]:
        """How often each child was started again."""
        return {name: child.restarts for name, child in self._children.items()}

    async def stop(self) -> None:
        """Stops every child and returns when all are gone: who started together, stops together.

        Those who stand on others go before them. Cancelled, it kills what is left: who asks for the
        second time does not wait.
        """
        self._stopping = True
        try:
            for floor in sorted({one.stands_on for one in self._children.values()}, reverse=True):
                here = [one for one in self._children.values() if one.stands_on == floor]
                await asyncio.gather(*(_ended(process) for process in _running(here)))
        finally:
            left = _running(self._children.values())
            for process in left:
                process.kill()
            for process in left:
                await process.wait()
            for watcher in self._watchers:
                watcher.cancel()
            await asyncio.gather(*self._watchers, return_exceptions=True)


def _running(children: Iterable[Child]) -> list[asyncio.subprocess.Process]:
    processes = [child.process for child in children if child.process is not None]
    return [process for process in processes if process.returncode is None]


async def _ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()


def python(*arguments: str) -> list[str]:
    """The command that runs a room of this project."""
    return [sys.executable, "-m", *arguments]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return f"{lines[-1][:300]} (all of it: {log})" if lines else f"nothing was logged in {log}"
