"""Has this process stood still? A process that was stopped cannot feel it; its clock can.

The broker gives a silent worker's partitions to another after the session timeout, and nothing
tells it so when it wakes up: the generation it knows looks current until its next heartbeat is
refused. What it began before must not go on, and what it writes then is written twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

TICK = 0.25
"""Seconds between two looks at the clock."""
_KEPT = 64


class StoodStill(Exception):
    """The process stood still for so long that its partitions may have a new owner."""


class Blocked(Exception):
    """The process stood still because something in it kept the loop busy: a record, or the code."""


class Beside(Protocol):
    """What goes on beside the loop, see `Witness`."""

    def begin(self) -> None: ...  # noqa: D102
    def turn(self) -> None: ...  # noqa: D102
    def ran(self) -> float: ...  # noqa: D102
    def end(self) -> None: ...  # noqa: D102


class Nobody:
    """Nothing beside the loop: no thread, no alarm."""

    def begin(self) -> None:
        """Nothing."""

    def turn(self) -> None:
        """Nothing."""

    def ran(self) -> float:
        """It saw the process run for 0 s."""
        return 0.0

    def end(self) -> None:
        """Nothing."""


class StallMonitor:
    """Notes every gap between two looks that is longer than `limit` seconds.

    A gap longer than `fatal` seconds ends the process through `on_fatal`: with `Blocked` where for
    more than half of it the loop's own thread has worked (`cpu`, seconds) or the rest of the process
    has run (`beside`), as in a call that waits without giving the loop a turn; else with `StoodStill`.
    A gap that never ends is ended by `beside`. Until `run` has begun nothing is judged: a start may
    take its time.

    Weakness: a disk that hangs under a write of the loop looks like a record that blocks it.
    Weakness: a machine that is suspended with its monotonic clock stopped shows no gap; its
    connections and its session are then as old as it believes them to be.
    """

    def __init__(
        self,
        *,
        limit: float,
        monotonic: Callable[[], float],
        cpu: Callable[[], float] = time.thread_time,
        beside: Beside | None = None,
        fatal: float = float("inf"),
        on_fatal: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._cpu = cpu
        self._beside = beside or Nobody()
        self._fatal = fatal
        self._on_fatal = on_fatal
        self._last: float | None = None
        self._worked = self._ran = 0.0
        self._ends: deque[float] = deque(maxlen=_KEPT)

    def look(self) -> None:
        """One look at the clock; right before a write, with no await between, it is a fence."""
        if self._last is None:
            return
        now, cpu, beside = self._monotonic(), self._cpu(), self._beside.ran()
        gap, worked, ran = now - self._last, cpu - self._worked, beside - self._ran
        self._last, self._worked, self._ran = now, cpu, beside
        if gap > self._limit:
            self._ends.append(now)
        if gap > self._fatal:
            kind = Blocked if max(worked, ran) > gap / 2 else StoodStill
            self._on_fatal(
                kind(
                    f"the loop stood still for {gap:.1f} s, {worked:.1f} s of it at work; "
                    f"the process ran for {ran:.1f} s"
                )
            )

    def since(self, began: float) -> bool:
        """Whether there was a stall at any time after `began` (monotonic seconds), up to now."""
        self.look()
        return any(end > began for end in self._ends)

    async def run(self) -> None:
        """Looks at the clock until it is cancelled."""
        self._last, self._worked = self._monotonic(), self._cpu()
        self._beside.begin()
        self._ran = self._beside.ran()
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                self.look()
                self._beside.turn()
                await asyncio.sleep(TICK)
        self._beside.end()
        self._last = None
