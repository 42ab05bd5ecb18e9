"""Runs one command and ends it when the process that asked for it is gone, even by kill -9.

``python kafka_guard.py PARENT COMMAND...`` prints the command's process id and stays until the
command ends; PARENT 0 follows nobody. The standard error is the command's log.

The kernel's parent-death signal alone is not enough for the broker's owner: it fires when the
*thread* that forked ends. This process has one thread, so for its own child the signal is exact,
and it follows PARENT by its own parent's id, which changes at PARENT's death, however that came.
It also inherits the lock of the data folder, which is thus held until the broker is gone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY = 0.5  # seconds
_GRACE = 10.0  # seconds between SIGTERM and SIGKILL for a broker without an owner


def _die_with_guard() -> None:  # runs in the child between fork and exec
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(parent: int, command: list[str]) -> int:
    """Runs `command` to its end; returns its exit code, as shells do: 137 for SIGKILL."""
    if _is_gone(parent):
        return 1
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=_die_with_guard,  # noqa: PLW1509 - this process has one thread
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    sys.stdout.write(f"{child.pid}\n")
    sys.stdout.flush()
    while True:
        try:
            code = child.wait(_LOOK_EVERY)
        except subprocess.TimeoutExpired:
            if _is_gone(parent):
                _end(child)
        else:
            return code if code >= 0 else 128 - code


def _is_gone(parent: int) -> bool:
    return parent not in {0, os.getppid()}


def _end(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGCONT)  # a paused broker hears no SIGTERM
    child.terminate()
    try:
        child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
