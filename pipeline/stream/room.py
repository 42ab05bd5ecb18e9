"""Back-pressure of a producer: who wants to send waits until there is room."""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """Holds callers back while too many records wait; strictly first come, first served.

    A table numbers its puts before it sends them, so nobody may overtake: the head stays in the
    queue until it runs again, and whoever comes meanwhile stands behind it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, size: int) -> None:
        """Returns when `size` records fit; one larger than all room waits until it is empty."""
        if self._waiting or not self._fits(size):
            place = (size, asyncio.get_running_loop().create_future())
            self._waiting.append(place)
            try:
                await place[1]
            except asyncio.CancelledError:
                self._waiting.remove(place)
                self._wake()
                raise
            self._waiting.remove(place)
        self._taken += size
        self._wake()

    def leave(self, size: int) -> None:
        """Gives room back."""
        self._taken -= size
        self._wake()

    def _wake(self) -> None:
        if self._waiting and self._fits(self._waiting[0][0]) and not self._waiting[0][1].done():
            self._waiting[0][1].set_result(None)

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._limit
