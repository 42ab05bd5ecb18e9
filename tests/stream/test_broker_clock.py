"""The broker's clock, on a clock that the test turns."""

from __future__ import annotations

from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.control import Update, View


class Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_the_brokers_clock_goes_on_between_records() -> None:
    clock, view = Clock(), View()
    broker_now = BrokerClock(view, monotonic=clock)
    view.apply([Update("k", b"", 0, 1_000_000.0)])
    clock.at += 2.5
    assert broker_now() == 1_000_002.5
    view.apply([Update("k", b"", 1, 1_000_004.0)])
    assert broker_now() == 1_000_004.0
