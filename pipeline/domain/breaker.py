"""A circuit breaker: a vendor that keeps failing is left alone, then probed.

Closed, it lets everything pass. After `failures_to_open` failures in a row it is open and refuses,
except for one probe every `probe_after` seconds; the first success closes it again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class CircuitBreaker:
    """The memory of one process about one vendor. `now` is any monotonic clock, in seconds."""

    failures_to_open: int = 5
    probe_after: float = 5.0
    _failures: int = 0
    _next_probe: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the vendor counts as down."""
        return self._failures >= self.failures_to_open

    def try_pass(self, now: float) -> bool:
        """Whether a call may be made at `now`.

        Handing out a probe books the next one `probe_after` later, whatever becomes of this one:
        a probe that is cancelled and never reports cannot hold the breaker open for ever.
        """
        if not self.is_open:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self.probe_after
        return True

    def succeeded(self) -> None:
        """The vendor answered."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """The vendor did not answer, or not usably."""
        self._failures += 1
        if self.is_open:
            self._next_probe = now + self.probe_after
