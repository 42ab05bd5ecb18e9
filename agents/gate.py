"""One gate per vendor: its budget, and the time until which it is closed.

Every call passes it, so the first 429 stops all of this process's calls; through the control
topic (`announce`, `follow`) it stops those of every other process too. After a closing, and when
a process starts, one call goes alone: if the vendor refuses that one, it refuses one, not all
that had gathered.

Waiting for budget is no failure and is done in line, however long: parking would only move the
backlog from one topic to another. There is a line for each size of call, because a token that is
too little for the next large one is enough for a small one; what has begun small ends soon, so the
large ones get their turn. Waiting for a closed gate is `Patience.wait`, which parks.

A closing is told as a time of the clock of who was refused. A worker whose clock is ahead by some
seconds opens so much earlier, and is refused once itself at worst, with the call that goes alone;
one whose clock is behind opens so much later. Nobody's clock can open a gate that another time
holds closed.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from agents.patience import Later, Patience
from pipeline import telemetry
from pipeline.domain.retry import closed_seconds
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import Permanent, RateLimited
from pipeline.stream.delivery import DeliveryError

log = logging.getLogger(__name__)

WORTH_TELLING = 1.0
"""Seconds by which a closing must reach beyond what is known: sixteen calls that meet the same
429 are one piece of news."""

Announce = Callable[[float, str], Awaitable[None]]
"""Tells every process: closed until (unix seconds), reason."""


@dataclass
class _Turn:
    """A call in hand; `reserved` is how many requests it may still make within the budget."""

    reserved: int


async def _nobody(until: float, reason: str) -> None:
    """Where there is nobody else to tell."""


class Gate:
    """One vendor's gate as one process sees it; also the `pipeline.ports.Meter` of its client.

    Args:
        vendor: its name in metrics and on the control topic.
        bucket: the budget of all processes together, less what is kept back.
        monotonic: seconds, for everything that is waited for.
        now: unix seconds, for what is told to others.
        part: this process's part of the budget, asked before each call; 0 = nothing for now,
            None = not known now.
        announce: tells the others of a closing.
        starts_alone: whether the first call goes alone: a process does not know what its
            predecessor spent.
    """

    def __init__(
        self,
        vendor: str,
        bucket: WindowBucket,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        part: Callable[[], float | None] = lambda: 1.0,
        announce: Announce = _nobody,
        starts_alone: bool = True,
    ) -> None:
        self.vendor = vendor
        self._bucket = bucket
        self._monotonic = monotonic
        self._now = now
        self.part = part
        self._share: float | None = 1.0
        self._announce = announce
        self._turn: ContextVar[_Turn | None] = ContextVar("turn", default=None)
        self._closed_until = 0.0
        self._refusals = 0
        self._alone = starts_alone
        self._lines: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._nobody_alone = asyncio.Event()
        self._nobody_alone.set()
        self.waiting = 0

    # -- closing ------------------------------------------------------------------------------

    @property
    def closed_for(self) -> float:
        """Seconds until calls may be made again; 0 = open."""
        return max(0.0, self._closed_until - self._monotonic())

    def close(self, seconds: float) -> bool:
        """Closes for `seconds` from now, never shorter than it already is; whether that is news."""
        more = seconds - self.closed_for
        if more <= 0:
            return False
        if math.isfinite(more):
            telemetry.GATE_CLOSED.labels(self.vendor).inc(more)
        telemetry.GATE_CLOSED_UNTIL.labels(self.vendor).set(self._now() + seconds)
        self._closed_until = self._monotonic() + seconds
        self._alone = True
        return more > WORTH_TELLING

    def follow(self, closed_until: float) -> None:
        """Takes what another process or an operator says: closed until then (unix seconds).

        Zero is an operator's word to open now. Any other time that has passed says nothing: it is
        a short closing that was heard late, or one by a clock that differs from this process's.
        """
        if closed_until:
            self.close(closed_until - self._now())
        else:
            self._closed_until = 0.0
            telemetry.GATE_CLOSED_UNTIL.labels(self.vendor).set(0)

    # -- the client's word --------------------------------------------------------------------

    def spent(self) -> None:
        """A request was made; one that was reserved is so no longer, or it would count twice."""
        turn = self._turn.get()
        if turn is not None and turn.reserved:
            turn.reserved -= 1
            self._bucket.give_back()
        self._bucket.spend(self._monotonic())

    def remaining(self, count: int) -> None:
        """Takes the vendor's word for what its window still allows: others may share the key."""
        self._bucket.cap(self._monotonic(), count)

    # -- calls --------------------------------------------------------------------------------

    @asynccontextmanager
    async def turn(
        self, patience: Patience, *, requests: int = 1, within: float | None = None
    ) -> AsyncIterator[None]:
        """Around one call: waits for its turn, counts it, and closes when the vendor says so.

        `requests` is how many it will make; one that makes more overdraws the budget by them,
        into the part that is kept back, and the next ones wait until that is made good.

        Raises:
            Later: the gate is closed for longer than `patience` waits in line, or the turn has
                not come `within` seconds (None = however long it takes).
        """
        try:
            async with asyncio.timeout(within):
                is_alone = await self._enter(patience, requests)
        except TimeoutError:
            raise Later(within or 0.0, "over_budget") from None
        turn = _Turn(requests)
        outer = self._turn.set(turn)
        try:
            yield
        except RateLimited as error:
            await self._refused(error)
            raise
        except Permanent:
            self._answered(is_alone)
            raise
        else:
            self._answered(is_alone)
        finally:
            self._turn.reset(outer)
            self._bucket.give_back(turn.reserved)
            if is_alone:
                self._nobody_alone.set()

    async def _refused(self, error: RateLimited) -> None:
        # Those that were on the wire together are refused together, which is one refusal.
        self._refusals += not self.closed_for
        seconds = closed_seconds(error.retry_after, self._refusals)
        if self.close(seconds):
            await self._tell(self._now() + seconds, error.code)

    async def _tell(self, until: float, reason: str) -> None:
        try:
            await self._announce(until, reason)
        except DeliveryError as error:
            # The others will meet a 429 of their own; this process keeps to what it was told.
            log.warning("a closing was not told", extra={"fields": {"code": error.code}})

    async def _enter(self, patience: Patience, requests: int) -> bool:
        """Returns with the call's tokens reserved, and whether it goes alone."""
        self.waiting += 1
        telemetry.GATE_WAITING.labels(self.vendor).set(self.waiting)
        try:
            async with self._lines[requests]:
                await self._admitted(patience, requests)
        finally:
            self.waiting -= 1
            telemetry.GATE_WAITING.labels(self.vendor).set(self.waiting)
        if self._alone:
            self._nobody_alone.clear()
        return self._alone

    async def _admitted(self, patience: Patience, requests: int) -> None:
        while True:
            if (closed := self.closed_for) > 0:
                await patience.wait(closed, "gate_closed")
                continue
            if not self._nobody_alone.is_set():
                await self._nobody_alone.wait()
                continue
            part = self.part()
            if part is not None and part != self._share:
                self._share = part
                self._bucket.share(part)
            if (seconds := self._bucket.take(self._monotonic(), requests)) <= 0:
                return
            await patience.sleep(seconds)

    def _answered(self, was_alone: bool) -> None:  # noqa: FBT001 - private
        # A call that began before the closing says nothing about the vendor after it.
        if was_alone and not self.closed_for:
            self._alone, self._refusals = False, 0
