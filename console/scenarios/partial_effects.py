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
        half_done = await routed_only(world)
        await watch.agrees(
            "replies_that_failed", COUNTED, len(half_done), action="reply", outcome="triaged"
        )
        said = await watch.runbook_says(SECTION, metric="actions")
        world.promise("the_runbooks_query_shows_it", held=bool(said["lines"]))
        world.promise("the_helpdesk_has_the_routes_alone", held=len(half_done) == len(world.sent))
        world.promise("people_are_asked_to_answer", held=await are_tagged(world, half_done))
        await world.faults("richpanel")
        world.say("the helpdesk takes messages again")
        async with world.customers(RATE):
            await watch.closes("partial_effects/all")
        world.promise("the_others_were_answered", held=await world.settled(within=60))
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)


async def routed_only(world: World) -> set[str]:
    """Tickets that got their tags at the helpdesk, and no reply."""
    effects = await world.journal()
    replied = {each["ticket_id"] for each in effects if each["kind"] == "reply"}
    return {each["ticket_id"] for each in effects if each["kind"] == "tags"} - replied


async def are_tagged(world: World, tickets: set[str]) -> bool:
    """Whether each of them asks for a human, by the helpdesk's journal."""
    effects = await world.journal()
    tagged = {
        each["ticket_id"]
        for each in effects
        if each["kind"] == "tags" and "needs_manual_triage" in each["detail"]
    }
    return tickets <= tagged


SCENARIO = Scenario(
    "partial-effects",
    "the helpdesk takes routes and refuses replies: half-done tickets are seen and given to people",
    play,
    Setup(is_private=True),
)
