"""A burst of 1,000 messages meets a helpdesk that answers 429 for twenty minutes.

All clocks that the vendor has run `SCALE` times as fast: its budget window and the storm; ours do
not. The limits that a gate and the parking tiers have in seconds stay what they are.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from email.utils import formatdate

from aiokafka.partitioner import murmur2

from console.environment import PARTITIONS, Setup
from console.world import Scenario, World
from pipeline.domain.budget import split
from pipeline.settings import Settings

SCALE = 12
BUDGET, WINDOW = 50, 30 / SCALE
STORM = 1200 / SCALE
"""Twenty minutes of the vendor's: on a busy machine the burst itself may take ten, and what is promised
of a storm can be seen only while it lasts."""
BURST = 60 / SCALE
WORKERS = 2
TWICE = 0.1
"""Part of the messages that are a second one on a ticket, about something else."""
SECOND = "Where is my order? If it hasn't shipped yet please cancel it."
DRAIN_MOST = 1.05
"""Longest drain, as a multiple of what the budget allows for the calls that were made."""
REFUSED_MOST = 0.001
"""Refused calls after the first, as a part of all."""
AT_ONCE = 24


@dataclass(frozen=True)
class Drained:
    """How the backlog went after the storm."""

    is_all: bool
    seconds: float
    calls: int


async def play(world: World, *, messages: int = 1000) -> None:
    """The storm begins, the customers write, the storm ends, the backlog drains."""
    settings = Settings()
    ours = split(BUDGET, kept=settings.vendor_kept_share, reading=settings.read_share).acting
    seconds = int(messages * TWICE)
    tickets = evenly(await world.open_tickets(4 * messages), messages - seconds)
    # A date in ``Retry-After`` has whole seconds, so the storm ends with one.
    over, began = math.ceil(time.time() + STORM), time.monotonic()
    lasts = over - time.time()
    date = formatdate(over, usegmt=True)
    storm = {"kind": "status", "status": 429, "retry_after": date, "for_s": lasts}
    await world.faults("richpanel", storm)
    await burst(world, tickets, seconds, began)
    world.figure("burst_seconds", round(time.monotonic() - began, 1))
    await watch_the_gate(world, began + lasts)
    drained = await drain(world, began + lasts)
    await judge(world, drained, ours / WINDOW)


def evenly(tickets: list[str], count: int) -> list[str]:
    """`count` tickets, one of each partition in turn, so that any first part of them is even too.

    The budget is split by partitions, so an uneven spread costs time: the busier worker is at it
    longer while the other's part of the budget lies idle. That is so, and not what is judged here.
    """
    on: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for ticket in tickets:
        on[(murmur2(ticket.encode()) & 0x7FFFFFFF) % PARTITIONS].append(ticket)
    return [ticket for row in zip(*on, strict=False) for ticket in row][:count]


async def burst(world: World, tickets: list[str], seconds: int, began: float) -> None:
    """Every ticket's first message, and a second one on some, as fast as they come."""
    turn = asyncio.Semaphore(AT_ONCE)
    pace = BURST / (len(tickets) + seconds)

    async def one(number: int, ticket: str) -> None:
        await asyncio.sleep(began + number * pace - time.monotonic())
        async with turn:
            await world.write(ticket)
            if number < seconds:
                await world.write(ticket, text=SECOND, message="m2")

    world.say(f"{len(tickets) + seconds} messages in {BURST:.0f} s into a storm of {STORM:.0f} s")
    await asyncio.gather(*(one(number, ticket) for number, ticket in enumerate(tickets)))


async def watch_the_gate(world: World, ends: float) -> None:
    """What an operator sees meanwhile."""

    async def is_closed() -> bool:
        gate = world.operator.control.gate("richpanel")
        return gate is not None and gate.closed_until > time.time()

    world.promise("the_gate_is_seen_closed", held=await world.until(is_closed, within=STORM))
    await asyncio.sleep(max(0.0, ends - 1 - time.monotonic()))
    refused = (await world.faulted("richpanel")).get("429", 0)
    world.figure("refused_in_the_storm", refused)
    world.promise("one_refused_call_for_each_worker_at_most", held=1 <= refused <= WORKERS)
    world.promise("nothing_was_applied_in_the_storm", held=not await world.journal())
    await asyncio.sleep(max(0.0, ends - time.monotonic()))


async def drain(world: World, opened: float) -> Drained:
    """Waits for every outcome; counts the calls that the helpdesk took meanwhile."""
    world.say("the storm is over")
    within = 20 * len(world.sent) * WINDOW / BUDGET + 60
    is_all = await world.settled(within=within)
    took = time.monotonic() - opened
    requests = (await world.stats())["requests"]
    calls = sum(count for status, count in requests.items() if status != "429")
    return Drained(is_all, took, calls)


async def judge(world: World, drained: Drained, rate: float) -> None:
    """The promises, by the helpdesk's journal and the audit trail."""
    stats = await world.stats()
    refused = (await world.faulted("richpanel")).get("429", 0) + stats["requests"].get("429", 0)
    ratio = drained.seconds / (drained.calls / rate)
    counts = world.trail.counts(each.ingress_id for each in world.sent)
    world.figure("messages", len(world.sent))
    world.figure("outcomes", counts)
    world.figure("replies", stats["effects"].get("reply", 0))
    world.figure("calls", drained.calls)
    world.figure("calls_a_second_that_the_budget_allows", round(rate, 1))
    world.figure("drain_seconds", round(drained.seconds, 1))
    world.figure("drain_to_budget", round(ratio, 3))
    world.figure("refused_calls", refused)
    world.promise("no_message_is_lost", held=drained.is_all)
    world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)
    world.promise("the_drain_takes_what_the_budget_allows", held=ratio <= DRAIN_MOST)
    world.promise(
        "hardly_a_call_is_refused", held=max(0, refused - 1) <= REFUSED_MOST * drained.calls
    )
    world.promise("every_ticket_in_its_order", held=await in_order(world))


async def in_order(world: World) -> bool:
    """Whether no ticket's second message was acted upon before its first.

    By the audit, where both lie on one partition, and by the helpdesk's journal: the team of the
    first message is never set after the team of the second.
    """
    place = {ingress_id: number for number, ingress_id in enumerate(world.trail.outcomes)}
    by_ticket: dict[str, list[int]] = {}
    for sent in world.sent:
        by_ticket.setdefault(sent.ticket_id, []).append(place.get(sent.ingress_id, -1))
    teams: dict[str, list[str]] = {}
    for effect in await world.journal():
        if effect["kind"] == "assign":
            teams.setdefault(effect["ticket_id"], []).append(effect["detail"])
    pairs = [tuple(each) for each in teams.values() if len(each) > 1]
    world.figure("tickets_with_two_teams", len(pairs))
    is_one_way = len({frozenset(pair) for pair in pairs}) == len(set(pairs))
    return is_one_way and all(places == sorted(places) for places in by_ticket.values())


def scenario_of(messages: int) -> Scenario:
    """The same day with fewer or more messages."""

    async def play_them(world: World) -> None:
        await play(world, messages=messages)

    return Scenario(
        "burst-429",
        f"{messages:,} messages at once into a helpdesk that answers 429 for twenty minutes "
        f"(its clocks {SCALE} times as fast)",
        play_them,
        Setup(workers={"act": WORKERS}, budget=BUDGET, window=WINDOW, is_private=True),
    )


SCENARIO = scenario_of(1000)
