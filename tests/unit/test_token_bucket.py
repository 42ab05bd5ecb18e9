from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.token_bucket import ASK_AGAIN, NO_PART, TokenBucket, WindowBucket


def use(bucket: WindowBucket, now: float, count: float = 1.0) -> float:
    """One call that takes no time: reserved, made, ended."""
    wait = bucket.take(now, count)
    if wait == 0:
        bucket.give_back(count)
        bucket.spend(now, count)
    return wait


# -- rate and burst ---------------------------------------------------------------------------


def test_a_burst_passes_and_the_next_one_waits_for_a_token() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.take(10.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(10.0) == 0.5
    assert bucket.take(10.5) == 0


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert bucket.take(5.0) == 0
    assert bucket.take(1.0) == 1.0


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 5), max_size=120),
)
def test_no_window_of_any_schedule_gets_more_than_rate_times_time_plus_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    bucket = TokenBucket(rate=rate, burst=burst)
    now, taken = 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now) == 0:
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - begin) + 1e-6


# -- windows ----------------------------------------------------------------------------------


def test_the_whole_limit_passes_at_once_and_comes_back_a_window_later() -> None:
    bucket = WindowBucket(limit=3, window=30)
    assert [use(bucket, 10.0) for _ in range(4)] == [0, 0, 0, 30.0]
    assert use(bucket, 40.0) == 0


def test_a_token_comes_back_one_window_after_its_call_has_ended() -> None:
    bucket = WindowBucket(limit=1, window=30)
    assert bucket.take(0.0) == 0
    assert bucket.take(29.0) == ASK_AGAIN
    bucket.give_back()
    bucket.spend(29.0)
    assert bucket.take(30.0) == 29.0
    assert bucket.take(59.0) == 0


def test_a_call_that_asked_nothing_costs_nothing_and_one_that_asked_twice_costs_two() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert bucket.take(0.0) == 0
    bucket.give_back()
    assert bucket.take(0.0) == 0
    bucket.give_back()
    bucket.spend(0.0)
    bucket.spend(0.0)
    assert bucket.take(1.0) == 29.0


def test_what_the_vendor_says_is_left_counts_for_one_window() -> None:
    bucket = WindowBucket(limit=10, window=30)
    bucket.cap(0.0, 1)
    assert [use(bucket, 0.0), use(bucket, 0.0)] == [0.0, 30.0]
    bucket.cap(30.0, 99)
    assert [use(bucket, 30.0) for _ in range(10)] == [0.0] * 10


def test_of_what_the_vendor_says_is_left_a_worker_has_its_part() -> None:
    bucket = WindowBucket(limit=100, window=30)
    bucket.share(0.25)
    bucket.cap(0.0, 8)
    assert [use(bucket, 0.0) for _ in range(3)] == [0.0, 0.0, 30.0]


@given(
    limit=st.integers(1, 30),
    in_hand=st.integers(1, 30),
    left=st.integers(0, 40),
)
def test_never_more_calls_follow_than_the_vendor_says_are_left(
    limit: int, in_hand: int, left: int
) -> None:
    """The calls in hand besides the one that was answered may not have reached the vendor yet."""
    bucket = WindowBucket(limit=limit, window=30)
    others = sum(bucket.take(0.0) == 0 for _ in range(in_hand)) - 1
    bucket.give_back()
    bucket.spend(1.0)
    bucket.cap(1.0, left)
    more = sum(bucket.take(1.0) == 0 for _ in range(limit + 1))
    assert others + more <= max(others, min(left, limit - 1))


@pytest.mark.parametrize(("part", "passes"), [(1.0, 40), (0.5, 20), (0.26, 10), (0.025, 1)])
def test_a_part_of_a_window_is_so_many_whole_requests(part: float, passes: int) -> None:
    bucket = WindowBucket(limit=40, window=30)
    bucket.share(part)
    assert [use(bucket, 0.0) for _ in range(passes + 1)] == [0.0] * passes + [30.0]


def test_whoever_has_no_part_for_now_asks_again() -> None:
    bucket = WindowBucket(limit=40, window=30)
    bucket.share(0.0)
    assert bucket.take(0.0) == NO_PART
    bucket.share(1.0)
    assert bucket.take(1.0) == 0.0


def test_less_than_one_request_in_a_window_is_one_in_a_longer_window() -> None:
    bucket = WindowBucket(limit=0.4, window=30)
    assert [use(bucket, 0.0), use(bucket, 0.0)] == [0.0, 75.0]


def test_a_count_beyond_the_limit_passes_when_nothing_else_is_in_the_window() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 0.0, 5.0) == 0.0
    assert use(bucket, 1.0) == 29.0


def test_a_window_survives_a_clock_that_steps_back() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 100.0) == 0
    assert use(bucket, 50.0) == 0
    assert use(bucket, 129.0) == 1.0


def test_a_call_of_two_requests_waits_for_the_second_token_to_come_back() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 0.0) == use(bucket, 5.0) == 0.0
    assert bucket.take(10.0, 2.0) == 25.0


CALLS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20), st.integers(0, 3)), max_size=150)
"""(seconds after the one before, seconds that it lasts, requests that it makes)"""


def counted_by_the_vendor(
    bucket: WindowBucket, calls: Sequence[tuple[float, float, int]], arrival: float
) -> list[float]:
    """When the vendor counts each request.

    Each call reserves three requests and makes its own one after the other; the vendor counts each
    somewhere between its beginning and its end.
    """
    now, counted = 0.0, []
    ends: list[tuple[float, int]] = []  # (when, reservations that end), with a request or without
    for gap, lasts, requests in calls:
        now += gap
        for at, is_request in sorted(each for each in ends if each[0] <= now):
            bucket.give_back()
            if is_request:
                bucket.spend(at)
        ends = [each for each in ends if each[0] > now]
        if bucket.take(now, 3) == 0:
            each = lasts / max(1, requests)
            for number in range(requests):
                counted.append(now + (number + arrival) * each)
                ends.append((now + (number + 1) * each, 1))
            ends += [(now + lasts, 0)] * (3 - requests)
    return sorted(counted)


@given(limit=st.integers(3, 60), window=st.floats(0.5, 60), calls=CALLS, arrival=st.floats(0, 1))
def test_no_window_of_any_schedule_exceeds_the_limit_as_the_vendor_counts_it(
    limit: int, window: float, calls: Sequence[tuple[float, float, int]], arrival: float
) -> None:
    counted = counted_by_the_vendor(WindowBucket(limit=limit, window=window), calls, arrival)
    for first, begin in enumerate(counted):
        assert sum(begin <= at < begin + window - 1e-6 for at in counted[first:]) <= limit


@given(burst=st.integers(3, 40), rate=st.floats(0.5, 10), calls=CALLS, arrival=st.floats(0, 1))
def test_a_vendors_leaky_bucket_never_overflows_however_long_the_calls_are_in_hand(
    burst: int, rate: float, calls: Sequence[tuple[float, float, int]], arrival: float
) -> None:
    bucket = WindowBucket(limit=burst, window=burst / rate)
    level, before = 0.0, 0.0
    for at in counted_by_the_vendor(bucket, calls, arrival):
        level, before = max(0.0, level - (at - before) * rate) + 1, at
        assert level <= burst + 1e-6
