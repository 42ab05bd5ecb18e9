"""Budgets: how many requests a vendor takes, held for one process's share of them.

A `WindowBucket` never lets more than its limit into any window, wherever one begins to count; its
tokens come back one window after the request that used them has *ended*, since the vendor may have
counted it as late as that. It is asked in steps. `take` reserves before a call; `spend` notes each
request that was really made, which may be none (a cached list) or more than one; `give_back` ends
what was reserved and not spent. Every call brings its own `now`, in seconds of one steady clock.

It fits a leaky bucket of `burst` requests that drains by `rate` a second just as well: at most
`burst` in any ``burst / rate`` seconds can never make that one overflow.

Weakness: one process, one bucket. Several that share a limit must split it (`share`, with the part
that `pipeline.domain.budget.Sharing` tells), and a process that has just started or has just got a
larger part does not know what its predecessor spent.

A `TokenBucket` is for whom we limit ourselves: `burst` at once, `rate` a second in the long run.
"""

from __future__ import annotations

from collections import deque

ASK_AGAIN = 0.02
"""Seconds to wait for a call in hand to end."""
NO_PART = 1.0
"""Seconds after which a process without any part asks again."""
_ROUNDING = 1e-9


class TokenBucket:
    """`rate` tokens a second in the long run, `burst` at once; full at first."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = burst
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Takes a token and returns 0, or none and returns the seconds to wait."""
        self._refill(now)
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def _refill(self, now: float) -> None:
        if self._at is None or now > self._at:
            passed = 0.0 if self._at is None else now - self._at
            self._tokens = min(self._burst, self._tokens + passed * self._rate)
            self._at = now


class WindowBucket:
    """At most `limit` requests in any `window` seconds; less than one is one in a longer window."""

    def __init__(self, *, limit: float, window: float) -> None:
        self.limit = max(1.0, float(int(limit + _ROUNDING)))
        self.window = window * max(1.0, 1.0 / limit)
        self._part = 1.0
        self._limit = self.limit
        self._reserved = 0.0
        self._spent: deque[tuple[float, float]] = deque()  # (when its call had ended, count)
        self._in_window = 0.0

    def take(self, now: float, count: float = 1.0) -> float:
        """Reserves `count` tokens and returns 0, or none and returns the seconds to wait.

        While reservations of calls in hand are what stands in the way, nobody knows how long they
        take: the answer is then `ASK_AGAIN`.
        """
        if not self._limit:
            return NO_PART
        self._forget(now)
        # More than the bucket holds never comes together; it passes when nothing else is in it.
        needed = min(count, self._limit)
        lacking = self._reserved + self._in_window + needed - self._limit
        if lacking <= 0:
            self._reserved += count
            return 0.0
        for ended, spent in self._spent:
            lacking -= spent
            if lacking <= 0:
                return max(ended + self.window - now, 1e-6)
        return ASK_AGAIN

    def spend(self, now: float, count: float = 1.0) -> None:
        """Notes requests that have ended just now, reserved or not."""
        self._spent.append((max(now, self._spent[-1][0]) if self._spent else now, count))
        self._in_window += count

    def give_back(self, count: float = 1.0) -> None:
        """Ends a reservation; what was spent under it stays spent."""
        self._reserved -= count

    def cap(self, now: float, count: float) -> None:
        """Leaves this process its part of `count` tokens for one window from now.

        That is the vendor's word for what is left after the request that has just been spent. What
        is reserved counts among it: the vendor may not have seen those calls yet.
        """
        self._forget(now)
        excess = self._limit - self._in_window - count * self._part
        if excess > 0:
            self.spend(now, excess)

    def share(self, part: float) -> None:
        """Sets this process's part of the limit, rounded down to whole requests; 0 = none now."""
        self._part = part
        self._limit = float(int(self.limit * part + _ROUNDING))

    def _forget(self, now: float) -> None:
        while self._spent and self._spent[0][0] + self.window <= now:
            self._in_window -= self._spent.popleft()[1]
        if not self._spent:
            self._in_window = 0.0  # sums of fractions must not leave a remainder for ever
