"""How long a record's handler may take by itself: what it waits for the broker does not count.

A broker that stands still for a minute would otherwise make dead letters of every record in hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self


class OwnTime:
    """``async with``: cancels its body after `seconds` of its own and raises TimeoutError then.

    None is no limit. Tasks that the body starts share its time.
    """

    def __init__(self, seconds: float | None) -> None:
        self._clock = asyncio.timeout(seconds)
        self._left = 0.0
        self._waits = 0
        self._is_over = seconds is None

    @property
    def is_used_up(self) -> bool:
        """Whether the body was cancelled for taking too long."""
        return self._clock.expired()

    async def __aenter__(self) -> Self:
        await self._clock.__aenter__()
        self._before = _OWN.set(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _OWN.reset(self._before)
        self._is_over = True
        await self._clock.__aexit__(kind, error, traceback)

    def stop(self) -> None:
        """The clock stands until `go_on` was called as often."""
        self._waits += 1
        if self._waits == 1 and not self._is_fixed:
            self._left = (self._clock.when() or 0.0) - asyncio.get_running_loop().time()
            self._clock.reschedule(None)

    def go_on(self) -> None:
        """The clock runs again."""
        self._waits -= 1
        if not self._waits and not self._is_fixed:
            self._clock.reschedule(asyncio.get_running_loop().time() + self._left)

    @property
    def _is_fixed(self) -> bool:
        return self._is_over or self._clock.expired()


_OWN: ContextVar[OwnTime | None] = ContextVar("_OWN", default=None)


@contextmanager
def broker_time() -> Iterator[None]:
    """Around a wait for the broker: no handler's own time passes."""
    own = _OWN.get()
    if own is None:
        yield
        return
    own.stop()
    try:
        yield
    finally:
        own.go_on()
