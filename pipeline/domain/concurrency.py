"""How many calls a vendor may have in hand: more while it answers, half when it pushes back.

Additive increase, multiplicative decrease, as TCP does it: whoever shares the vendor ends up
with an equal part, without knowing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class AdaptiveLimit:
    """The memory of one process about one vendor; starts at `most`. `now` is monotonic seconds.

    A decrease counts once per `calm` seconds: the answers to one burst of calls all tell of the
    same trouble, and sixteen halvings for it would leave nothing.
    """

    most: int
    least: int = 1
    calm: float = 1.0
    _limit: float = field(init=False)
    _quiet_until: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        """Begins with everything that is allowed."""
        self._limit = float(self.most)

    @property
    def limit(self) -> int:
        """Calls that may be in hand now."""
        return int(self._limit)

    def answered(self) -> None:
        """The vendor answered: after `limit` answers there is room for one more."""
        self._limit = min(float(self.most), self._limit + 1.0 / self._limit)

    def pushed_back(self, now: float) -> None:
        """The vendor said 429, failed, or did not answer in time."""
        if now >= self._quiet_until:
            self._limit = max(float(self.least), self._limit / 2)
            self._quiet_until = now + self.calm
