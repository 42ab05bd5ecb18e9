"""Kill and stop at every moment of a reply: at most one is sent, and no ticket is lost silently."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.act_worker import KILLED_AT
from tests.integration.act_world import ActWorld, act_world, until

pytestmark = pytest.mark.integration

NOT_SENT = {"intent_durable"}
"""Points at which the reply was certainly not sent, and nobody can know it afterwards."""
UNDECIDED = {"intent_queued"}
"""The intent may be durable or not."""


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    with act_world(tmp_path_factory.mktemp("act")) as world:
        yield world


@pytest.fixture
def world(module_world: ActWorld) -> Iterator[ActWorld]:
    yield module_world
    module_world.fail()
    module_world.close_workers()


def kill(world: ActWorld, point: str, name: str, *, static: bool = True) -> None:
    """Lets a worker meet its end at `point` of the reply on `ticket`."""
    ticket = world.seed(name)
    if point == "applied_no_response":
        hang = {"kind": "hang", "after_effect": True, "match": f"{ticket}/send-message", "times": 1}
        world.fail(hang)
    worker = world.worker(at=f"{point}:{ticket}", static=static)
    worker.ready()
    world.ask(ticket)
    if point == "applied_no_response":
        until(lambda: world.replies(ticket), "the reply")
        worker.process.kill()
    assert worker.ends() == -9


def judge(world: ActWorld, point: str, ticket: str) -> None:
    """The reply went out at most once, and the ticket is where someone sees to it."""
    outcome, replies = world.outcome(ticket), world.replies(ticket)
    assert replies <= 1
    if point in UNDECIDED:
        assert (outcome, replies) in {("acted", 1), ("triaged", 0)}
    else:
        assert (outcome, replies) == (("triaged", 0) if point in NOT_SENT else ("acted", 1))
    tag = "mw-auto-replied" if outcome == "acted" else "needs_manual_triage"
    assert tag in world.tags(ticket)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(("intent_durable", "applied_no_response"), id="around the send"),
        pytest.param(KILLED_AT, id="every point", marks=pytest.mark.full),
    ],
)
def test_kill_9_with_one_worker(world: ActWorld, points: tuple[str, ...]) -> None:
    # Each worker finishes what the one before it left, until it meets its own end.
    for point in points:
        kill(world, point, f"one-of-{len(points)}-{point}")
    world.worker().ready()
    for point in points:
        judge(world, point, f"one-of-{len(points)}-{point}")


@pytest.mark.timeout(120)
def test_a_worker_that_was_stopped_with_an_intent_in_hand_sends_nothing_when_it_wakes_up(
    world: ActWorld,
) -> None:
    ticket = world.seed("zombie")
    first = world.worker("a", at=f"intent_durable:{ticket}", with_signal="SIGSTOP", static=False)
    first.ready()
    world.ask(ticket)
    until(first.is_stopped, "the first worker stops")
    second = world.worker("b", static=False)
    second.ready()
    assert world.outcome(ticket) == "triaged"
    first.go_on()
    assert first.ends() == 70
    assert world.replies(ticket) == 0
    assert "needs_manual_triage" in world.tags(ticket)


@pytest.mark.full
@pytest.mark.timeout(120)
def test_a_worker_that_was_stopped_between_fence_and_send_sends_the_only_reply(
    world: ActWorld,
) -> None:
    ticket = world.seed("behind-the-fence")
    first = world.worker("a", at=f"fence_passed:{ticket}", with_signal="SIGSTOP", static=False)
    first.ready()
    world.ask(ticket)
    until(first.is_stopped, "the first worker stops")
    world.worker("b", static=False).ready()
    assert world.outcome(ticket) == "triaged"
    first.go_on()
    assert first.ends() == 70
    assert world.replies(ticket) <= 1
    assert "needs_manual_triage" in world.tags(ticket)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_kill_9_at_every_point_with_two_workers(world: ActWorld) -> None:
    world.worker("b", static=False).ready()
    for point in KILLED_AT:
        # Which of the two gets the ticket is the group's choice: one of each partition.
        kill(world, point, f"two-{point}", static=False)
    for point in KILLED_AT:
        judge(world, point, f"two-{point}")
