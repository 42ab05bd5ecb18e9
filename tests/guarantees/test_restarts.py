"""L17: restarts of a worker that has a table to recover and a backlog waiting."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from tests.guarantees.lab import Lab, Worker

pytestmark = pytest.mark.integration

BACKLOG = 12
"""Events that wait at each start."""
STALL = 30.0
"""Seconds after which a stock worker that hands out nothing counts as stalled; it needs three."""
SIDE_BY_SIDE = 5
"""Stock workers, each with topics of its own: that they disturb each other makes stalls likely."""
STOCK_RESTARTS = 12
"""Upper bound; half of all restarts stalled where it was first seen, on another machine one in ten."""
POINTS = ("marked", "acked", None, "begun")
"""Where a worker is ended in turn; None: when everything is out."""


def number(first: int, count: int) -> list[str]:
    return [f"e{each}" for each in range(first, first + count)]


@pytest.mark.full
@pytest.mark.timeout(900)
def test_l17_stock_stalls_at_a_restart_and_a_later_event_overtakes_the_backlog(lab: Lab) -> None:
    own = [Lab(lab.bootstrap, f"{lab.name}-{n}", lab.folder / str(n)) for n in range(SIDE_BY_SIDE)]
    for each in own:
        each.make_all()
    try:
        stalled, backlog = first_stall(own)
        stalled.sentinel()
        missing = backlog - set(stalled.values())
        print(f"{len(missing)} missing, committed {stalled.committed()}")
        assert missing
    finally:
        for each in own:
            each.close()


def first_stall(labs: list[Lab]) -> tuple[Lab, set[str]]:
    """Restarts the workers of all until one hands out nothing: whose, and what waits for it."""
    for restart in range(STOCK_RESTARTS):
        backlog = set(number(restart * BACKLOG, BACKLOG))
        for each in labs:
            each.send(*backlog)
        workers = [each.start("stock", "remember") for each in labs]
        ends = time.monotonic() + STALL
        for each in labs:
            if not has_all(each, backlog, ends):
                print(f"stall at restart {restart}")
                return each, backlog
        for n, worker in enumerate(workers):
            worker.signal((signal.SIGTERM, signal.SIGKILL)[(restart + n) % 2])
        for worker in workers:
            worker.wait()
    pytest.fail(f"{STOCK_RESTARTS} restarts of {len(labs)} workers without a stall")


def has_all(lab: Lab, backlog: set[str], ends: float) -> bool:
    return lab.comes(lambda: backlog <= set(lab.values()), max(0.0, ends - time.monotonic()))


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
