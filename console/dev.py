"""`./switchboard dev`: the whole system on this machine, with customers, and `--once N` to judge it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import httpx
import orjson
import typer
from rich.console import Console
from rich.live import Live

from console.environment import BUDGET, REAL_BUDGET, STAGES, WINDOW, Environment, Setup, Urls
from console.processes import die_with_parent, python
from console.running import RunError, environment, exclusive, run_interruptible
from console.screen import outcome_table, verdict_table
from console.trail import Trail, TrailReader
from console.verdict import broken_promises, report
from pipeline.domain.modes import Mode

FOLDER = Path(".switchboard")
RATE = 20.0
ORDINARY_RATE = 2.0
"""Webhooks a second, as `RATE`."""
STORM_SECONDS, STORM_MOST = 6.0, 60.0
"""Seconds of a storm in which nothing is refused, and of one that still has refused too little."""
STORM_REFUSALS = 3
STORM_SLOWNESS = 0.3
"""Seconds that a helpdesk in trouble takes for each call. So all of a worker's calls are on the
wire when the budget ends, and are refused together before its gate can close."""
STORM_FILLS = 1.0
OUTAGE_SECONDS = 20.0
KILL_ROUNDS = 3
KILL_PAUSE = 2.0
STALL_SECONDS = 90.0
"""Seconds without any new outcome after which what is missing counts as lost."""
DEV_BATCH = 120


def dev(
    once: Annotated[
        int | None, typer.Option(min=10, help="Send this many webhooks, judge, and end.")
    ] = None,
    kill: Annotated[
        bool, typer.Option("--kill", help="With --once: kill -9 each stage three times.")
    ] = False,
    output: Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")] = (
        "table"
    ),
    folder: Annotated[Path, typer.Option(help="Where its data and logs go.")] = FOLDER,
    seed: Annotated[int, typer.Option(help="Of the sample traffic.")] = 1,
) -> None:
    """Run everything: broker, fake vendors, ingress, stages and a stream of sample tickets."""
    if kill and once is None:
        raise typer.BadParameter("--kill goes with --once")
    if once is not None:
        work = once_run(folder / f"once-{os.getpid()}", once, kill=kill, output=output, seed=seed)
        code = run_interruptible(work)
    else:
        with exclusive(folder / "dev"):
            code = run_interruptible(dev_run(folder / "dev", seed=seed))
    raise typer.Exit(code)


def up(
    folder: Annotated[Path, typer.Option(help="Where its data and logs go.")] = FOLDER / "up",
    mode: Annotated[Mode, typer.Option(help="What may happen at the helpdesk.")] = Mode.LIVE,
    budget: Annotated[int, typer.Option(help="Requests per 30 s at the fake helpdesk.")] = BUDGET,
) -> None:
    """Run everything without customers; print one JSON line of addresses; end with Ctrl-C."""

    async def serve() -> int:
        console = Console(stderr=True)
        setup = Setup(mode=mode, budget=budget)
        async with environment(folder, console, setup) as (_, urls, failed):
            said = {"ready": True, **dataclasses.asdict(urls)}
            sys.stdout.write(orjson.dumps(said).decode() + "\n")
            sys.stdout.flush()
            raise RunError(await failed)

    with exclusive(folder):
        raise typer.Exit(run_interruptible(serve()))


async def once_run(folder: Path, count: int, *, kill: bool, output: str, seed: int) -> int:
    """Sends `count` webhooks, waits for every outcome and judges; 0 when every promise held."""
    console = Console(stderr=True)
    async with environment(folder, console, Setup()) as (env, urls, failed):
        trail = Trail()
        reader = TrailReader(urls.broker, trail)
        began = time.monotonic()
        tasks = [asyncio.create_task(bad_day(urls))]
        if kill:
            tasks.append(asyncio.create_task(kills(env)))
        watch = asyncio.create_task(show_progress(console, trail, count))
        sender = asyncio.create_task(send(urls, count, seed=seed, rate=RATE))
        try:
            await asyncio.wait(
                cast("list[asyncio.Future[Any]]", [sender, failed]), return_when="FIRST_COMPLETED"
            )
            if failed.done():
                raise RunError(failed.result())
            journal = sender.result()
            await asyncio.gather(*tasks)
            await settled(trail, list(journal["accepted_ids"]), failed)
        finally:
            for task in (*tasks, watch, sender):
                task.cancel()
            reader.close()
        async with httpx.AsyncClient() as client:
            vendor = (await client.get(f"{urls.richpanel}/_sandbox/stats")).json()
            applied = (await client.get(f"{urls.richpanel}/_sandbox/journal")).json()["effects"]
        figures = report(journal, trail, vendor, applied, env.supervisor.restarts)
        figures["seconds"] = round(time.monotonic() - began, 1)
    if output == "json":
        sys.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        Console().print(verdict_table(figures))
    for words in broken_promises(figures):
        console.print(f"[red]broken:[/] {words}; everything is kept in {folder}")
    if figures["kept"]:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if figures["kept"] else 1


async def settled(trail: Trail, ids: list[str], failed: asyncio.Future[str]) -> None:
    """Waits until every webhook has its outcome, or nothing has moved for `STALL_SECONDS`."""
    known, since = -1, time.monotonic()
    while trail.missing(ids):
        if failed.done():
            raise RunError(failed.result())
        if len(trail.outcomes) != known:
            known, since = len(trail.outcomes), time.monotonic()
        if time.monotonic() - since > STALL_SECONDS:
            return
        await asyncio.sleep(0.2)


async def show_progress(console: Console, trail: Trail, count: int) -> None:
    """One line that moves, on a terminal only."""
    if not console.is_terminal:
        return
    with console.status("sending ...") as line:
        while True:
            line.update(f"{len(trail.outcomes)} of {count} webhooks have their outcome")
            await asyncio.sleep(0.3)


async def send(urls: Urls, count: int, *, seed: int, rate: float) -> dict[str, Any]:
    """Runs the helpdesk's sender as a child; its journal.

    Raises:
        RunError: it ended without one.
    """
    run = f"{int(time.time()):x}{seed}"
    command = python(
        "sandbox.sender", "--ingress", urls.ingress, "--token", urls.token,
        "--richpanel", urls.richpanel, "--count", str(count), "--rate", str(rate),
        "--seed", str(seed), "--run", run,
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        limit=64 << 20,
        preexec_fn=die_with_parent,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - piped just above
        async for line in process.stdout:
            said: dict[str, Any] = orjson.loads(line)
            if said.get("done"):
                return said
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    raise RunError("the sender of sample webhooks ended early; see its words above")


async def bad_day(urls: Urls) -> None:
    """A 429 storm at the real budget, then a model that does not answer."""
    async with httpx.AsyncClient() as client:
        await asyncio.sleep(5)
        await storm(client, urls.richpanel)
        await client.put(
            f"{urls.openai}/_sandbox/faults", json=[{"kind": "hang", "for_s": OUTAGE_SECONDS}]
        )


async def storm(client: httpx.AsyncClient, desk: str) -> None:
    """The helpdesk gets slow and then holds to its real budget, until it has refused several."""
    slow = {"kind": "delay", "delay_s": STORM_SLOWNESS}
    before = await refused(client, desk)
    await client.put(f"{desk}/_sandbox/faults", json=[slow])
    await asyncio.sleep(STORM_FILLS)
    await client.put(f"{desk}/_sandbox/budget", json={"limit": REAL_BUDGET, "window": WINDOW})
    began, count = time.monotonic(), 0
    while count < STORM_REFUSALS:
        await asyncio.sleep(0.2)
        count = await refused(client, desk) - before
        if time.monotonic() - began > (STORM_MOST if count else STORM_SECONDS):
            break
    await client.put(f"{desk}/_sandbox/budget", json={"limit": BUDGET, "window": WINDOW})
    await client.delete(f"{desk}/_sandbox/faults")


async def refused(client: httpx.AsyncClient, desk: str) -> int:
    """Requests that the fake helpdesk has answered with 429."""
    answers: dict[str, int] = (await client.get(f"{desk}/_sandbox/stats")).json()["requests"]
    return answers.get("429", 0)


async def kills(env: Environment) -> None:
    """Kill -9 of each stage in turn, three times."""
    for _ in range(KILL_ROUNDS):
        for stage in STAGES:
            await asyncio.sleep(KILL_PAUSE)
            env.supervisor.kill(stage)


async def dev_run(folder: Path, *, seed: int) -> int:
    """Runs until Ctrl-C: sample tickets without end, and one screen that shows them."""
    console = Console()
    async with environment(folder, console, Setup()) as (env, urls, failed):
        trail = Trail()
        reader = TrailReader(urls.broker, trail)
        customers = asyncio.create_task(stream_of_tickets(urls, seed=seed))
        day = asyncio.create_task(bad_day(urls))
        try:
            async with httpx.AsyncClient(timeout=2) as client:
                with Live(console=console, refresh_per_second=4) as live:
                    while not (failed.done() or customers.done()):
                        figures = await look(client, urls)
                        live.update(outcome_table(urls, trail, figures, env.supervisor.restarts))
                        await asyncio.sleep(0.5)
            if failed.done():
                raise RunError(failed.result())
            await customers  # ends by an error only, which a screen that goes on would hide
            return 1
        finally:
            customers.cancel()
            day.cancel()
            await asyncio.gather(customers, day, return_exceptions=True)
            reader.close()


async def look(client: httpx.AsyncClient, urls: Urls) -> dict[str, Any]:
    """The windows of the last hour and the helpdesk's own counts; {} for what is away."""
    figures: dict[str, Any] = {}
    for name, url in (
        ("windows", f"{urls.stages['observe']}/windows"),
        ("vendor", f"{urls.richpanel}/_sandbox/stats"),
    ):
        try:
            figures[name] = (await client.get(url)).json()
        except (httpx.HTTPError, ValueError):
            figures[name] = {}
    return figures


async def stream_of_tickets(urls: Urls, *, seed: int) -> None:
    """Sends batch after batch: lively at first, then at an ordinary desk's pace."""
    for number in itertools.count():
        rate = RATE if number == 0 else ORDINARY_RATE
        await send(urls, DEV_BATCH, seed=seed + number, rate=rate)
