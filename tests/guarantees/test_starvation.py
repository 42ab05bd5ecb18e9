"""L12: a slow agent holds up nobody else."""

from __future__ import annotations

import pytest

from tests.guarantees.lab import Lab

pytestmark = pytest.mark.integration

BACKLOG = 6000
"""Events of the slow agent: more than stock Faust's stream buffer of 4,096 takes."""
SILENCE = 20.0
"""Seconds in which the other agent's ten events do not come; without the slow one they take one."""
OTHERS = [f"other{number}" for number in range(10)]


def slow_backlog(lab: Lab) -> None:
    lab.make_all()
    lab.make(lab.other)
    lab.hold("in-e0")
    lab.send(*(f"e{number}" for number in range(BACKLOG)))


@pytest.mark.full
def test_l12_stock_starves_the_agent_beside_a_slow_one(lab: Lab) -> None:
    slow_backlog(lab)
    lab.start("stock", "two")
    lab.await_step("in-e0")
    lab.send(*OTHERS, topic=lab.other)
    assert not lab.comes(lambda: bool(lab.values()), SILENCE)
    lab.release("in-e0")
    lab.follows(*OTHERS)


def test_l12_ours_serves_the_agent_beside_a_slow_one(lab: Lab) -> None:
    slow_backlog(lab)
    lab.start("durable", "two", INSTANCE="a")
    lab.await_step("in-e0")
    lab.send(*OTHERS, topic=lab.other)
    lab.follows(*OTHERS)
    assert "e0" not in lab.values()
    assert lab.committed() == 0
    lab.release("in-e0")
    lab.follows("e0")
