"""`withheld` and `ledger` against a running act worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from console.withheld import everything
from pipeline.domain.modes import Mode
from tests.integration.act_world import ActWorld, act_world, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    with act_world(tmp_path_factory.mktemp("withheld")) as made:
        yield made


@pytest.mark.timeout(240)
def test_a_withheld_reply_is_released_once_the_permit_allows_it(world: ActWorld) -> None:
    world.worker().ready()
    world.mode(Mode.ROUTE_ONLY)
    tickets = [world.seed(f"held-{number}") for number in range(3)]
    actions = [world.ask(each).steps[1].action_id for each in tickets]
    until(lambda: len(everything(world.bootstrap)) == 3, "three replies withheld")
    replies = {each: f"{world.replies(each)} replies" for each in tickets}
    assert set(replies.values()) == {"0 replies"}

    assert world.console("withheld", "show", actions[0])["rendered"].startswith("Hello")
    listed = world.console("withheld", "list")
    assert "rendered" not in listed["items"][0]
    assert (listed["count"], listed["reasons"]) == (3, {"mode": 3})
    dry = world.console("withheld", "release", "--since", "1h", "--reason", "mode")
    assert dry == {"dry_run": True, "count": 3, "reasons": {"mode": 3}}

    # Released while the mode stands, the permit says the same again, and it stands open again.
    release = ("withheld", "release", actions[0], "--no-dry-run", "--yes")
    assert world.console(*release, ok=False)["answers"] == {actions[0]: "withheld: mode"}
    assert world.console("withheld", "list", "--state", "withheld")["count"] == 3

    world.mode(Mode.LIVE)
    assert world.console(*release)["answers"] == {actions[0]: "replied"}
    world.console("withheld", "expire", actions[1], "--no-dry-run", "--yes")
    both = ("--since", "1h", "--reason", "mode", "--no-dry-run", "--yes")
    assert world.console("withheld", "release", *both)["answers"] == {actions[2]: "replied"}
    assert [world.replies(each) for each in tickets] == [1, 0, 1]

    states = {row["id"]: row["state"] for row in world.console("withheld", "list")["items"]}
    assert [states[each] for each in actions] == ["released", "expired", "released"]
    sent, expired = (world.console("ledger", "show", each)["replies"] for each in tickets[:2])
    assert [(row["id"], row["state"]) for row in sent] == [(actions[0], "sent")]
    assert [(row["id"], row["state"]) for row in expired] == [(actions[1], "expired")]
