"""A child process and its descendants, measured while they run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

_EVERY = 0.1
_LOOK_FOR_CHILDREN = 1.0
_STOP_TIMEOUT = 20.0


class ProcessError(RuntimeError):
    """A contestant did not run; the text quotes its last words and names its log."""


class Meter:
    """Samples CPU seconds and memory of a process and its descendants, in a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen: dict[int, tuple[psutil.Process, float]] = {}
        self.cpu: list[tuple[float, float]] = []
        """(unix time, CPU seconds of the tree since its start), rising."""
        self.peak_rss = 0
        """Highest sum of resident bytes over the tree."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        look_at = 0.0
        while True:
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + _LOOK_FOR_CHILDREN
            self._sample()
            if self._ended.wait(_EVERY):
                return

    def _look(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in (self._root, *self._root.children(recursive=True)):
                self._seen.setdefault(each.pid, (each, 0.0))

    def _sample(self) -> None:
        resident = 0
        for pid, (process, _) in list(self._seen.items()):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                times = process.cpu_times()
                resident += process.memory_info().rss
                self._seen[pid] = process, times.user + times.system
        self.peak_rss = max(self.peak_rss, resident)
        # What a process used stays in the sum after its end.
        self.cpu.append((time.time(), sum(used for _, used in self._seen.values())))

    def stop(self) -> None:
        """Takes a last sample and ends."""
        self._ended.set()
        self._thread.join()
        self._sample()


class Running:
    """A started command with its meter; ends with the block that it was started in."""

    def __init__(self, command: Sequence[str | Path], *, env: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self.began = time.time()
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                list(map(str, command)),
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self.meter = Meter(self.process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def said(self, *, timeout: float = 120.0) -> dict[str, Any]:
        """The next JSON object on its standard output; banners are passed over.

        Raises:
            ProcessError: it ended instead, or said nothing for `timeout` seconds and was killed.
        """
        assert self.process.stdout is not None  # noqa: S101 - piped at the start
        late = threading.Timer(timeout, self.kill)
        late.start()
        try:
            for line in self.process.stdout:
                # Faust puts terminal codes in front.
                _, brace, rest = line.partition("{")
                if brace:
                    found: dict[str, Any] = json.loads(brace + rest)
                    return found
            was_late = not late.is_alive()
        finally:
            late.cancel()
        self.process.wait()
        raise ProcessError(f"said nothing for {timeout:.0f} s" if was_late else self.last_words())

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """Its exit code and the end of its log."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        said = lines[-1][:300] if lines else "nothing"
        return f"ended with code {self.process.poll()} and said: {said} (see {self._log})"

    def kill(self) -> None:
        """SIGKILL to the whole tree, as a machine that loses its power."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to what is left after 20 s."""
        self.meter.stop()
        if not self.has_ended:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_TIMEOUT)
        self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
