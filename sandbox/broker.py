"""`python -m sandbox.broker VERB`: the embedded broker as a process, for the console.

`start` leaves a broker behind that lives until `stop`; `serve` runs one until SIGTERM. Both
print one JSON line with ``"ready": true`` and the bootstrap address, after lines of progress.
Every answer is JSON on standard output; an error is one line on standard error and exit code 1.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import threading
from pathlib import Path

from sandbox.kafka import Broker, EmbeddedKafka, KafkaError
from sandbox.kafka_folder import DEFAULT, reset, running, stop
from sandbox.kafka_jars import LOCK, resolve_lock


def start(folder: Path, nodes: int, port: int | None) -> None:
    """Starts a broker that outlives this process."""
    kafka = EmbeddedKafka(
        folder, nodes=nodes, port=port, die_with_parent=False, on_progress=_say_progress
    )
    _say_ready(kafka.start())


def serve(folder: Path, nodes: int, port: int | None) -> None:
    """Runs a broker until SIGTERM or SIGINT, and ends when the broker does."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with EmbeddedKafka(folder, nodes=nodes, port=port, on_progress=_say_progress) as kafka:
        _say_ready(kafka.start())
        while not ended.wait(0.5):
            kafka.check()


def status(folder: Path) -> None:
    """Says who runs on `folder`."""
    holder = running(folder)
    if holder is None:
        _say({"running": False})
    else:
        _say({"running": True, "pids": holder.pids, "bootstrap": holder.bootstrap})


def relock() -> None:
    """Writes the lock of the jars for the version in `sandbox.kafka_jars`."""
    with tempfile.TemporaryDirectory() as scratch:
        LOCK.write_text(resolve_lock(Path(scratch)))


def _say_progress(text: str) -> None:
    _say({"progress": text})


def _say_ready(broker: Broker) -> None:
    _say({"ready": True, "bootstrap": broker.bootstrap, "log": str(broker.log)})


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Runs the verb that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.broker")
    parser.add_argument("verb", choices=["start", "serve", "stop", "status", "reset", "lock"])
    parser.add_argument("--folder", type=Path, default=DEFAULT)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    try:
        match asked.verb:
            case "start":
                start(asked.folder, asked.nodes, asked.port)
            case "serve":
                serve(asked.folder, asked.nodes, asked.port)
            case "stop":
                _say({"stopped": stop(asked.folder)})
            case "status":
                status(asked.folder)
            case "reset":
                reset(asked.folder)
                _say({"reset": True})
            case _:
                relock()
    except KafkaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
