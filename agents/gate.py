"""One gate per vendor: its budget, and the time until which it is closed.

Every call of this process passes it, so the first 429 stops all of them and none is wasted on a
vendor that has said when to come back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pipeline import telemetry
from pipeline.domain.token_bucket import TokenBucket

Sleep = Callable[[float], Awaitable[None]]


class Gate:
    """Lets one call through at a time budget allows; `monotonic` gives seconds."""

    def __init__(self, vendor: str, bucket: TokenBucket, *, monotonic: Callable[[], float]) -> None:
        self._vendor = vendor
        self._bucket = bucket
        self._monotonic = monotonic
        self._closed_until = 0.0
        self.waiting = 0

    def close(self, seconds: float) -> None:
        """Closes the gate for `seconds` from now; never opens it sooner than it was told."""
        until = self._monotonic() + seconds
        more = until - max(self._closed_until, self._monotonic())
        if more > 0:
            telemetry.GATE_CLOSED.labels(self._vendor).inc(more)
            self._closed_until = until

    def remaining(self, count: int) -> None:
        """Takes the vendor's word for what its window still allows.

        A call of the port may be several requests, and others may share the key: our own count
        alone would run into the 429 that it is there to avoid.
        """
        self._bucket.cap(self._monotonic(), count)

    async def enter(self, sleep: Sleep) -> None:
        """Returns when one call may start; waits with `sleep`, whose errors pass through."""
        self.waiting += 1
        try:
            while (seconds := self._wait()) > 0:
                await sleep(seconds)
        finally:
            self.waiting -= 1

    def _wait(self) -> float:
        now = self._monotonic()
        if now < self._closed_until:
            return self._closed_until - now
        return self._bucket.take(now)
