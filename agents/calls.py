"""Vendor calls with the gate and the retry rule around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.gate import Gate
from agents.patience import Later, Patience
from pipeline.domain.retry import ErrorKind, GiveUp, RetryAfter, decide
from pipeline.ports import Ambiguous, Permanent, RateLimited, VendorError

T = TypeVar("T")


class GivenUp(Exception):
    """A call will not be tried again; `code` is the vendor's last answer."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def kind_of(error: VendorError) -> ErrorKind:
    """The retry rule's word for a vendor's failure."""
    match error:
        case RateLimited():
            return ErrorKind.RATE_LIMITED
        case Permanent():
            return ErrorKind.PERMANENT
        case Ambiguous():
            return ErrorKind.AMBIGUOUS
        case _:
            return ErrorKind.TRANSIENT


class Calls:
    """Calls to one vendor that are safe to repeat.

    `deadline` is in seconds since the plan first failed or had to be put aside; `now` gives unix
    seconds by a clock that all who may have the plan in hand share.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        deadline: float,
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self.gate = gate
        self._deadline = deadline
        self._now = now
        self._uniform = uniform

    async def repeatable(
        self,
        call: Callable[[], Awaitable[T]],
        patience: Patience,
        *,
        requests: int = 1,
        within: float | None = None,
    ) -> T:
        """The result of `call`, which may run more than once and makes so many requests each time.

        Raises:
            GivenUp: a permanent answer, or the deadline or number of tries is reached.
            Later: the next try is too far away to wait for it in line, or the turn has not come
                `within` seconds.
        """
        while True:
            try:
                async with self.gate.turn(patience, requests=requests, within=within):
                    return await call()
            except VendorError as error:
                await self.failed(error, patience)

    async def once(
        self, call: Callable[[], Awaitable[T]], patience: Patience, *, within: float | None = None
    ) -> T:
        """The result of `call`, which is tried once.

        Raises:
            VendorError: it failed.
            Later: the gate is closed for longer than one waits in line, or the turn has not come
                `within` seconds.
        """
        async with self.gate.turn(patience, within=within):
            return await call()

    def in_time(self, later: Later, patience: Patience) -> Later | None:
        """`later` cut to what is left of the total deadline; None when that is reached.

        Counts from now where nothing has failed yet: a gate that stays closed must not let a plan
        wait for ever. Nor may one that is closed for long end all plans at once: it may be opened
        long before.
        """
        now = self._now()
        patience.since = now if patience.since is None else patience.since
        left = patience.since + self._deadline - now
        return Later(min(later.seconds, left), later.code) if left > 0 else None

    async def failed(self, error: VendorError, patience: Patience) -> None:
        """Notes a failure and returns when the next try may be made.

        Raises:
            GivenUp: there is no next try.
            Later: it is too far away to wait for it in line.
        """
        now = self._now()
        patience.failures += not isinstance(error, RateLimited)
        patience.since = now if patience.since is None else patience.since
        match decide(
            kind_of(error),
            attempt=max(1, patience.failures),
            elapsed=now - patience.since,
            deadline=self._deadline,
            retry_after=error.retry_after if isinstance(error, RateLimited) else None,
            uniform=self._uniform,
            repeatable=True,
        ):
            case RetryAfter(seconds=seconds):
                await patience.wait(seconds, error.code)
            case GiveUp():
                raise GivenUp(error.code) from error
