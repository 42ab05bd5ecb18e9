"""A token bucket: `rate` a second in the long run, `burst` at once.

Weakness: one process, one bucket. Several processes that share a limit must split it.
"""

from __future__ import annotations


class TokenBucket:
    """Full at first. Every call brings its own `now`, in seconds of one steady clock."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float, count: float = 1.0) -> float:
        """Takes `count` tokens and returns 0, or takes none and returns the seconds to wait."""
        self._refill(now)
        if self._tokens >= count:
            self._tokens -= count
            return 0.0
        return (count - self._tokens) / self._rate

    def cap(self, now: float, count: float) -> None:
        """Leaves at most `count` tokens: whoever owns the limit has said what is left of it."""
        self._refill(now)
        self._tokens = min(self._tokens, count)

    def _refill(self, now: float) -> None:
        if self._at is None or now > self._at:
            passed = 0.0 if self._at is None else now - self._at
            self._tokens = min(self._burst, self._tokens + passed * self._rate)
            self._at = now
