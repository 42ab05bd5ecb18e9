"""Workers of one stage join and leave under load: nothing lost, in order, no commit ahead."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.guarantees.lab import Lab, Worker
from tests.guarantees.observer import Observer, order_breaks

pytestmark = pytest.mark.integration

RATE = 500
KEYS = 40
PARTITIONS = 4
WAYS_TO_LEAVE = (signal.SIGTERM, signal.SIGKILL)


class Load:
    """500 events a second: ``key:1``, ``key:2`` ... per key, each key on one partition."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._counts = itertools.count()
        self.last: dict[str, int] = {}

    def run(self, seconds: float) -> Iterator[None]:
        """Sends what is due each tenth of a second; what a slow machine is late with comes too."""
        began, sent = time.monotonic(), 0
        while sent < RATE * seconds:
            due = RATE * min(seconds, time.monotonic() - began + 0.1)
            for each in itertools.islice(self._counts, int(due) - sent):
                self._send(each)
            sent = int(due)
            self._lab.flush()
            yield
            time.sleep(0.1)

    def _send(self, each: int) -> None:
        number, index = each // KEYS + 1, each % KEYS
        key = f"k{index}"
        self.last[key] = number
        self._lab.produce(f"{key}:{number}", key=key, partition=index % PARTITIONS)


LONG = [pytest.mark.full, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("scene", "seconds", "every"),
    [
        pytest.param("dedup", 20, 5, marks=pytest.mark.timeout(400)),
        pytest.param("dedup", 300, 10, marks=LONG),
        pytest.param("forward", 300, 10, marks=LONG),
    ],
)
def test_rebalance_under_load_loses_nothing_and_keeps_order(
    lab: Lab, scene: str, seconds: int, every: int
) -> None:
    lab.make_all(partitions=PARTITIONS)
    observer, stop, load = Observer(lab), threading.Event(), Load(lab)
    watching = threading.Thread(target=observer.watch, args=(stop,))
    names, leaving = itertools.count(), itertools.cycle(WAYS_TO_LEAVE)

    def join() -> Worker:
        name = f"w{next(names)}"
        return lab.start("durable", scene, worker=name, PARTITIONS=str(PARTITIONS))

    workers = [join(), join()]
    watching.start()
    try:
        turn = time.monotonic()
        for _ in load.run(seconds):
            if time.monotonic() - turn < every:
                continue
            turn = time.monotonic()
            if len(workers) > 1:
                workers.pop(0).signal(next(leaving))
            else:
                workers.append(join())
        total = sum(load.last.values())
        # However slow the machine: one that stands still never gets there.
        lab.until(
            "everything is committed", lambda: sum(lab.commits().values()) == total, patience=180
        )
    finally:
        stop.set()
        watching.join()
    observer.look()
    messages = lab.messages()
    print(
        f"{total} events, {len(messages)} outputs, {next(names)} workers, {observer.rounds} looks"
    )
    assert sum(map(len, observer.done.values())) == total
    assert observer.ahead == []
    assert order_breaks(messages) == []
