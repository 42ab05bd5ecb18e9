"""Each message comes six times: it is handled once, and an operator sees the storm."""

from __future__ import annotations

import asyncio
from collections import Counter

from console.environment import Setup
from console.watching import watching
from console.world import Scenario, World

MESSAGES = 30
COPIES = 5
COUNTED = "./switchboard metrics idempotency_duplicates_detected --since 1h --by key_strength"
SECTION = "duplicate-events-and-double-actions"


async def play(world: World) -> None:
    """The storm comes at once; everything is answered once."""
    async with watching(world) as watch:
        tickets = await world.open_tickets(MESSAGES)
        watch.symptom()
        for ticket in tickets:
            await asyncio.gather(*(world.write(ticket) for _ in range(1 + COPIES)))
        await watch.fires("duplicates/all")
        world.promise("every_webhook_has_its_outcome", held=await world.settled(within=120))
        repeated = len(world.sent) - MESSAGES
        await watch.agrees("duplicates", COUNTED, repeated)
        said = await watch.runbook_says(SECTION, metric="idempotency_duplicates_detected")
        world.promise("the_runbooks_query_shows_it", held=bool(said["lines"]))
        world.promise("each_ticket_got_at_most_one_answer", held=await answered(world) <= {1})
        stats = await world.stats()
        world.promise("no_customer_was_answered_twice", held=stats["double_replies"] == 0)
        world.promise("no_sev0_fired", held=watch.state("reply_sent_twice/all") is None)
        await watch.closes("duplicates/all")


async def answered(world: World) -> set[int]:
    """How many replies and drafts a ticket got, each number that occurs.

    A busy machine's model may be late: then rules decide, and what they are less sure of is a draft.
    """
    effects = await world.journal()
    tickets = Counter(each["ticket_id"] for each in effects if each["kind"] in {"reply", "note"})
    world.figure("tickets_answered", len(tickets))
    return set(tickets.values())


SCENARIO = Scenario(
    "duplicate-storm",
    f"{MESSAGES} messages, each of them {1 + COPIES} times at once: answered once",
    play,
    Setup(is_private=True),
)
