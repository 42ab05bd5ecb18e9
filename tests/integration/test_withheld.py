"""`withheld` and `ledger` against a running act worker."""

from __future__ import annotations

import pytest

from console.withheld import everything
from pipeline.domain.modes import Mode
from tests.integration.act_world import ActWorld, until

pytestmark = pytest.mark.integration


@pytest.mark.timeout(400)
def test_a_withheld_reply_is_released_once_the_permit_allows_it(act: ActWorld) -> None:
    act.worker().ready()
    act.mode(Mode.ROUTE_ONLY)
    tickets = [act.seed(f"held-{number}") for number in range(3)]
    actions = [act.ask(each).steps[1].action_id for each in tickets]
    until(
        lambda: {each.conversation_id for each in everything(act.bootstrap)} >= set(tickets),
        "all withheld",
    )
    replies = {each: f"{act.replies(each)} replies" for each in tickets}
    assert set(replies.values()) == {"0 replies"}

    assert act.console("withheld", "show", actions[0])["rendered"].startswith("Hello")
    listed = act.console("withheld", "list")
    assert "rendered" not in listed["items"][0]
    assert (listed["count"], listed["reasons"]) == (3, {"mode": 3})
    dry = act.console("withheld", "release", "--since", "1h", "--reason", "mode")
    assert dry == {"dry_run": True, "count": 3, "reasons": {"mode": 3}}

    # Released while the mode stands, the permit says the same again, and it stands open again.
    release = ("withheld", "release", actions[0], "--no-dry-run", "--yes")
    assert act.console(*release, ok=False)["answers"] == {actions[0]: "withheld: mode"}
    assert act.console("withheld", "list", "--state", "withheld")["count"] == 3

    act.mode(Mode.LIVE)
    assert act.console(*release)["answers"] == {actions[0]: "replied"}
    act.console("withheld", "expire", actions[1], "--no-dry-run", "--yes")
    both = ("--since", "1h", "--reason", "mode", "--no-dry-run", "--yes")
    assert act.console("withheld", "release", *both)["answers"] == {actions[2]: "replied"}
    assert [act.replies(each) for each in tickets] == [1, 0, 1]

    states = {row["id"]: row["state"] for row in act.console("withheld", "list")["items"]}
    assert [states[each] for each in actions] == ["released", "expired", "released"]
    sent, expired = (act.console("ledger", "show", each)["replies"] for each in tickets[:2])
    assert [(row["id"], row["state"]) for row in sent] == [(actions[0], "sent")]
    assert [(row["id"], row["state"]) for row in expired] == [(actions[1], "expired")]
