"""Vendor calls with the gate and the retry rule around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.gate import Gate, Sleep
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
    """Calls to one vendor that are safe to repeat, tried until a total deadline in seconds."""

    def __init__(
        self,
        gate: Gate,
        *,
        deadline: float,
        monotonic: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self.gate = gate
        self._deadline = deadline
        self._monotonic = monotonic
        self._uniform = uniform

    async def repeatable(self, call: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
        """The result of `call`, which may run more than once.

        Raises:
            GivenUp: a permanent answer, or the deadline or number of tries is reached.
        """
        started, attempt = self._monotonic(), 0
        while True:
            attempt += 1
            await self.gate.enter(sleep)
            try:
                return await call()
            except VendorError as error:
                await sleep(self.wait_after(error, attempt, started))

    def wait_after(self, error: VendorError, attempt: int, started: float) -> float:
        """Seconds until the next try; closes the gate where the vendor asked for it.

        Raises:
            GivenUp: there is no next try.
        """
        retry_after = error.retry_after if isinstance(error, RateLimited) else None
        if retry_after is not None:
            self.gate.close(retry_after)
        match decide(
            kind_of(error),
            attempt=attempt,
            elapsed=self._monotonic() - started,
            deadline=self._deadline,
            retry_after=retry_after,
            uniform=self._uniform,
            repeatable=True,
        ):
            case RetryAfter(seconds=seconds):
                return seconds
            case GiveUp():
                raise GivenUp(error.code) from error
