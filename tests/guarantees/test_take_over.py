"""L13, L14: a partition changes hands while an event is in work, or its owner stands still."""

from __future__ import annotations

import signal

import pytest

from pipeline.stream.guard import EXIT_CRASH
from tests.guarantees.lab import Lab, Worker

pytestmark = pytest.mark.integration


def second_joins_while_the_first_works(lab: Lab, kind: str) -> None:
    """Both want the one partition; the event in the first one's hand lasts as long as it is held."""
    lab.make_all()
    lab.hold("in-e0")
    lab.start(kind, "forward", worker="first")
    lab.send("e0", "e1")
    lab.await_step("in-e0")
    lab.start(kind, "forward", worker="second")
    lab.until("the group rebalances", lambda: lab.group()[0] != "STABLE" or lab.group()[1] > 1)


@pytest.mark.full
def test_l13_stock_runs_the_event_twice_at_once(lab: Lab) -> None:
    second_joins_while_the_first_works(lab, "stock")
    lab.until("it runs twice", lambda: len(lab.journal("began", "e0")) == 2)
    assert lab.journal("ended") == []
    lab.release("in-e0")
    lab.until("it ends twice", lambda: lab.values().count("e0") == 2)


def test_l13_ours_gives_the_partition_up_when_the_event_has_ended(lab: Lab) -> None:
    second_joins_while_the_first_works(lab, "durable")
    lab.release("in-e0")
    lab.follows("e0", "e1")
    lab.until("everything is committed", lambda: lab.committed() == 2)
    assert lab.values() == ["e0", "e1"]
    assert [entry["id"] for entry in lab.journal("began")] == ["e0", "e1"]


def first_stands_still(lab: Lab, kind: str) -> Worker:
    """The first is stopped in the middle of an event, the second takes over, the first goes on."""
    lab.make_all()
    lab.hold("in-e0")
    first = lab.start(kind, "forward", worker="first")
    lab.send("e0", "e1", "e2")
    lab.await_step("in-e0")
    first.signal(signal.SIGSTOP)
    lab.start(kind, "forward", worker="second")
    lab.until("the second took over", lambda: len(lab.journal("began", "e0")) == 2)
    first.signal(signal.SIGCONT)
    lab.release("in-e0")
    lab.follows("e0", "e1", "e2")
    return first


@pytest.mark.full
def test_l14_stock_goes_on_as_a_zombie(lab: Lab) -> None:
    first_stands_still(lab, "stock")
    lab.until("both end the event", lambda: lab.values().count("e0") == 2)
    assert {entry["worker"] for entry in lab.journal("ended", "e0")} == {"first", "second"}


def test_l14_ours_ends_before_it_writes_as_a_zombie(lab: Lab) -> None:
    first = first_stands_still(lab, "durable")
    assert first.wait() == EXIT_CRASH
    lab.until("everything is committed", lambda: lab.committed() == 3)
    assert lab.values() == ["e0", "e1", "e2"]
    assert {entry["worker"] for entry in lab.journal("ended")} == {"second"}


@pytest.mark.full
def test_l14_ours_writes_no_table_row_as_a_zombie(lab: Lab) -> None:
    lab.make_all()
    lab.hold("decided-first")
    first = lab.start("durable", "count", worker="first")
    lab.send("e0")
    lab.await_step("decided-first")
    first.signal(signal.SIGSTOP)
    lab.start("durable", "count", worker="second")
    lab.send("e1")
    lab.until("the second has counted", lambda: lab.rows() == {"k": "2:1"})
    first.signal(signal.SIGCONT)
    lab.release("decided-first")
    assert first.wait() == EXIT_CRASH
    lab.send("e2")
    lab.until("the second counts on", lambda: lab.rows() == {"k": "3:2"})
