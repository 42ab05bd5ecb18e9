"""The helpdesk answers 429: the gate closes for all, an operator sees it, and it ends by itself."""

from __future__ import annotations

import asyncio
import time

import orjson

from console.environment import Setup
from console.watching import Watch, watching
from console.world import Scenario, World

RATE = 1.0
STORM = 35.0
RETRY_AFTER = 8
COUNTED = "./switchboard metrics vendor_requests --since 1h --by vendor,status_class"
SECTION = "a-vendor-refuses-calls"
GATE = "gate_closed/richpanel"
RULE = "vendor_throttled"
ALERT = f"{RULE}/richpanel"


async def play(world: World) -> None:
    """Customers write into the storm; it passes."""
    async with watching(world) as watch:
        storm = {"kind": "status", "status": 429, "retry_after": str(RETRY_AFTER)}
        await world.faults("richpanel", storm)
        watch.symptom()
        async with world.customers(RATE):
            await watch.fires(GATE)
            await watch.fires(ALERT)
            fired = fired_at(watch)
            world.env.supervisor.kill("observe")
            world.say("kill -9 of the worker that judges the alerts")
            await asyncio.sleep(max(0.0, watch.began + STORM - time.time()))
        refused = (await world.faulted("richpanel")).get("429", 0)
        await world.faults("richpanel")
        world.say(f"the storm is over after {refused} refusals")
        world.promise("no_message_is_lost", held=await world.settled(within=120))
        refused = (await world.faulted("richpanel")).get("429", 0)
        await watch.agrees(
            "calls_answered_429", COUNTED, refused, vendor="richpanel", status_class="429"
        )
        said = await watch.runbook_says(SECTION, metric="vendor_requests")
        world.promise("the_runbooks_query_shows_it", held=bool(said["lines"]) and refused > 0)
        await watch.closes(GATE)
        await watch.closes(ALERT)
        world.promise("the_alert_outlived_its_judge", held=fired_at(watch) == fired)
        world.promise("nobody_was_told_twice", held=notices(world) == 1)
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)


def fired_at(watch: Watch) -> float | None:
    """When the alert fired that is watched; a forgotten one would have fired anew."""
    state = watch.state(ALERT)
    return None if state is None else state.fired_at


def notices(world: World) -> int:
    """How often the log, which is a sink, was told of its firing."""
    lines = (world.env.folder / "log" / "observe.log").read_text().splitlines()
    said = [orjson.loads(line) for line in lines if line.startswith('{"at"')]
    return sum(
        (each["message"], each.get("rule"), each.get("kind")) == ("alert", RULE, "fired")
        for each in said
    )


SCENARIO = Scenario(
    "throttled",
    "the helpdesk answers 429 for half a minute: seen, waited for, drained",
    play,
    Setup(is_private=True),
)
