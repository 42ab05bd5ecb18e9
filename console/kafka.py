"""`./switchboard kafka`: the embedded broker as a background process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="The embedded Apache Kafka: start, stop, status, reset.", no_args_is_help=True
)

FOLDER = Path(".switchboard/kafka")
START_TIMEOUT = 180.0
STOP_TIMEOUT = 30.0

Folder = Annotated[Path, typer.Option(help="Data folder of the broker.")]


class KafkaCommandError(Exception):
    """The broker process refused; the text is its own line."""


def ask(*arguments: str) -> dict[str, Any]:
    """One verb of the broker's process, answered as JSON.

    Raises:
        KafkaCommandError: the verb failed.
    """
    answer = subprocess.run(
        [sys.executable, "-m", "sandbox.broker", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise KafkaCommandError(answer.stderr.strip().removeprefix("error: "))
    said: dict[str, Any] = json.loads(answer.stdout)
    return said


@app.command()
def start(
    folder: Folder = FOLDER,
    nodes: Annotated[int, typer.Option(help="1 or 3.")] = 1,
    port: Annotated[int | None, typer.Option(help="Client port; a free one by default.")] = None,
) -> None:
    """Start the broker in the background and print its address."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "serve.log"
    command = [sys.executable, "-m", "sandbox.broker", "serve", "--folder", str(folder)]
    command += ["--nodes", str(nodes), *(["--port", str(port)] if port else [])]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - piped just above
    for line in process.stdout:
        said = json.loads(line)
        if said.get("ready"):
            typer.echo(f"Kafka is ready: export KAFKA_BOOTSTRAP_SERVERS={said['bootstrap']}")
            return
        typer.echo(f"{said['progress']} ...", err=True)
    process.wait()
    raise KafkaCommandError(log.read_text().strip().removeprefix("error: "))


@app.command()
def stop(folder: Folder = FOLDER) -> None:
    """Stop the broker; its data stays."""
    said = ask("status", "--folder", str(folder))
    if not said["running"]:
        typer.echo("Kafka does not run")
        return
    os.kill(int(said["pid"]), signal.SIGTERM)
    ends = time.monotonic() + STOP_TIMEOUT
    while ask("status", "--folder", str(folder))["running"]:
        if time.monotonic() > ends:
            raise KafkaCommandError(
                f"the broker did not stop in {STOP_TIMEOUT:.0f} s: kill -9 {said['pid']}"
            )
    typer.echo("Kafka is stopped")


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Tell whether the broker runs and where."""
    said = ask("status", "--folder", str(folder))
    if not said["running"]:
        typer.echo("Kafka does not run: ./switchboard kafka start")
        raise typer.Exit(1)
    typer.echo(f"Kafka runs at {said.get('bootstrap', '(starting)')} (pid {said.get('pid')})")


@app.command()
def reset(folder: Folder = FOLDER) -> None:
    """Delete the broker's data."""
    ask("reset", "--folder", str(folder))
    typer.echo("Kafka's data is deleted")
