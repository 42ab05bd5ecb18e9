"""`./switchboard scenario NAME`: a named bad day in a private environment, judged by what arrived."""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Table

from console import scenarios
from console.operating import operating
from console.running import RunError, environment, run_interruptible
from console.trail import Trail, TrailReader
from console.world import Scenario, World

FOLDER = Path(".switchboard")


def all_scenarios() -> dict[str, Scenario]:
    """Every scenario by name: each module of `console.scenarios` has one."""
    found = {}
    for module in pkgutil.iter_modules(scenarios.__path__):
        scenario: Scenario = importlib.import_module(f"{scenarios.__name__}.{module.name}").SCENARIO
        found[scenario.name] = scenario
    return dict(sorted(found.items()))


def scenario(
    name: Annotated[str, typer.Argument(help="Which; `list` names them all.")],
    output: Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")] = (
        "table"
    ),
    folder: Annotated[Path, typer.Option(help="Where its data and logs go.")] = FOLDER,
) -> None:
    """Play a named bad day, judge it by what the helpdesk received; exit 1 on a broken promise."""
    known = all_scenarios()
    if name == "list":
        for each in known.values():
            typer.echo(f"{each.name:<20} {each.summary}")
        return
    if name not in known:
        raise typer.BadParameter(f"no scenario {name}: one of {', '.join(known)}")
    mine = folder / f"scenario-{name}-{os.getpid()}"
    raise typer.Exit(run_interruptible(judged(known[name], mine, output=output)))


async def judged(chosen: Scenario, folder: Path, *, output: str) -> int:
    """Plays and prints; 0 when every promise held."""
    result = await play(chosen, folder, Console(stderr=True))
    if output == "json":
        sys.stdout.write(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        Console().print(as_table(result))
    held = is_held(result)
    if held:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        Console(stderr=True).print(f"[red]a promise broke[/]; everything is kept in {folder}")
    return 0 if held else 1


def is_held(result: dict[str, Any]) -> bool:
    """Whether every promise held; a day on which nothing was promised has shown nothing."""
    return bool(result["promises"]) and all(result["promises"].values())


async def play(chosen: Scenario, folder: Path, console: Console) -> dict[str, Any]:
    """The result of one scenario: name, promises, figures.

    Raises:
        RunError: the environment failed, so nothing can be judged.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/] {text}")

    say(chosen.summary)
    async with (
        environment(folder, console, chosen.setup) as (env, urls, failed),
        operating(urls.broker) as operator,
        httpx.AsyncClient(timeout=60) as client,
    ):
        await operator.known()
        trail = Trail()
        reader = TrailReader(urls.broker, trail)
        world = World(env, urls, operator, client, trail=trail, say=say)
        playing = asyncio.create_task(chosen.play(world))
        try:
            await asyncio.wait(
                cast("list[asyncio.Future[Any]]", [playing, failed]), return_when="FIRST_COMPLETED"
            )
            if failed.done():
                raise RunError(failed.result())
            await playing
        finally:
            playing.cancel()
            reader.close()
    world.figure("seconds", round(time.monotonic() - began, 1))
    return {"name": chosen.name, "promises": world.promises, "figures": world.figures}


def as_table(result: dict[str, Any]) -> Table:
    """The result for a person."""
    table = Table(result["name"], "")
    for name, held in result["promises"].items():
        table.add_row(name.replace("_", " "), "held" if held else "[red]BROKEN[/]")
    table.add_section()
    for name, value in result["figures"].items():
        table.add_row(name.replace("_", " "), str(value))
    return table
