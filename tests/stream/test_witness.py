"""A loop that never gives a turn is ended from beside it, and one that was only blocked is seen."""

from __future__ import annotations

import subprocess
import sys
import time

from pipeline.stream.guard import EXIT_NO_TURN
from pipeline.stream.stall import TICK
from pipeline.stream.witness import Witness

PROCESS = """
import asyncio, sys, time
from pipeline.stream.stall import StallMonitor
from pipeline.stream.witness import Witness

def handle(words):
    while END:
        pass

async def main():
    witness = Witness(last_resort=1.0)
    task = asyncio.create_task(StallMonitor(limit=1, monotonic=time.monotonic, beside=witness).run())
    await asyncio.sleep(0)
    handle("dear customer")
    task.cancel()
    await task
    time.sleep(1.3)

asyncio.run(main())
"""


def ended(condition: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROCESS.replace("END", condition)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_endless_loop_is_ended_and_its_place_told_without_a_word_of_the_record() -> None:
    process = ended("True")
    assert process.returncode == EXIT_NO_TURN
    assert "in handle" in process.stderr
    assert "dear customer" not in process.stderr


def test_a_process_that_was_told_to_stop_has_no_alarm_any_more() -> None:
    assert ended("False").returncode == 0


def test_it_counts_while_the_loops_thread_waits() -> None:
    witness = Witness()
    witness.begin()
    while not witness.ran():
        time.sleep(0.01)
    witness.end()


def test_what_a_process_was_stopped_for_is_not_counted() -> None:
    now = 100.0
    witness = Witness(monotonic=lambda: now)
    now += 6
    witness.look()
    assert witness.ran() == 2 * TICK
