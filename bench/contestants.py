"""Who takes part in which measurement: the command, its environment, and what it guarantees."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import OURS
from bench.venvs import venv

PEERS = Path(__file__).with_name("peers").resolve()


@dataclass(frozen=True)
class Contestant:
    """One way to do the work of a measurement.

    `command` is made only when its turn comes: it may have to install something first.
    """

    name: str
    command: Callable[[], Sequence[str | Path]]
    guarantee: str
    variant: str = ""
    share: float = 1.0
    """Part of the events that it gets. A rate is a rate, and the slow would take half an hour."""
    is_default: bool = True


def _faust(file: str) -> Callable[[], Sequence[str | Path]]:
    return lambda: [
        sys.executable,
        PEERS / file,
        "--loop",
        "uvloop",
        "worker",
        "--loglevel",
        "error",
    ]


def _script(file: str, *packages: str) -> Callable[[], Sequence[str | Path]]:
    return lambda: [venv(file.partition("_")[0], packages), PEERS / file]


PIPE = (
    Contestant(
        OURS,
        lambda: [sys.executable, "-m", "bench.workers.pipe"],
        "outputs and changelog acknowledged before the commit; a redelivery passes again with the "
        "same content, a duplicate never",
    ),
    Contestant(
        "faust",
        _faust("faust_pipe.py"),
        "at least once by commit; changelog and output not awaited, a crash loses events",
        variant="memory",
        share=0.1,
    ),
    Contestant(
        "faust_rocksdb",
        _faust("faust_pipe.py"),
        "as faust, local store kept on disk",
        variant="rocksdb",
        share=0.1,
    ),
)
