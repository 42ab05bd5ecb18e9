"""Every reason of the permit, reached through a running act worker and shown by `withheld`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from agents.counts import STALE_AFTER
from console.release import everything
from pipeline import topics
from pipeline.domain.modes import Mode
from pipeline.domain.permit import WithheldReason
from pipeline.domain.templates import marked
from tests.integration.act_world import ActWorld, act_world, comment, request_for, until

pytestmark = [pytest.mark.integration, pytest.mark.full]

TEMPLATE_OFF = "t_billing_issue_intake"
OURS = comment("r1", marked("Hello", "0123456789abcdef"), operator=True)
LATER = time.time() + 3600


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    with act_world(tmp_path_factory.mktemp("reasons")) as made:
        yield made


def answered(world: ActWorld, ticket: str, times: int) -> None:
    until(lambda: world.replies(ticket) == times, f"reply {times} on {ticket}")


def converse(world: ActWorld, ticket: str, replies: int, **plan: Any) -> None:
    """Has a ticket answered so many times, a human in between, and asks once more."""
    world.ask(ticket, **plan)
    for number in range(1, replies + 1):
        answered(world, ticket, number)
        world.say(ticket, comment(f"h{number}", "a human's words", operator=True))
        world.say(ticket, comment(f"m{number + 1}", "and another thing"))
        world.ask(ticket, message=f"m{number + 1}", **plan)


SIMPLE: dict[WithheldReason, tuple[dict[str, Any], dict[str, Any]]] = {
    WithheldReason.CHANNEL: ({}, {"channel": "tiktok"}),
    WithheldReason.TEMPLATE_OFF: ({}, {"intent": "billing_issue"}),
    WithheldReason.ALLOW_LIST: ({"email": "stranger@example.org"}, {}),
    WithheldReason.TICKET_CLOSED: ({"status": "CLOSED"}, {}),
    WithheldReason.HUMAN_ANSWERED: (
        {"comments": [comment("m1", "x"), comment("h1", "Hi", operator=True)]}, {},
    ),
    WithheldReason.NEWER_MESSAGE: (
        {"comments": [comment("m1", "x"), comment("m2", "y", created_at=LATER)]}, {},
    ),
    WithheldReason.VIP: ({"tags": ["vip"]}, {}),
    WithheldReason.IGNORE_TAG: ({"tags": ["switchboard-ignore"]}, {}),
    WithheldReason.ALREADY_REPLIED: ({"comments": [OURS, comment("m1", "x")]}, {}),
    WithheldReason.NO_TEXT: ({}, {"has_text": False}),
    WithheldReason.TOO_OLD: ({}, {"received_at": time.time() - 901}),
}  # fmt: skip
"""Reason -> what the ticket is and what the plan says."""
DECIDED = {
    WithheldReason.TIER_0: {"intent": "legal_threat"},
    WithheldReason.LOW_CONFIDENCE: {"confidence": "low"},
}
"""Reason -> what the decision says. No plan of ours has a reply for Tier 0, for a guess or for a
message without text: those come from a plan that another version wrote."""


def reach_simple(world: ActWorld) -> dict[str, WithheldReason]:
    found = {}
    for reason, (ticket, plan) in SIMPLE.items():
        name = world.seed(f"r-{reason.value}", **ticket)
        world.ask(name, **plan)
        found[name] = reason
    for reason, said in DECIDED.items():
        name = world.seed(f"r-{reason.value}")
        request = request_for(name)
        decision = request.decision.model_copy(update=said)
        world.put(request.model_copy(update={"decision": decision}))
        found[name] = reason
    return found


def asked_with_medium_confidence(world: ActWorld) -> str:
    ticket = world.seed("r-medium")
    request = request_for(ticket)
    decision = request.decision.model_copy(update={"confidence": "medium"})
    world.put(request.model_copy(update={"decision": decision}))
    return ticket


def reach_caps(world: ActWorld) -> dict[str, WithheldReason]:
    short = world.seed("r-cap-10m")
    converse(world, short, 1)
    for number in range(6):
        name = world.seed(f"r-cap-customer-{number}", email="one@example.com")
        world.ask(name)
        if number < 5:
            answered(world, name, 1)
    return {short: WithheldReason.CAP_TICKET_10M, name: WithheldReason.CAP_CUSTOMER_24H}


def withheld(world: ActWorld) -> dict[str, str]:
    """Ticket -> reason of its withheld reply."""
    return {
        each.conversation_id: each.reason
        for each in everything(world.bootstrap)
        if each.kind == "reply"
    }


def reach(world: ActWorld, reason: WithheldReason, act: Callable[[str], Any]) -> str:
    """Reaches one reason; the ticket."""
    ticket = world.seed(f"r-{reason.value}")
    act(ticket)
    until(lambda: ticket in withheld(world), reason.value)
    return ticket


def cut_counts_off(world: ActWorld, ticket: str) -> None:
    kafka = AdminClient({"bootstrap.servers": world.bootstrap})
    kafka.delete_topics([topics.COUNTED.name])[topics.COUNTED.name].result()
    time.sleep(STALE_AFTER)
    world.ask(ticket)


@pytest.mark.timeout(400)
def test_every_reason_is_reached_and_shown(world: ActWorld) -> None:
    world.template_off(TEMPLATE_OFF)
    worker = world.worker(settings={"allow_list": '["@example.com"]'})
    worker.ready()
    expected = {**reach_simple(world), **reach_caps(world)}
    until(lambda: expected.keys() <= withheld(world).keys(), "every reply withheld")
    medium = asked_with_medium_confidence(world)
    assert world.outcome(medium) == "acted"
    assert (len(world.effects(medium, "note")), world.replies(medium)) == (1, 0)
    worker.close()

    world.worker(settings={"cap_ticket_10m": "99", "bot_agent_id": ""}).ready()
    day = WithheldReason.CAP_TICKET_24H
    ticket = world.seed("r-cap-24h", channel="live_chat")
    converse(world, ticket, 3, channel="live_chat")
    until(lambda: ticket in withheld(world), day.value)
    expected[ticket] = day
    for reason, act in (
        (WithheldReason.NO_BOT_AGENT, world.ask),
        (WithheldReason.CAP_UNKNOWN, lambda ticket: cut_counts_off(world, ticket)),
    ):
        expected[reach(world, reason, act)] = reason
    world.mode(Mode.ROUTE_ONLY)
    expected[reach(world, WithheldReason.MODE, world.ask)] = WithheldReason.MODE

    rows = world.console("withheld", "list", "--kind", "reply")
    assert {row["ticket"]: row["reason"] for row in rows["items"]} == expected
    assert set(expected.values()) == set(WithheldReason)
    for name, reason in expected.items():
        assert world.replies(name) == {day: 3, WithheldReason.CAP_TICKET_10M: 1}.get(reason, 0)
