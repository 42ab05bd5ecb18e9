"""Has this process stood still? A process that was stopped cannot feel it; its clock can.

A worker that stood still longer than its session may have been replaced, and neither the group
nor its own state tells it so when it wakes up. What it began before must not go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

TICK = 0.25
"""Seconds between two looks at the clock."""
_KEPT = 64


class StallMonitor:
    """Notes every gap between two looks that is longer than `limit` seconds.

    Weakness: a machine that is suspended with its monotonic clock stopped shows no gap; its
    connections and its session are then as old as it believes them to be.
    """

    def __init__(self, *, limit: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._last = monotonic()
        self._ends: deque[float] = deque(maxlen=_KEPT)

    def look(self) -> None:
        """One look at the clock."""
        now = self._monotonic()
        if now - self._last > self._limit:
            self._ends.append(now)
        self._last = now

    def since(self, began: float) -> bool:
        """Whether there was a stall at any time after `began` (monotonic seconds), up to now."""
        self.look()
        return any(end > began for end in self._ends)

    async def run(self) -> None:
        """Looks at the clock until it is cancelled."""
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                self.look()
                await asyncio.sleep(TICK)
