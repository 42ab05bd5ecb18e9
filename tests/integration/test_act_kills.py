"""Kill and stop at every moment of a reply: at most one is sent, and no ticket is lost silently."""

from __future__ import annotations

import pytest

from tests.integration.act_worker import KILLED_AT
from tests.integration.act_world import ActWorld, until

pytestmark = pytest.mark.integration

NOT_SENT = {"intent_durable"}
"""Points at which the reply was certainly not sent, and nobody can know it afterwards."""
UNDECIDED = {"intent_queued"}
"""The intent may be durable or not."""
DELAY = 3.0
SLOW = {"reply_settle": "6"}
"""A twentieth of a helpdesk that shows a reply a minute later, and of the settle time that goes with it."""


def prepared(world: ActWorld, point: str, name: str, *, is_late: bool = False) -> str:
    """A ticket, and a helpdesk that hangs where the point needs it, or applies late."""
    ticket = world.seed(name)
    if is_late:
        world.late(ticket, DELAY)
    elif point == "applied_no_response":
        rule = {"kind": "hang", "after_effect": True, "match": f"{ticket}/send-message", "times": 1}
        world.fail(rule)
    return ticket


def judge(world: ActWorld, point: str, ticket: str, *, is_late: bool = False) -> None:
    """The reply went out at most once, and the ticket is where someone sees to it."""
    outcome = world.outcome(ticket)
    if is_late and outcome == "acted":
        until(lambda: world.replies(ticket), "the reply shows")
    replies = world.replies(ticket)
    assert replies <= 1
    assert not is_late or world.taken(ticket) == replies
    if point in UNDECIDED:
        assert (outcome, replies) in {("acted", 1), ("triaged", 0)}
    else:
        assert (outcome, replies) == (("triaged", 0) if point in NOT_SENT else ("acted", 1))
    tag = "mw-auto-replied" if outcome == "acted" else "needs_manual_triage"
    assert tag in world.tags(ticket)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(("intent_durable", "applied_no_response"), id="around the send"),
        pytest.param(KILLED_AT, id="every point", marks=pytest.mark.full),
    ],
)
def test_kill_9_with_one_worker(act: ActWorld, points: tuple[str, ...]) -> None:
    kill_at_each_of(points, act, is_late=False)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(("applied_no_response",), id="taken and not shown"),
        pytest.param(KILLED_AT, id="every point", marks=pytest.mark.full),
    ],
)
def test_kill_9_with_one_worker_and_a_helpdesk_that_shows_a_reply_later(
    act: ActWorld, points: tuple[str, ...]
) -> None:
    kill_at_each_of(points, act, is_late=True)


def kill_at_each_of(points: tuple[str, ...], act: ActWorld, *, is_late: bool) -> None:
    # Each worker first settles what the one before it left. Kills in a row with the same ticket in
    # hand are another story: the fifth makes it a poison event.
    settings = SLOW if is_late else None
    for point in points:
        name = f"one-of-{len(points)}-{point}{'-late' * is_late}"
        ticket = prepared(act, point, name, is_late=is_late)
        worker = act.worker(at=f"{point}:{ticket}", settings=settings)
        worker.ready()
        act.ask(ticket)
        assert worker.ends() == -9
        heir = act.worker(settings=settings)
        heir.ready()
        judge(act, point, ticket, is_late=is_late)
        heir.close()


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_worker_that_was_stopped_with_an_intent_in_hand_sends_nothing_when_it_wakes_up(
    act: ActWorld,
) -> None:
    ticket = act.seed("zombie")
    first = act.worker("a", at=f"intent_durable:{ticket}", with_signal="SIGSTOP", static=False)
    first.ready()
    act.ask(ticket)
    until(first.is_stopped, "the first worker stops")
    second = act.worker("b", static=False)
    second.ready()
    assert act.outcome(ticket) == "triaged"
    first.go_on()
    assert first.ends() == 70
    assert act.replies(ticket) == 0
    assert "needs_manual_triage" in act.tags(ticket)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_worker_that_was_stopped_between_fence_and_send_sends_the_only_reply(
    act: ActWorld,
) -> None:
    ticket = act.seed("behind-the-fence")
    first = act.worker("a", at=f"fence_passed:{ticket}", with_signal="SIGSTOP", static=False)
    first.ready()
    act.ask(ticket)
    until(first.is_stopped, "the first worker stops")
    act.worker("b", static=False).ready()
    assert act.outcome(ticket) == "triaged"
    first.go_on()
    assert first.ends() == 70
    assert act.replies(ticket) <= 1
    assert "needs_manual_triage" in act.tags(ticket)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_worker_that_was_stopped_before_its_reply_shows_leaves_it_to_be_found(
    act: ActWorld,
) -> None:
    ticket = prepared(act, "response_no_done", "stopped-and-late", is_late=True)
    point = f"response_no_done:{ticket}"
    first = act.worker("a", at=point, with_signal="SIGSTOP", settings=SLOW, static=False)
    first.ready()
    act.ask(ticket)
    until(first.is_stopped, "the first worker stops")
    act.worker("b", settings=SLOW, static=False).ready()
    judge(act, "response_no_done", ticket, is_late=True)
    first.go_on()
    assert first.ends() == 70
    assert act.replies(ticket) == act.taken(ticket) == 1


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("is_late", [False, True], ids=["shown at once", "shown later"])
@pytest.mark.parametrize("point", KILLED_AT)
def test_kill_9_with_a_second_worker_that_takes_over(
    act: ActWorld, point: str, is_late: bool
) -> None:
    ticket = prepared(act, point, f"two-{point}{'-late' * is_late}", is_late=is_late)
    settings = SLOW if is_late else None
    # Which of the two gets the ticket is the group's choice; the first to meet the point dies.
    pair = [
        act.worker(name, at=f"{point}:{ticket}", settings=settings, static=False)
        for name in ("a", "b")
    ]
    for worker in pair:
        worker.ready()
    act.ask(ticket)
    judge(act, point, ticket, is_late=is_late)
    assert sorted(str(worker.process.poll()) for worker in pair) == ["-9", "None"]


@pytest.mark.full
@pytest.mark.timeout(400)
def test_a_bug_with_an_intent_in_hand_asks_for_a_human_and_a_redrive_settles_it(
    act: ActWorld,
) -> None:
    ticket = act.seed("bug")
    lost = {"kind": "status", "status": 503, "after_effect": True, "times": 1}
    act.fail({**lost, "match": f"{ticket}/send-message"})
    broken = act.worker(at=f"broken_read:{ticket}")
    broken.ready()
    request = act.ask(ticket)
    assert act.outcome(ticket) == "dead_lettered"
    until(lambda: "middleware_error_needs_attention" in act.tags(ticket), "the tag")
    assert states(act, ticket) == ["unknown"]
    broken.close()
    act.worker().ready()
    act.put(request)
    until(lambda: states(act, ticket) == ["sent"], "found on the ticket")
    assert act.replies(ticket) == 1


def states(world: ActWorld, ticket: str) -> list[str]:
    return [each["state"] for each in world.console("ledger", "show", ticket)["replies"]]


LATE = [
    pytest.param("sent", 5, 10, 12, id="sent, scaled"),
    pytest.param("sent", 60, 30, 120, id="sent"),
    pytest.param("intent_durable", 60, 30, 120, id="not sent"),
]


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("point", "delay", "lease", "settle"), LATE)
def test_an_effect_that_comes_late_is_found_by_the_next_worker(
    act: ActWorld, point: str, delay: int, lease: int, settle: int
) -> None:
    ticket = act.seed(f"late-{point}-{delay}")
    act.fail({"kind": "late", "match": f"{ticket}/send-message", "status": 504, "delay_s": delay})
    settings = {"reply_lease": str(lease), "reply_settle": str(settle)}
    worker = act.worker(at=f"{point}:{ticket}", settings=settings)
    worker.ready()
    act.ask(ticket)
    if point == "sent":
        until(lambda: act.audited(ticket, "parked"), "the reply is unsettled and parked")
        worker.process.kill()
    assert worker.ends() == -9
    act.parking()
    act.worker(settings=settings).ready()
    assert act.outcome(ticket, within=330) == ("acted" if point == "sent" else "triaged")
    assert act.replies(ticket) == (1 if point == "sent" else 0)
