"""Does the commit move? A worker that looks alive and does nothing must not stay so.

Stock Faust can stall after a restart without a word (RELIABILITY L17). Whatever the cause, a
partition with records waiting, none in hand and no progress for a minute is one. So is one whose
log has become shorter than what was read of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiokafka.errors import KafkaError

PATIENCE = 60.0
"""Seconds without progress (RELIABILITY R16)."""
DOUBT = PATIENCE / 2
"""Seconds without progress after which a partition is asked once more for what waits there."""
REBALANCE = 180.0
"""Seconds that a rebalance may take: 25 for running work, 60 for the group, 90 for a broker's answer.
Faust gives its recovery up without a word when a seek takes longer, and never ends that rebalance."""
LOOK = 10.0
"""Seconds between two looks."""
LOOK_TIMEOUT = 100.0
"""Seconds that a look may take; aiokafka itself gives a request up after 90."""


class Stalled(Exception):
    """Records wait and nobody works on them; the text names the partition."""


@dataclass(frozen=True)
class Sight:
    """One partition as it is now: the offset it will commit, the end of its log, work in hand."""

    reached: int
    end: int
    is_idle: bool


class Watched(Protocol):
    """What is looked at: the consumer, see `BatchConsumer`."""

    async def look(self) -> Mapping[Any, Sight]: ...  # noqa: D102
    async def ask_again(self, name: Any, /) -> None: ...  # noqa: D102


_Answer = TypeVar("_Answer")


async def answered(call: Awaitable[_Answer], *, timeout: float = LOOK_TIMEOUT) -> _Answer | None:
    """What the consumer answers; None where the broker does not tell: nobody is judged by that.

    Raises:
        Stalled: there was no answer at all, not even that the broker is away.
    """
    try:
        async with asyncio.timeout(timeout) as clock:
            return await call
    except KafkaError:
        return None
    except TimeoutError:
        if clock.expired():
            raise Stalled("the consumer's thread does not answer") from None
        return None


class Watchdog:
    """Remembers since when each partition has had work, none in hand and no progress."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._since: dict[Hashable, tuple[int, float]] = {}
        self._cut: set[Hashable] = set()
        self._rebalancing_since: float | None = None

    def rebalances(self, now: float) -> None:
        """A look at `now` (seconds) in the middle of a rebalance, when there is nothing to see.

        Raises:
            Stalled: it lasts for too long.
        """
        if self._rebalancing_since is None:
            self._rebalancing_since = now
        if now - self._rebalancing_since >= REBALANCE:
            raise Stalled("a rebalance does not end")

    async def look(self, consumer: Watched, *, now: Callable[[], float]) -> None:
        """One look at `now` (monotonic seconds); what is in doubt is asked for once more.

        Raises:
            Stalled: the process must end.
        """
        self._rebalancing_since = None
        sights = await answered(consumer.look()) or {}
        name = self.stalled(sights, now())
        if name is not None:
            raise Stalled(str(name))
        name = self.cut(sights)
        if name is not None:
            raise Stalled(f"{name} ends before what was read of it")
        for doubtful in self.waiting(now(), DOUBT):
            await answered(consumer.ask_again(doubtful))

    def stalled(self, sights: Mapping[Hashable, Sight], now: float) -> Hashable | None:
        """A partition that stands still for too long at `now` (seconds), or None."""
        waiting = {
            name: sight.reached
            for name, sight in sights.items()
            if sight.is_idle and sight.end > sight.reached
        }
        self._since = {
            name: self._since[name] if self._since.get(name, (None,))[0] == reached else (reached, now)
            for name, reached in waiting.items()
        }  # fmt: skip
        return next(iter(self.waiting(now, self._patience)), None)

    def cut(self, sights: Mapping[Hashable, Sight]) -> Hashable | None:
        """A partition whose log has ended before what was read of it at two looks, or None.

        It was made anew or a broker lost its end. The fetcher begins again without a word, and what
        is new would be taken for what is done; the next process begins where the log does. One
        look is none: a new leader may tell less for a moment.
        """
        before, self._cut = self._cut, {n for n, each in sights.items() if each.end < each.reached}
        return next(iter(before & self._cut), None)

    def waiting(self, now: float, seconds: float) -> list[Hashable]:
        """Partitions that stood still at the last look, and for at least `seconds`."""
        return [name for name, (_, since) in self._since.items() if now - since >= seconds]
