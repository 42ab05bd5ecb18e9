"""A worker's kill points and journal: files that the test makes and reads.

A worker says by a file that it reached a step, and looks for a file that tells it to wait there,
to fail or to die. So a test meets an event at the very step it means, however slow the machine is.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def end_with_the_test() -> None:
    """Ends this process when the test's process is gone, however that came."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True)
class Steps:
    """The steps of one worker; `folder` is shared with the test and with the other workers."""

    folder: Path
    worker: str

    @classmethod
    def from_environment(cls) -> Steps:
        return cls(Path(os.environ["STEPS"]), os.environ["WORKER"])

    async def reach(self, step: str) -> None:
        """Says that `step` is reached; then dies, fails or waits if the test wants it."""
        self.path(step, "reached").touch()
        self.now(step)
        while self.path(step, "hold").exists():  # noqa: ASYNC110 - the test is another process
            await asyncio.sleep(0.02)

    def now(self, step: str) -> None:
        """Dies or fails at `step` if the test wants it, once, without giving the loop a turn."""
        if self._take(step, "die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._take(step, "fail"):
            raise RuntimeError(step)

    def _take(self, step: str, what: str) -> bool:
        try:
            self.path(step, what).unlink()
        except FileNotFoundError:
            return False
        return True

    def path(self, step: str, what: str) -> Path:
        return self.folder / f"{step}.{what}"

    def note(self, what: str, ident: str) -> None:
        """One line of the journal, all at once; the clock is the same for every process."""
        entry = {"worker": self.worker, "what": what, "id": ident, "at": time.monotonic()}
        with (self.folder / "journal").open("ab", buffering=0) as journal:
            journal.write(json.dumps(entry).encode() + b"\n")
