"""Who takes part in which measurement: the command, its environment, and what it guarantees."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import OURS
from bench.java import java
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


def _faust(file: str, web: str = "--without-web") -> Callable[[], Sequence[str | Path]]:
    # Its web server is on by default, on one fixed port.
    options = ["--quiet", "--loop", "uvloop", "worker", web, "--loglevel", "error"]
    return lambda: [sys.executable, PEERS / file, *options]


def _script(file: str, *packages: str) -> Callable[[], Sequence[str | Path]]:
    """A peer in Python; with `packages` in an environment of its own, else in the project's."""
    name = file.partition("_")[0]
    return lambda: [venv(name, packages) if packages else sys.executable, PEERS / file]


def _java(file: str) -> Callable[[], Sequence[str | Path]]:
    return lambda: java(PEERS / file)


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
        share=0.06,
    ),
    Contestant(
        "faust_rocksdb",
        _faust("faust_pipe.py"),
        "as faust, local store kept on disk",
        variant="rocksdb",
        share=0.06,
    ),
    Contestant(
        "quix",
        _script("quix_pipe.py", "quixstreams==3.28.1"),
        "at least once by checkpoint: state, changelog and outputs flushed before the commit",
    ),
    Contestant(
        "kafka_streams",
        _java("Pipe.java"),
        "at least once; a crash between store and commit loses what dedup by presence then drops",
        variant="at_least_once",
    ),
    Contestant(
        "kafka_streams_eos",
        _java("Pipe.java"),
        "exactly once by transactions",
        variant="exactly_once_v2",
    ),
    Contestant(
        "faststream",
        _script("faststream_pipe.py", "faststream[kafka]==0.7.8"),
        "at most once by automatic commit; state in memory, lost at a restart",
        share=0.06,
        is_default=False,
    ),
    Contestant(
        "aiokafka",
        _script("aiokafka_pipe.py"),
        "acknowledged before the commit; state not restored, no care for rebalances",
        is_default=False,
    ),
    Contestant(
        "confluent",
        _script("confluent_pipe.py"),
        "acknowledged before the commit; state not restored, no care for rebalances",
        is_default=False,
    ),
)

RESTORE = (
    Contestant(
        OURS,
        lambda: [sys.executable, "-m", "bench.workers.restore"],
        "rows and changelog offset in one write; kept over restarts",
    ),
    Contestant(
        "faust", _faust("faust_restore.py"), "a dict in memory", variant="memory", share=0.06
    ),
    Contestant(
        "faust_rocksdb",
        _faust("faust_restore.py"),
        "rows and offset in two writes",
        variant="rocksdb",
        share=0.06,
    ),
    Contestant("kafka_streams", _java("Restore.java"), "RocksDB with a checkpoint of the offset"),
)

INGRESS = (
    Contestant(
        OURS,
        lambda: [sys.executable, "-m", "ingress"],
        "202 after acks=all by an idempotent producer, every check of the product on",
    ),
    Contestant("faust", _faust("faust_web.py", "--with-web"), "202 after acks=all"),
)

WINDOWS = (
    Contestant(
        OURS,
        lambda: [sys.executable, "-m", "bench.workers.windows"],
        "each event once, whatever is redelivered; changelog acknowledged before the commit; every "
        "metric of the catalogue counted",
    ),
    Contestant(
        "faust",
        _faust("faust_windows.py"),
        "at least once by commit, a redelivery counts again; changelog not awaited",
        variant="memory",
        share=0.04,
    ),
    Contestant(
        "faust_rocksdb",
        _faust("faust_windows.py"),
        "as faust, local store kept on disk",
        variant="rocksdb",
        share=0.04,
        is_default=False,
    ),
)

RESUME = (
    *(each for each in PIPE if each.name in (OURS, "faust_rocksdb", "kafka_streams")),
    Contestant(
        f"{OURS}_static",
        lambda: [sys.executable, "-m", "bench.workers.pipe"],
        "the same under a static member name, which a supervisor may use that saw the old one die",
        variant="static",
    ),
)
