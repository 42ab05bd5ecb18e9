"""L17: restarts of a worker that has a table to recover and a backlog waiting."""

from __future__ import annotations

import shutil
import signal

import pytest

from tests.guarantees.lab import Lab, Worker

pytestmark = pytest.mark.integration

BACKLOG = 12
"""Events that wait at each start."""
STALL = 15.0
"""Seconds after which a stock worker that hands out nothing counts as stalled; it needs three."""
STOCK_RESTARTS = 30
"""Upper bound: three of ten restarts stalled where it was first seen."""
POINTS = ("marked", "acked", None, "begun")
"""Where a worker is ended in turn; None: when everything is out."""


def number(first: int, count: int) -> list[str]:
    return [f"e{each}" for each in range(first, first + count)]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_l17_stock_stalls_at_a_restart_and_a_later_event_overtakes_the_backlog(lab: Lab) -> None:
    lab.make_all()
    for restart in range(STOCK_RESTARTS):
        backlog = set(number(restart * BACKLOG, BACKLOG))
        lab.send(*backlog)
        worker = lab.start("stock", "remember")
        if stalls(lab, backlog):
            break
        worker.signal((signal.SIGTERM, signal.SIGKILL)[restart % 2])
        worker.wait()
    else:
        pytest.fail(f"{STOCK_RESTARTS} restarts without a stall")
    lab.sentinel()
    missing = backlog - set(lab.values())
    print(f"stall at restart {restart}: {len(missing)} missing, committed {lab.committed()}")
    assert missing


def stalls(lab: Lab, backlog: set[str]) -> bool:
    return not lab.comes(lambda: backlog <= set(lab.values()), STALL)


@pytest.mark.parametrize("state", ["kept", "wiped"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    "restarts",
    [3, pytest.param(50, marks=[pytest.mark.full, pytest.mark.timeout(1200)])],
)
def test_l17_ours_neither_stalls_nor_loses(
    lab: Lab, how: signal.Signals, state: str, restarts: int
) -> None:
    lab.make_all()
    for restart in range(restarts):
        lab.send(*number(restart * BACKLOG, BACKLOG))
        worker = restarted(lab, how, POINTS[restart % len(POINTS)])
        if state == "wiped":
            shutil.rmtree(worker.data)
    sent = number(0, restarts * BACKLOG)
    lab.start("durable", "dedup", INSTANCE="a")
    lab.until("everything is committed", lambda: lab.committed() == len(sent))
    out = lab.values()
    assert set(out) == set(sent)
    first = sorted(set(out), key=out.index)
    assert first == sent
    lab.send(*sent, "last")
    lab.follows("last")
    assert len(lab.values()) == len(out) + 1


def restarted(lab: Lab, how: signal.Signals, point: str | None) -> Worker:
    """One worker on the backlog, ended at `point`; SIGTERM lets it go on from there."""
    if point is not None:
        lab.hold(point)
    before = set(lab.values())
    worker = lab.start("durable", "dedup", INSTANCE="a")
    if point is not None:
        lab.await_step(point)
    else:
        lab.until("the backlog is out", lambda: len(set(lab.values()) - before) >= BACKLOG)
    worker.signal(how)
    if point is not None:
        lab.release(point)
    assert worker.wait() == (0 if how == signal.SIGTERM else -how)
    return worker
