"""Who may use how much of a vendor's budget."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

SKEW = 2.0
"""Seconds by which the clocks of two workers may differ before a limit that they take turns at can
be exceeded."""


@dataclass(frozen=True)
class Split:
    """Requests of one window, by whom they are for; together the whole budget."""

    people: float
    """Agents at their screens, and reconciliation."""
    reading: float
    """The words of messages that a webhook announced without them; `classify` reads them."""
    acting: float
    """Routes, tags and replies; `act` makes them."""


def split(limit: float, *, kept: float, reading: float) -> Split:
    """Splits `limit` requests.

    Args:
        limit: what the vendor allows in a window.
        kept: the part of it that automation leaves alone.
        reading: the part of the rest that is for reading.
    """
    ours = limit * (1 - kept)
    return Split(people=limit - ours, reading=ours * reading, acting=ours * (1 - reading))


@dataclass(frozen=True)
class Sharing:
    """How workers split a limit, each by the partitions that it holds and without asking another.

    A worker's part is its part of the partitions, while everybody's is worth a `turn`. With more
    workers than that, partitions take turns by the clock: as many count at a time as the limit has
    turns. So the parts of all workers are never more than the whole, in any window and by any
    clock that is off by less than `SKEW`. Who takes turns loses about half of its part to that.

    It relies on the assignor of the group, which hands partitions out in turn: partition p to
    worker p mod N. While a group rebalances, two workers may count the same partition.
    """

    limit: float
    """Requests that all workers together may make in a window."""
    turn: int
    """Requests that one call reserves at most."""
    partitions: int
    guard: float
    """Seconds: a window and the longest turn. A part that grows from one slot to the next may be
    used only when nothing counts any more that the other worker did with it, so it is used from the
    beginning of a slot until the guard before its end."""

    def part(self, own: Collection[int], now: float) -> float:
        """The part of the limit of who holds the partitions `own`, at `now` (unix seconds)."""
        if self._is_a_turn_for_all(own):
            return len(own) / self.partitions
        guard = self.guard + SKEW
        slots = {int(at // (2 * guard)) for at in (now, now + guard)}
        return min(self._counting(own, slot) for slot in slots)

    def _is_a_turn_for_all(self, own: Collection[int]) -> bool:
        first, *more = sorted(own)
        # Who holds a single one knows that nobody has more than two, and so that somebody has one.
        workers = more[0] - first if more else self.partitions
        return (self.partitions // workers) * self.limit / self.partitions >= self.turn

    def _counting(self, own: Collection[int], slot: int) -> float:
        turns = max(1, int(self.limit / self.turn))
        rounds = -(-self.partitions // turns)
        counting = range(slot % rounds, self.partitions, rounds)
        return sum(each in own for each in counting) / len(counting)
