"""kill -9 of the only worker of a stage: how long until the next event is acted upon."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.guarantees.lab import ROOT, Lab

pytestmark = pytest.mark.integration

ROUNDS = 3
START = 1.2
"""Seconds of CPU that a process with a worker's imports takes to start."""


def late() -> float:
    """Seconds that a worker now takes longer for its work, because others use the machine as well.

    Until its first event it computes about twice what its imports take.
    """
    began = time.monotonic()
    imports = "import faust, confluent_kafka, pipeline.stream.app"
    subprocess.run([sys.executable, "-c", imports], cwd=ROOT, check=True)
    return max(0.0, 2 * (time.monotonic() - began - START))


@pytest.mark.full
@pytest.mark.parametrize(
    ("membership", "limit"),
    [({}, 12.0), ({"INSTANCE": "a"}, 4.0)],  # by the session of 10 s, or by name
    ids=["session", "static"],
)
def test_the_next_event_after_kill_9(lab: Lab, membership: dict[str, str], limit: float) -> None:
    """Each time within the limit; only what other load adds to a start is allowed on top."""
    lab.make_all()
    worker = lab.start("durable", "dedup", **membership)
    lab.send("first")
    lab.follows("first")
    for number in range(ROUNDS):
        more = late()
        killed = time.monotonic()
        worker.kill()
        lab.send(f"next{number}")
        worker = lab.start("durable", "dedup", **membership)  # the old one is proven dead
        lab.follows(f"next{number}")
        seconds = time.monotonic() - killed
        print(f"kill -9 to the next event: {seconds:.1f} s, {more:.1f} s of it by other load")
        assert seconds < limit + more
