"""`withheld` and `ledger` against a running act worker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from console.job_runner import Jobs
from console.operating import operating
from console.release import everything
from pipeline.domain.jobs import JobRecord, JobState
from pipeline.domain.modes import Mode
from tests.integration.act_world import ROOT, ActWorld, act_world, until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def act_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    """A world of its own: a count by a filter would take in what other files' tests left withheld."""
    with act_world(tmp_path_factory.mktemp("withheld")) as world:
        yield world


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
    both = ("--since", "1h", "--reason", "mode", "--job", "rest", "--no-dry-run", "--yes")
    job = act.console("withheld", "release", *both)
    assert job["answers"] == {actions[2]: "replied"}
    assert (job["name"], job["state"], job["total"], job["executed"]) == ("rest", "done", 1, 1)
    assert "rest" in {each["name"] for each in act.console("jobs", "list")}
    assert [act.replies(each) for each in tickets] == [1, 0, 1]

    states = {row["id"]: row["state"] for row in act.console("withheld", "list")["items"]}
    assert [states[each] for each in actions] == ["released", "expired", "released"]
    sent, expired = (act.console("ledger", "show", each)["replies"] for each in tickets[:2])
    assert [(row["id"], row["state"]) for row in sent] == [(actions[0], "sent")]
    assert [(row["id"], row["state"]) for row in expired] == [(actions[1], "expired")]


def stop_job(act: ActWorld, name: str) -> JobRecord:
    """Stops a job from here: a command of its own would take seconds to start."""

    async def work() -> JobRecord:
        async with operating(act.bootstrap) as operator:
            await operator.known()
            return await Jobs(operator).stop(name, reason="enough", by="ann")

    return asyncio.run(work())


@pytest.mark.timeout(400)
def test_a_release_of_many_is_stopped_and_resumed_and_nobody_is_answered_twice(
    act: ActWorld,
) -> None:
    act.worker().ready()
    act.mode(Mode.ROUTE_ONLY)
    tickets = [act.seed(f"many-{number}") for number in range(40)]
    for each in tickets:
        act.ask(each)
    until(
        lambda: {each.conversation_id for each in everything(act.bootstrap)} >= set(tickets),
        "all withheld",
    )
    act.mode(Mode.LIVE)
    # So slow that somebody can step in: a batch takes seconds, there are four. Reads alone, since a
    # write that is slower than the lease is given to a human.
    act.fail({"kind": "delay", "delay_s": 4.0, "method": "GET"})
    meant = ("--since", "1h", "--reason", "mode")
    release = ("withheld", "release", *meant, "--job", "many", "--no-dry-run", "--yes")
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": act.bootstrap}
    with subprocess.Popen(
        [sys.executable, "-m", "console", *release],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
    ) as runner:  # fmt: skip
        assert runner.stdout is not None
        assert runner.stdout.readline() == "job many\n"
        assert "replied" in runner.stdout.readline()
        stopped = stop_job(act, "many")
        runner.stdout.read()
    assert runner.returncode == 1
    assert (stopped.state, stopped.why) == (JobState.STOPPED, "ann: enough")
    assert 0 < stopped.ended < stopped.total == 40
    (listed,) = (each for each in act.console("jobs", "list") if each["name"] == "many")
    assert (listed["state"], listed["ended"]) == ("stopped", stopped.ended)
    act.console("jobs", "stop", "many", "--reason", "again", ok=False)
    act.fail()
    done = act.console("jobs", "resume", "many")
    assert (done["state"], done["ended"], done["executed"]) == ("done", 40, 40)
    assert len(done["answers"]) == 40 - stopped.ended
    assert [act.replies(each) for each in tickets] == [1] * 40
