"""The cap of a customer over tickets that two act workers have in hand."""

from __future__ import annotations

import time

import pytest

from agents.counts import STALE_AFTER
from console.release import everything
from tests.integration.act_world import ActWorld

pytestmark = [pytest.mark.integration, pytest.mark.full]

CAP = 5


@pytest.mark.timeout(400)
def test_what_one_worker_sent_counts_for_the_other(act: ActWorld) -> None:
    for name in ("a", "b"):
        act.worker(name, static=False).ready()
    tickets = [act.seed(f"cap-{number}", email="same@example.com") for number in range(8)]
    for ticket in tickets:
        act.ask(ticket)
        act.outcome(ticket)
    workers = {line["worker"] for each in tickets for line in ledger(act, each)}
    assert workers == {"a", "b"}
    assert sum(act.replies(each) for each in tickets) == CAP


@pytest.mark.timeout(400)
def test_a_burst_exceeds_the_cap_within_the_bound_only(act: ActWorld) -> None:
    for name in ("a", "b"):
        act.worker(name, static=False).ready()
    burst = [act.seed(f"burst-{number}", email="burst@example.com") for number in range(30)]
    for ticket in burst:
        act.ask(ticket)
    for ticket in burst:
        act.outcome(ticket)
    # Each worker counts its own at once, so two of them give twice the cap at the very most.
    assert CAP <= sum(act.replies(each) for each in burst) <= 2 * CAP
    time.sleep(STALE_AFTER)
    late = act.seed("burst-late", email="burst@example.com")
    act.ask(late)
    act.outcome(late)
    assert act.replies(late) == 0
    reasons = {each.conversation_id: each.reason for each in everything(act.bootstrap)}
    assert reasons[late] == "cap_customer_24h"


def ledger(act: ActWorld, ticket: str) -> list[dict[str, str]]:
    replies: list[dict[str, str]] = act.console("ledger", "show", ticket)["replies"]
    return [each for each in replies if each["state"] == "sent"]
