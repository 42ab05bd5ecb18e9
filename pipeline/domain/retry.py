"""When a failed call is tried again, and when no longer.

``Retry-After`` beats the formula and a total deadline bounds both. Jitter is drawn inside the
range of the attempt, the last range included, so waiters stay spread out at the cap too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

BACKOFF_RANGES = ((2.0, 5.0), (10.0, 20.0), (60.0, 120.0), (0.0, 600.0), (0.0, 3600.0))
"""Seconds to wait after the first, second ... failure; the last range repeats. The first three are the
tenant's (DOMAIN section 4); above them the jitter is full, so that whoever failed together does not
meet again."""
RETRY_AFTER_SPREAD = 1.0
"""Seconds of jitter on top of ``Retry-After``: all who were told the same must not come at once."""
RETRY_AFTER_DEFAULT = 30.0
"""Seconds where ``Retry-After`` is missing or unreadable: one budget window of the helpdesk."""
RETRY_AFTER_MAX = 600.0
"""Seconds above which no vendor is believed: one bad header must not stop a gate for a day."""
CLOSED_LEAST = 2.0
"""Seconds that a 429 closes a gate at least, also where it says ``Retry-After: 0``: a closing that is
over before the others have heard of it stops nobody."""


class ErrorKind(StrEnum):
    """What a failed call left behind."""

    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"


class GiveUpReason(StrEnum):
    """Why there is no further try."""

    PERMANENT = "permanent"
    AMBIGUOUS = "ambiguous"
    ATTEMPTS = "attempts"
    DEADLINE = "deadline"


@dataclass(frozen=True)
class RetryAfter:
    """Try again in `seconds`."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Never try again by itself."""

    reason: GiveUpReason


def decide(
    error_kind: ErrorKind,
    *,
    attempt: int,
    elapsed: float,
    deadline: float,
    retry_after: float | None,
    uniform: Callable[[float, float], float],
    repeatable: bool = False,
    max_attempts: int = 10,
) -> RetryAfter | GiveUp:
    """What follows the failure of try number `attempt` (from 1).

    Args:
        error_kind: what the failure left behind.
        attempt: how many tries have failed, this one included, those by 429 left out.
        elapsed: seconds since the first try began.
        deadline: seconds since the first try after which no other may begin.
        retry_after: what the vendor asked for, in seconds.
        uniform: draws from ``[low, high]``.
        repeatable: whether doing it twice is harmless (set to a value); only then is an
            ambiguous failure tried again.
        max_attempts: tries in all.
    """
    if error_kind is ErrorKind.PERMANENT:
        return GiveUp(GiveUpReason.PERMANENT)
    if error_kind is ErrorKind.AMBIGUOUS and not repeatable:
        return GiveUp(GiveUpReason.AMBIGUOUS)
    # A 429 tells of the vendor and nothing of this call: only the deadline ends its tries, or a
    # long storm would bury whoever happened to ask.
    if attempt >= max_attempts and error_kind is not ErrorKind.RATE_LIMITED:
        return GiveUp(GiveUpReason.ATTEMPTS)
    seconds = _delay(attempt, retry_after, uniform)
    if elapsed + seconds >= deadline:
        return GiveUp(GiveUpReason.DEADLINE)
    return RetryAfter(seconds)


def _delay(
    attempt: int, retry_after: float | None, uniform: Callable[[float, float], float]
) -> float:
    if retry_after is not None:
        return retry_after + uniform(0.0, RETRY_AFTER_SPREAD)
    return uniform(*BACKOFF_RANGES[min(attempt, len(BACKOFF_RANGES)) - 1])


def closed_seconds(retry_after: float, refusals: int) -> float:
    """How long a vendor is left alone that has refused `refusals` calls in a row, this included.

    At least what it asks for and `CLOSED_LEAST`; from the third refusal on twice as long each
    time, because one that keeps asking for a second would be asked a thousand times in a storm.
    """
    backoff = min(2.0 ** min(refusals - 1, 20) - 1.0, RETRY_AFTER_MAX)
    return max(retry_after, CLOSED_LEAST, backoff)


def retry_after_seconds(header: str | None, *, now: float) -> float:
    """Seconds that a ``Retry-After`` header asks for: a number or an HTTP date (RFC 9110, 10.2.3).

    Never fails and is always within 0 and `RETRY_AFTER_MAX`; what cannot be read counts as
    `RETRY_AFTER_DEFAULT`. `now` is unix seconds.
    """
    seconds = _seconds(header or "", now)
    if seconds is None:
        return RETRY_AFTER_DEFAULT
    return min(max(seconds, 0.0), RETRY_AFTER_MAX)


def _seconds(header: str, now: float) -> float | None:
    try:
        number = float(header)
    except ValueError:
        return _seconds_until(header, now)
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        # asctime dates name no zone; HTTP means UTC, Python would take this machine's.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
