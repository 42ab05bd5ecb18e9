"""`./switchboard kafka`: the embedded broker as a background process of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="The embedded Apache Kafka: start, stop, status, reset.", no_args_is_help=True
)

FOLDER = Path(".switchboard/kafka")
Folder = Annotated[Path, typer.Option(help="Data folder of the broker.")]


def ask(*arguments: str, on_progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """One verb of ``python -m sandbox.broker``: its last line, the earlier ones are progress.

    Raises:
        typer.Exit: the verb failed; its one line of explanation is on standard error already.
    """
    said: dict[str, Any] = {}
    # Rooms of one floor do not import each other, so the broker is asked as a process; what it
    # has to complain goes straight to the person.
    command = [sys.executable, "-m", "sandbox.broker", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - piped just above
        for line in process.stdout:
            said = json.loads(line)
            if "progress" in said:
                on_progress(said["progress"])
    if process.returncode:
        raise typer.Exit(process.returncode)
    return said


@app.command()
def start(
    folder: Folder = FOLDER,
    nodes: Annotated[int, typer.Option(help="1 or 3.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Client port; a free one by default.")
    ] = None,
) -> None:
    """Start the broker in the background and print its address."""
    arguments = ["--folder", str(folder), "--nodes", str(nodes)]
    arguments += ["--port", str(port)] if port is not None else []
    said = ask("start", *arguments, on_progress=lambda text: typer.echo(f"{text} ...", err=True))
    typer.echo(f"Kafka is ready: export KAFKA_BOOTSTRAP_SERVERS={said['bootstrap']}")


@app.command()
def stop(folder: Folder = FOLDER) -> None:
    """Stop the broker; its data stays."""
    said = ask("stop", "--folder", str(folder))
    typer.echo("Kafka is stopped" if said["stopped"] else "Kafka does not run")


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Tell whether the broker runs and where; exit 1 when it does not."""
    said = ask("status", "--folder", str(folder))
    if not said["running"]:
        where = "" if folder == FOLDER else f" --folder {shlex.quote(str(folder))}"
        typer.echo(f"Kafka does not run: ./switchboard kafka start{where}")
        raise typer.Exit(1)
    pids = ", ".join(map(str, said["pids"]))
    typer.echo(f"Kafka runs at {said['bootstrap'] or '(still starting)'} (pid {pids})")


@app.command()
def reset(folder: Folder = FOLDER) -> None:
    """Delete the broker's data; refused while it runs."""
    ask("reset", "--folder", str(folder))
    typer.echo("Kafka's data is deleted")
