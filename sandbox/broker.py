"""`python -m sandbox.broker VERB`: the embedded broker as a process, for the console.

`serve` runs until SIGTERM and prints one JSON line with the bootstrap address; `status` and
`reset` look at a folder. Every answer is JSON on standard output; an error is one line on
standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from sandbox.kafka import EmbeddedKafka, KafkaError, running
from sandbox.kafka_jars import LOCK, lock_text, resolve


def serve(folder: Path, nodes: int, port: int | None) -> None:
    """Runs the broker until SIGTERM or SIGINT, and ends when the broker does."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def progress(text: str) -> None:
        _say({"progress": text})

    with EmbeddedKafka(folder, nodes=nodes, port=port, on_progress=progress) as kafka:
        broker = kafka.start()
        _say({"ready": True, "bootstrap": broker.bootstrap, "log": str(broker.log)})
        while not stop.wait(0.5):
            kafka.check()


def status(folder: Path) -> None:
    """Says who runs on `folder`."""
    said = running(folder)
    _say({"running": said is not None, **(said or {})})


def reset(folder: Path) -> None:
    """Deletes the data of a broker that does not run.

    Raises:
        KafkaError: it runs.
    """
    said = running(folder)
    if said is not None:
        raise KafkaError(f"the broker runs (pid {said.get('pid')}): ./switchboard kafka stop first")
    shutil.rmtree(folder, ignore_errors=True)
    _say({"reset": True})


def relock() -> None:
    """Writes the lock of the jars for the version in `sandbox.kafka_jars`."""
    with tempfile.TemporaryDirectory() as scratch:
        LOCK.write_text(lock_text(resolve(Path(scratch))))


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Runs the verb that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.broker")
    parser.add_argument("verb", choices=["serve", "status", "reset", "lock"])
    parser.add_argument("--folder", type=Path, default=Path(".switchboard/kafka"))
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    try:
        match asked.verb:
            case "serve":
                serve(asked.folder, asked.nodes, asked.port)
            case "status":
                status(asked.folder)
            case "reset":
                reset(asked.folder)
            case _:
                relock()
    except KafkaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
