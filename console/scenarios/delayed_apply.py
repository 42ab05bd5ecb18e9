"""The helpdesk takes a reply, says nothing useful, and shows it much later."""

from __future__ import annotations

import asyncio

from console import replies
from console.environment import Setup
from console.world import Scenario, World

TICKETS = 20
LEASE, SETTLE = 3.0, 9.0
SOON, TOO_LATE = 6.0, 25.0
"""Seconds until an effect shows: within lease and settle time, and beyond them. All are a tenth and
less of the real ones (30 s, 120 s; 60 s)."""


async def play(world: World) -> None:
    """First within the settle time, with a kill -9 meanwhile; then beyond it."""
    await late(world, SOON)
    in_time = await wave(world, kill=True)
    await late(world, TOO_LATE)
    beyond = await wave(world, kill=False)
    settled = await world.settled(within=120)
    world.promise("every_webhook_has_its_outcome", held=settled)

    async def all_applied() -> bool:
        return len(await world.replies()) >= len(in_time)

    await world.until(all_applied, within=2 * TOO_LATE)
    await asyncio.sleep(TOO_LATE)
    await replies.judge(world)
    outcomes = world.trail.outcomes
    acted = sum(outcomes.get(each) == "acted" for each in in_time)
    triaged = sum(outcomes.get(each) == "triaged" for each in beyond)
    world.figure("found_in_time", acted)
    world.figure("too_late_and_given_to_a_human", triaged)
    world.promise("what_shows_within_the_settle_time_is_found", held=acted >= TICKETS - KILLED)
    world.promise("what_shows_later_is_a_humans_and_not_sent_again", held=triaged == TICKETS)


KILLED = 16
"""Replies that one worker has in hand at most: a kill -9 may catch each before its send, and such a
one is a human's too."""


async def late(world: World, seconds: float) -> None:
    """From now on replies are answered with 504 and applied so much later."""
    rule = {"kind": "late", "match": "send-message", "status": 504, "delay_s": seconds}
    await world.faults("richpanel", rule)
    world.say(f"replies are answered with 504 and applied {seconds:.0f} s later")


async def wave(world: World, *, kill: bool) -> list[str]:
    """Some customers write; the ingress ids. With `kill` the worker dies with replies in hand."""
    sent = [await world.write(each) for each in await world.open_tickets(TICKETS)]
    if kill:
        await asyncio.sleep(1)
        world.say("kill -9 of act")
        world.env.supervisor.kill("act")
    await world.settled(within=120)
    return [each.ingress_id for each in sent]


SCENARIO = Scenario(
    "delayed-apply",
    "the helpdesk answers a reply with 504 and applies it later: within the settle time, then after",
    play,
    Setup(
        budget=1_000_000,
        settings={
            "SWITCHBOARD_VENDOR_TIMEOUT": "2",
            "SWITCHBOARD_REPLY_LEASE": str(LEASE),
            "SWITCHBOARD_REPLY_SETTLE": str(SETTLE),
        },
        is_private=True,
    ),
)
