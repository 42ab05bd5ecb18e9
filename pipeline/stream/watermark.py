"""How far a partition may be committed: below it, everything is durable.

Offsets are handed out in ascending order and finished in any order. The watermark follows the
contiguous prefix of what was *handed out*, so holes that compaction or transaction markers leave
in a partition never stop it, and nothing unfinished is ever passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable


class Watermark:
    """The offset to commit next for one partition under one assignment."""

    def __init__(self) -> None:
        self._handed_out: deque[int] = deque()
        self._finished: set[int] = set()
        self._position: int | None = None

    def hand_out(self, offsets: Iterable[int]) -> None:
        """Notes offsets that a handler now owes an end; each must be above the last.

        Raises:
            ValueError: an offset is not above the last one, so it would be counted twice.
        """
        last = self._handed_out[-1] if self._handed_out else (self._position or 0) - 1
        for offset in offsets:
            if offset <= last:
                raise ValueError(f"offset {offset} handed out after {last}")
            self._handed_out.append(offset)
            last = offset

    def finish(self, offset: int) -> None:
        """Notes that everything about `offset` is durable; a second time changes nothing."""
        if self._position is None or offset >= self._position:
            self._finished.add(offset)
        while self._handed_out and self._handed_out[0] in self._finished:
            done = self._handed_out.popleft()
            self._finished.discard(done)
            self._position = done + 1

    def finish_run(self, offsets: Iterable[int]) -> None:
        """`finish` for many; the usual case, a whole run from the front, costs least."""
        for offset in offsets:
            if self._handed_out and self._handed_out[0] == offset:
                self._handed_out.popleft()
                self._position = offset + 1
            else:
                self.finish(offset)
        if self._handed_out and self._handed_out[0] in self._finished:
            self.finish(self._handed_out[0])

    @property
    def position(self) -> int | None:
        """The offset to commit: one above the finished prefix; None before the first."""
        return self._position

    @property
    def pending(self) -> int:
        """Offsets handed out that the watermark has not passed."""
        return len(self._handed_out)
