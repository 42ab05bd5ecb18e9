"""The model answers 500: rules and default teams decide, an operator sees it, and it ends by itself."""

from __future__ import annotations

import asyncio
import time

from console.environment import Setup
from console.watching import watching
from console.world import Scenario, World

RATE = 1.5
OUTAGE = 25.0
COUNTED = "./switchboard metrics vendor_requests --since 1h --by vendor,status_class"
DECIDED = "./switchboard metrics decisions_made --since 1h --by path"
SECTION = "the-model-is-down-or-slow"


async def play(world: World) -> None:
    """Customers write while the model is away; it comes back."""
    async with watching(world) as watch:
        await world.faults("openai", {"kind": "status", "status": 500})
        watch.symptom()
        async with world.customers(RATE):
            await watch.fires("model_failing/all")
            await asyncio.sleep(max(0.0, watch.began + OUTAGE - time.time()))
        world.promise("every_message_was_routed", held=await world.settled(within=60))
        failed = (await world.faulted("openai")).get("500", 0)
        await watch.agrees(
            "calls_answered_500", COUNTED, failed, vendor="openai", status_class="5xx"
        )
        by_rules = await watch.counted(DECIDED, path="rules")
        by_team = await watch.counted(DECIDED, path="default_team")
        world.promise(
            "rules_and_default_teams_decided_all", held=by_rules + by_team == len(world.sent)
        )
        said = await watch.runbook_says(SECTION, metric="openai_error_rate")
        world.promise("the_runbooks_query_shows_it", held=share(said) > 0)
        await world.faults("openai")
        world.say("the model is back")
        async with world.customers(RATE):
            await watch.closes("model_failing/all")
        world.promise("the_others_were_routed_too", held=await world.settled(within=60))
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)


def share(said: dict[str, list[dict[str, list[dict[str, float | None]]]]]) -> float:
    """The highest share that an answer about a ratio tells."""
    return max(
        (point["value"] or 0.0 for line in said["lines"] for point in line["points"]), default=0.0
    )


SCENARIO = Scenario(
    "model-outage",
    "the model answers 500 for half a minute: rules decide, nobody waits",
    play,
    Setup(is_private=True),
)
