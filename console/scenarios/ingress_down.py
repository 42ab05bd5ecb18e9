"""Ingress hangs and customers write on: the helpdesk shows them, no webhook comes, an operator sees it."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import httpx

from console.environment import Setup
from console.watching import Watch, watching
from console.world import Scenario, World

BEFORE = 5
MISSED = 4
COUNTED = "./switchboard metrics received --since 1h --by outcome"
SECTION = "webhooks-do-not-arrive"


async def play(world: World) -> None:
    """Ingress stands still, then goes on; what came meanwhile never arrived."""
    async with watching(world) as watch:
        for ticket in await world.open_tickets(BEFORE):
            await world.write(ticket)
        world.promise("all_is_well_before", held=await world.settled(within=60))
        world.env.supervisor.signal("ingress", signal.SIGSTOP)
        watch.symptom()
        try:
            await lost(world)
            await watch.fires("ingress_silent/all")
            await watch.fires("process_silent/ingress")
            await all_missing_seen(world, watch)
        finally:
            world.env.supervisor.signal("ingress", signal.SIGCONT)
        world.say("ingress goes on")
        await back(world)
        for ticket in await world.open_tickets(BEFORE):
            await world.write(ticket)
        world.promise("all_is_well_after", held=await world.settled(within=60))
        await watch.agrees("webhooks_received", COUNTED, len(world.sent))
        said = await watch.runbook_says(SECTION, metric="received")
        world.promise("the_runbooks_query_shows_it", held=bool(said["lines"]))
        await watch.closes("ingress_silent/all")
        await watch.closes("process_silent/ingress")


async def lost(world: World) -> None:
    """Customers write; the helpdesk reaches nobody with their webhooks and does not try again."""
    for _ in range(MISSED):
        await world.open_tickets(1)
        await asyncio.sleep(0.5)


async def all_missing_seen(world: World, watch: Watch) -> None:
    """Promises that the alert tells exactly how many are missing."""

    async def does() -> bool:
        state = watch.state("ingress_silent/all")
        return state is not None and state.worst >= MISSED

    await world.until(does, within=30.0)
    shown = await watch.command("./switchboard alerts")
    values = [each["worst"] for each in shown["alerts"] if each["alert"] == "ingress_silent/all"]
    world.figure("customers_missed", {"alert": values, "helpdesk": MISSED})
    world.promise("the_alert_counts_who_was_missed", held=values == [MISSED])


async def back(world: World) -> None:
    """Returns when ingress answers again."""

    async def answers() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            url = f"{world.urls.ingress}/ready"
            return (await world.client.get(url, timeout=1.0)).status_code == httpx.codes.OK
        return False

    await world.until(answers, within=60, every=0.5)


SCENARIO = Scenario(
    "ingress-down",
    "ingress hangs while customers write: missed webhooks are counted within half a minute",
    play,
    Setup(is_private=True),
)
