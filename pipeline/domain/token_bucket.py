"""Budgets: how many requests a vendor takes, held for one process's share of them.

Two kinds, because vendors count in two ways. A `WindowBucket` never lets more than its limit
into any window, wherever one begins to count; its tokens come back one window after the request
that used them has *ended*, since the vendor may have counted it as late as that. A `TokenBucket`
is Shopify's leaky bucket seen from outside: `burst` at once, `rate` a second in the long run.

Both are asked in two steps. `take` reserves before a call; `spend` notes each request that was
really made, which may be none (a cached list) or more than one; `give_back` ends the
reservation. Every call brings its own `now`, in seconds of one steady clock.

Weakness: one process, one bucket. Several that share a limit must split it (`share`), and a
process that has just started does not know what its predecessor spent.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

ASK_AGAIN = 0.02
"""Seconds to wait for a call in hand to end."""


class Bucket(Protocol):
    """What a gate needs of either kind."""

    def take(self, now: float, count: float = 1.0) -> float:
        """Reserves `count` tokens and returns 0, or none and returns the seconds to wait."""
        ...

    def spend(self, now: float, count: float = 1.0) -> None:
        """Notes that requests worth `count` tokens have been made, reserved or not."""
        ...

    def give_back(self, now: float, count: float = 1.0) -> None:
        """Ends a reservation; what was spent under it stays spent."""
        ...

    def cap(self, now: float, count: float) -> None:
        """Leaves at most `count` tokens: whoever owns the limit has said what is left of it."""
        ...

    def share(self, now: float, part: float) -> None:
        """Sets this process's part of the budget, above 0 and at most 1."""
        ...


class TokenBucket:
    """`rate` tokens a second in the long run, `burst` at once; full at first."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._full_rate, self._full_burst = rate, burst
        self._rate, self._burst = rate, burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float, count: float = 1.0) -> float:
        """Reserves `count` tokens and returns 0, or none and returns the seconds to wait."""
        self._refill(now)
        # More than the bucket holds never comes together; it passes when the bucket is full.
        needed = min(count, self._burst)
        if self._tokens >= needed:
            self._tokens -= count
            return 0.0
        return (needed - self._tokens) / self._rate

    def spend(self, now: float, count: float = 1.0) -> None:
        """Takes `count` tokens whether they are there or not; a debt is paid off by waiting."""
        self._refill(now)
        self._tokens -= count

    def give_back(self, now: float, count: float = 1.0) -> None:
        """Puts reserved tokens back."""
        self._refill(now)
        self._tokens = min(self._burst, self._tokens + count)

    def cap(self, now: float, count: float) -> None:
        """Leaves at most `count` tokens."""
        self._refill(now)
        self._tokens = min(self._tokens, count)

    def share(self, now: float, part: float) -> None:
        """Sets this process's part; a burst of less than one token would never let any pass."""
        self._refill(now)
        self._rate, self._burst = self._full_rate * part, max(1.0, self._full_burst * part)
        self._tokens = min(self._tokens, self._burst)

    def _refill(self, now: float) -> None:
        if self._at is None or now > self._at:
            passed = 0.0 if self._at is None else now - self._at
            self._tokens = min(self._burst, self._tokens + passed * self._rate)
            self._at = now


class WindowBucket:
    """At most `limit` requests in any `window` seconds."""

    def __init__(self, *, limit: float, window: float) -> None:
        self._full_limit, self._full_window = limit, window
        self._limit, self._window = limit, window
        self._reserved = 0.0
        self._spent: deque[tuple[float, float]] = deque()  # (when its call had ended, count)
        self._in_window = 0.0

    def take(self, now: float, count: float = 1.0) -> float:
        """Reserves `count` tokens and returns 0, or none and returns the seconds to wait.

        While reservations of calls in hand are what stands in the way, nobody knows how long they
        take: the answer is then `ASK_AGAIN`.
        """
        self._forget(now)
        needed = min(count, self._limit)
        lacking = self._reserved + self._in_window + needed - self._limit
        if lacking <= 0:
            self._reserved += count
            return 0.0
        for ended, spent in self._spent:
            lacking -= spent
            if lacking <= 0:
                return max(ended + self._window - now, 1e-6)
        return ASK_AGAIN

    def spend(self, now: float, count: float = 1.0) -> None:
        """Notes requests that have ended just now."""
        self._spent.append((max(now, self._spent[-1][0]) if self._spent else now, count))
        self._in_window += count

    def give_back(self, now: float, count: float = 1.0) -> None:  # noqa: ARG002 - as its sibling
        """Ends a reservation."""
        self._reserved -= count

    def cap(self, now: float, count: float) -> None:
        """Leaves at most `count` tokens for one window from now."""
        self._forget(now)
        excess = self._limit - self._reserved - self._in_window - count
        if excess > 0:
            self.spend(now, excess)

    def share(self, now: float, part: float) -> None:  # noqa: ARG002 - as its sibling
        """Sets this process's part; where that is less than one request, the window grows."""
        limit = self._full_limit * part
        self._limit = max(1.0, float(int(limit)))
        self._window = self._full_window * max(1.0, 1.0 / limit)

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self._window <= now:
            self._in_window -= self._spent.popleft()[1]
        if not self._spent:
            self._in_window = 0.0  # sums of fractions must not leave a remainder for ever
