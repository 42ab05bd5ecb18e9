"""The reply went out and the answer did not come back: read back, never sent again."""

from __future__ import annotations

import asyncio

from console import replies
from console.environment import Setup
from console.world import Scenario, World

TICKETS = 150
RATE = 15.0
LOST = (
    {"kind": "status", "status": 503, "probability": 0.1},
    {"kind": "reset", "probability": 1 / 9},
    {"kind": "hang", "probability": 1 / 8},
)
"""Three kinds of a lost answer, a tenth of all replies each: each rule sees what the ones before it
left over."""


async def play(world: World) -> None:
    """Three of ten replies are applied without an answer."""
    rules = [{**each, "after_effect": True, "match": "send-message"} for each in LOST]
    await world.faults("richpanel", *rules)
    world.say(f"{TICKETS} customers write; of three replies in ten the answer is lost")
    for ticket_id in await world.open_tickets(TICKETS):
        await world.write(ticket_id)
        await asyncio.sleep(1 / RATE)
    settled = await world.settled(within=120)
    world.promise("every_webhook_has_its_outcome", held=settled)
    await replies.judge(world)
    found = sum(world.trail.reasons.get(sent.ingress_id) == "found" for sent in world.sent)
    world.figure("found_by_reading_back", found)
    world.promise("some_answers_were_lost_and_found", held=found > 0)
    known = sum(effect == "reply" for _, effect in world.trail.claims)
    sent = len(await world.replies())
    world.promise("every_reply_is_known_to_have_gone_out", held=known == sent)


SCENARIO = Scenario(
    "effect-then-error",
    "three of ten replies go out, but the helpdesk's answer is an error, a reset or silence",
    play,
    Setup(
        budget=1_000_000,
        settings={
            "SWITCHBOARD_VENDOR_TIMEOUT": "2",
            "SWITCHBOARD_REPLY_LEASE": "4",
            "SWITCHBOARD_REPLY_SETTLE": "1",
        },
        is_private=True,
    ),
)
