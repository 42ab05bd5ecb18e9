"""How long one plan may be worked on at a time, and what becomes of it when that is not enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipeline.domain.parking import INLINE_SECONDS

Sleep = Callable[[float], Awaitable[None]]


LIMITS = frozenset({"gate_closed", "http_429"})
"""Waits that a vendor's limit is the reason of."""


class Later(Exception):
    """The plan cannot go on now: it is parked for `seconds`; `code` says what for."""

    def __init__(self, seconds: float, code: str) -> None:
        super().__init__(code)
        self.seconds = seconds
        self.code = code


@dataclass
class Patience:
    """What one plan has been through; goes with it while it is parked."""

    sleep: Sleep
    """Waits seconds with the ticket in hand; its errors end the work."""
    failures: int = 0
    """Calls that failed, on all laps together, those by 429 left out."""
    since: float | None = None
    """Unix seconds of the first of them, or of the first time that the plan was put aside."""
    is_limited: bool = False
    """Whether a vendor's limit has held it up, or what it waited behind."""
    inline: float = INLINE_SECONDS

    async def wait(self, seconds: float, code: str) -> None:
        """Waits a short time; `code` says what for.

        Raises:
            Later: it would take longer than `inline`, so somebody else gets the place meanwhile.
        """
        self.is_limited = self.is_limited or code in LIMITS
        if seconds > self.inline:
            raise Later(seconds, code)
        await self.sleep(seconds)
