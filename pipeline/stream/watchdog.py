"""Does the commit move? A worker that looks alive and does nothing must not stay so.

Stock Faust can stall after a restart without a word (RELIABILITY L17). Whatever the cause, a
partition with records waiting, none in hand and no progress for a minute is one.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

PATIENCE = 60.0
"""Seconds without progress (RELIABILITY R16)."""
LOOK = 10.0
"""Seconds between two looks."""


class Stalled(Exception):
    """Records wait and nobody works on them; the text names the partition."""


@dataclass(frozen=True)
class Sight:
    """One partition as it is now: the offset it will commit, the end of its log, work in hand."""

    reached: int
    end: int
    is_idle: bool


class Watchdog:
    """Remembers since when each partition has had work, none in hand and no progress."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._since: dict[Hashable, tuple[int, float]] = {}

    def stalled(self, sights: Mapping[Hashable, Sight], now: float) -> Hashable | None:
        """A partition that stands still for too long at `now` (seconds), or None."""
        waiting = {
            name: sight.reached
            for name, sight in sights.items()
            if sight.is_idle and sight.end > sight.reached
        }
        self._since = {
            name: self._since[name] if self._since.get(name, (None,))[0] == reached else (reached, now)
            for name, reached in waiting.items()
        }  # fmt: skip
        for name, (_, since) in self._since.items():
            if now - since >= self._patience:
                return name
        return None
