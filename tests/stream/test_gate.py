"""The gate: budget, closing, and the vendor's own word for what is left."""

from __future__ import annotations

import asyncio

from agents.gate import Gate
from pipeline.domain.token_bucket import TokenBucket


def waits(*, closed: float = 0.0, remaining: int | None = None, calls: int = 1) -> list[float]:
    """Seconds on a clock that sleep moves, at which each call was let through."""
    clock = [0.0]

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    async def play() -> list[float]:
        gate = Gate("v", TokenBucket(rate=1, burst=3), monotonic=lambda: clock[0])
        if closed:
            gate.close(closed)
        if remaining is not None:
            gate.remaining(remaining)
        through = []
        for _ in range(calls):
            await gate.enter(sleep)
            through.append(clock[0])
        return through

    return asyncio.run(play())


def test_calls_within_the_budget_do_not_wait() -> None:
    assert waits(calls=4) == [0, 0, 0, 1]


def test_a_closed_gate_lets_nobody_through_before_its_time() -> None:
    assert waits(closed=30, calls=2) == [30, 30]


def test_what_the_vendor_says_is_left_beats_our_own_count() -> None:
    assert waits(remaining=1, calls=3) == [0, 1, 2]
    assert waits(remaining=99, calls=4) == [0, 0, 0, 1]
