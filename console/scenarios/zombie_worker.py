"""A worker stands still, is replaced, and wakes up with replies in its hands."""

from __future__ import annotations

import asyncio
import signal

from console import replies
from console.environment import Setup
from console.world import Scenario, World

RATE = 8.0
ROUNDS = 3
STOPPED = 16.0
"""Seconds of a pause: longer than the session of 10 s, so that the other worker takes over."""
ON_THE_WIRE = {"kind": "delay", "delay_s": 0.3, "method": "PUT"}
"""Writes take a third of a second, so that every pause meets replies under way."""


async def play(world: World) -> None:
    """SIGSTOP of one act worker after the other under load, take-over, SIGCONT."""
    await world.faults("richpanel", ON_THE_WIRE)
    world.say(f"{RATE:.0f} customers a second write, two act workers answer them")
    async with world.customers(RATE):
        for number in range(ROUNDS):
            name = ("act", "act-1")[number % 2]
            await asyncio.sleep(5)
            before = len(await world.replies())
            world.env.supervisor.signal(name, signal.SIGSTOP)
            world.say(f"round {number + 1}: {name} stands still, {before} replies so far")
            await asyncio.sleep(STOPPED)
            world.env.supervisor.signal(name, signal.SIGCONT)
            world.say(f"round {number + 1}: {name} wakes up")
    await world.faults("richpanel")
    world.promise("every_webhook_has_its_outcome", held=await world.settled(within=180))
    await replies.judge(world)
    restarts = world.env.supervisor.restarts
    ended = sum(restarts[name] for name in ("act", "act-1"))
    world.figure("workers_that_ended_themselves", ended)
    world.promise("a_worker_that_wakes_up_with_replies_in_hand_ends", held=ended > 0)


SCENARIO = Scenario(
    "zombie-worker",
    "a worker is stopped with replies in hand, replaced, and wakes up; three times under load",
    play,
    Setup(
        workers={"act": 2},
        budget=1_000_000,
        settings={"SWITCHBOARD_REPLY_LEASE": "10", "SWITCHBOARD_REPLY_SETTLE": "3"},
        is_private=True,
    ),
)
