"""The one promise of every bad day: no customer is answered twice, and no ticket is lost silently."""

from __future__ import annotations

from collections import Counter

from console.world import World
from pipeline.domain.events import conversation_hash

TRIAGE_TAG = "needs_manual_triage"
TENANT = "default"


async def judge(world: World) -> None:
    """Compares what the helpdesk applied with what the audit trail says, ticket by ticket."""
    effects = await world.journal()
    replies = Counter(each["ticket_id"] for each in effects if each["kind"] == "reply")
    tagged = {each["ticket_id"] for each in effects if TRIAGE_TAG in each["detail"]}
    outcomes = {each.ticket_id: world.trail.outcomes.get(each.ingress_id) for each in world.sent}
    told = {
        each
        for each in outcomes
        if (conversation_hash(TENANT, each), "reply") in world.trail.claims
    }
    triaged = {each for each, outcome in outcomes.items() if outcome == "triaged"}
    world.figure("tickets", len(outcomes))
    world.figure("replies", replies.total())
    world.figure("outcomes", dict(Counter(map(str, outcomes.values()))))
    world.promise("no_customer_was_answered_twice", held=max(replies.values(), default=0) <= 1)
    world.promise("every_reply_that_is_told_of_was_applied", held=told <= set(replies))
    world.promise("what_is_not_known_is_with_a_human", held=triaged <= tagged)
