"""Another machine answers every reply at once: it gets one answer, and no second."""

from __future__ import annotations

import time
from typing import Any

from console import replies
from console.environment import Setup
from console.world import QUESTION, Scenario, World

MESSAGES = 10
MACHINES: dict[str, dict[str, Any]] = {
    "silent": {},
    "auto_submitted": {"headers": {"Auto-Submitted": "auto-replied"}},
    "bounce": {"headers": {"Return-Path": "<>"}},
    "own": {"author": "bot"},
    "ignore_tag": {"tags": ["switchboard-ignore"]},
}
"""What a machine's mail says of itself; the first one says nothing and looks like a customer."""


async def play(world: World) -> None:
    """Ten messages of each machine, each as soon as the one before it had its outcome."""
    tickets = dict(zip(MACHINES, await world.open_tickets(len(MACHINES)), strict=True))
    for number in range(1, MESSAGES + 1):
        for name, fields in MACHINES.items():
            await say(world, tickets[name], f"m{number}", fields)
        world.promise("every_webhook_has_its_outcome", held=await world.settled(within=60))
    sent = [each["ticket_id"] for each in await world.replies()]
    world.figure("replies_to_each", {name: sent.count(each) for name, each in tickets.items()})
    world.promise("ten_messages_in_a_row_get_one_reply", held=sent.count(tickets["silent"]) == 1)
    told = [each for name, each in tickets.items() if name != "silent"]
    world.promise("a_known_machine_gets_none", held=not set(told) & set(sent))
    await replies.judge(world)


async def say(world: World, ticket: str, message: str, fields: dict[str, Any]) -> None:
    """One message: on the ticket, and as a webhook."""
    comment = {
        "id": f"{ticket}-{message}", "body": QUESTION, "plain_body": QUESTION,
        "author_id": "machine", "created_at": time.time(), "type": "message",
        "via": {"channel": "email", "isOperator": False},
    }  # fmt: skip
    answer = await world.client.post(
        f"{world.urls.richpanel}/_sandbox/comments", json={"ticket_id": ticket, "comment": comment}
    )
    answer.raise_for_status()
    await world.write(ticket, message=message, fields=fields)


SCENARIO = Scenario(
    "bot-loop",
    "other machines answer every reply at once, ten times in a row, with the caps out of the way",
    play,
    Setup(settings={"SWITCHBOARD_CAP_TICKET_10M": "99", "SWITCHBOARD_CAP_TICKET_24H": "99"}),
)
