"""Tickets are routed and their replies refused: an operator sees it, people get the tickets."""

from __future__ import annotations

import asyncio
import time

from console.environment import Setup
from console.watching import watching
from console.world import Scenario, World

RATE = 1.0
DAY = 20.0
COUNTED = "./switchboard metrics actions --since 1h --by action,outcome"
SECTION = "partial-side-effects"
MARKS = {"mw-routing-applied", "mw-send-failed", "needs_manual_triage"}


async def play(world: World) -> None:
    """The helpdesk refuses every message to a customer, and takes everything else."""
    async with watching(world) as watch:
        refusal = {"kind": "status", "status": 403, "match": "/send-message$", "method": "PUT"}
        await world.faults("richpanel", refusal)
        watch.symptom()
        async with world.customers(RATE):
            await watch.fires("partial_effects/all")
            await asyncio.sleep(max(0.0, watch.began + DAY - time.time()))
        world.promise("every_message_was_routed", held=await world.settled(within=60))
        refused = (await world.faulted("richpanel")).get("403", 0)
        await watch.agrees(
            "replies_that_failed", COUNTED, refused, action="reply", outcome="triaged"
        )
        said = await watch.runbook_says(SECTION, metric="actions")
        world.promise("the_runbooks_query_shows_it", held=bool(said["lines"]))
        given = await given_to_people(world)
        world.figure("tickets", {"routed_alone": len(given), "refused": refused})
        world.promise("each_half_done_ticket_is_given_to_people", held=len(given) == refused > 0)
        await world.faults("richpanel")
        world.say("the helpdesk takes messages again")
        async with world.customers(RATE):
            await watch.closes("partial_effects/all")
        world.promise("the_others_were_answered", held=await world.settled(within=60))
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)


async def given_to_people(world: World) -> set[str]:
    """Tickets that were routed, got no reply, and say so, by the helpdesk's journal."""
    effects = await world.journal()
    replied = {each["ticket_id"] for each in effects if each["kind"] == "reply"}
    failed = {
        each["ticket_id"]
        for each in effects
        if each["kind"] == "tags" and set(each["detail"].split(",")) >= MARKS
    }
    return failed - replied


SCENARIO = Scenario(
    "partial-effects",
    "the helpdesk takes routes and refuses replies: half-done tickets are seen and given to people",
    play,
    Setup(is_private=True),
)
