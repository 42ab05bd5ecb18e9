"""The helpdesk answers 429: the gate closes for all, an operator sees it, and it ends by itself."""

from __future__ import annotations

import asyncio
import time

from console.environment import Setup
from console.watching import watching
from console.world import Scenario, World

RATE = 1.0
STORM = 35.0
RETRY_AFTER = 6
COUNTED = "./switchboard metrics vendor_requests --since 1h --by vendor,status_class"
SECTION = "a-vendor-refuses-calls"


async def play(world: World) -> None:
    """Customers write into the storm; it passes."""
    async with watching(world) as watch:
        storm = {"kind": "status", "status": 429, "retry_after": str(RETRY_AFTER)}
        await world.faults("richpanel", storm)
        watch.symptom()
        async with world.customers(RATE):
            await watch.fires("gate_closed/richpanel")
            await watch.fires("vendor_throttled/richpanel")
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
        await watch.closes("gate_closed/richpanel")
        await watch.closes("vendor_throttled/richpanel")
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)


SCENARIO = Scenario(
    "throttled",
    "the helpdesk answers 429 for half a minute: seen, waited for, drained",
    play,
    Setup(is_private=True),
)
