"""kill -9 of the only worker of a stage: how long until the next event is acted upon."""

from __future__ import annotations

import statistics
import time

import pytest

from tests.guarantees.lab import Lab

pytestmark = pytest.mark.integration

ROUNDS = 3


@pytest.mark.full
@pytest.mark.parametrize(
    ("membership", "limit"),
    [({}, 12.0), ({"INSTANCE": "a"}, 4.0)],  # by the session of 10 s, or by name
    ids=["session", "static"],
)
def test_the_next_event_after_kill_9(lab: Lab, membership: dict[str, str], limit: float) -> None:
    lab.make_all()
    worker = lab.start("durable", "dedup", **membership)
    lab.send("first")
    lab.follows("first")
    seconds = []
    for number in range(ROUNDS):
        killed = time.monotonic()
        worker.kill()
        lab.send(f"next{number}")
        worker = lab.start("durable", "dedup", **membership)  # the old one is proven dead
        lab.follows(f"next{number}")
        seconds.append(time.monotonic() - killed)
    print(f"kill -9 to the next event: {' '.join(f'{each:.1f}' for each in seconds)} s")
    assert statistics.median(seconds) < limit
