from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.token_bucket import ASK_AGAIN, Bucket, TokenBucket, WindowBucket


def use(bucket: Bucket, now: float, count: float = 1.0) -> float:
    """One call that takes no time: reserved, made, ended."""
    wait = bucket.take(now, count)
    if wait == 0:
        bucket.spend(now, count)
        bucket.give_back(now, count)
    return wait


# -- rate and burst ---------------------------------------------------------------------------


def test_a_burst_passes_and_the_next_one_waits_for_a_token() -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [use(bucket, 10.0) for _ in range(3)] == [0, 0, 0]
    assert use(bucket, 10.0) == 0.5
    assert use(bucket, 10.5) == 0


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert use(bucket, 5.0) == 0
    assert use(bucket, 1.0) == 1.0


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
        if use(bucket, now) == 0:
            taken.append(now)
    for first, begin in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + rate * (taken[last] - begin) + 1e-6


def test_the_owner_of_the_limit_knows_better_what_is_left() -> None:
    bucket = TokenBucket(rate=2.0, burst=10.0)
    bucket.cap(100.0, 1)
    assert [use(bucket, 100.0), use(bucket, 100.0)] == [0.0, 0.5]
    bucket.cap(101.0, 50)
    assert [use(bucket, 101.0), use(bucket, 101.0), use(bucket, 101.0)] == [0.0, 0.0, 0.5]


def test_a_debt_is_paid_off_by_waiting() -> None:
    bucket = TokenBucket(rate=1.0, burst=2.0)
    bucket.spend(0.0, 5.0)
    assert use(bucket, 0.0) == 4.0


def test_a_count_beyond_the_burst_passes_when_the_bucket_is_full() -> None:
    bucket = TokenBucket(rate=1.0, burst=2.0)
    assert bucket.take(0.0, 10.0) == 0.0
    assert bucket.take(0.0) == 9.0


def test_a_part_has_its_part_of_rate_and_burst() -> None:
    bucket = TokenBucket(rate=2.0, burst=40.0)
    bucket.share(0.0, 0.25)
    assert [use(bucket, 0.0) for _ in range(11)] == [0.0] * 10 + [2.0]
    bucket.share(0.0, 0.01)
    assert use(bucket, 0.0) == 50.0


# -- windows ----------------------------------------------------------------------------------


def test_the_whole_limit_passes_at_once_and_comes_back_a_window_later() -> None:
    bucket = WindowBucket(limit=3, window=30)
    assert [use(bucket, 10.0) for _ in range(4)] == [0, 0, 0, 30.0]
    assert use(bucket, 40.0) == 0


def test_a_token_comes_back_one_window_after_its_call_has_ended() -> None:
    bucket = WindowBucket(limit=1, window=30)
    assert bucket.take(0.0) == 0
    assert bucket.take(29.0) == ASK_AGAIN
    bucket.spend(29.0)
    bucket.give_back(29.0)
    assert bucket.take(30.0) == 29.0
    assert bucket.take(59.0) == 0


def test_a_call_that_asked_nothing_costs_nothing_and_one_that_asked_twice_costs_two() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert bucket.take(0.0) == 0
    bucket.give_back(0.0)
    assert bucket.take(0.0) == 0
    bucket.spend(0.0)
    bucket.spend(0.0)
    bucket.give_back(0.0)
    assert bucket.take(1.0) == 29.0


def test_what_the_vendor_says_is_left_counts_for_one_window() -> None:
    bucket = WindowBucket(limit=10, window=30)
    bucket.cap(0.0, 1)
    assert [use(bucket, 0.0), use(bucket, 0.0)] == [0.0, 30.0]
    bucket.cap(30.0, 99)
    assert [use(bucket, 30.0) for _ in range(10)] == [0.0] * 10


@pytest.mark.parametrize(
    ("part", "passes", "wait"),
    [(1.0, 40, 30.0), (0.5, 20, 30.0), (0.26, 10, 30.0), (0.01, 1, 75.0)],
)
def test_a_part_of_a_window_is_fewer_requests_or_a_longer_window(
    part: float, passes: int, wait: float
) -> None:
    bucket = WindowBucket(limit=40, window=30)
    bucket.share(0.0, part)
    assert [use(bucket, 0.0) for _ in range(passes + 1)] == [0.0] * passes + [wait]


def test_a_count_beyond_the_limit_passes_when_nothing_else_is_in_the_window() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 0.0, 5.0) == 0.0
    assert use(bucket, 1.0) == 29.0


def test_a_clock_that_steps_back_gives_nothing() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 100.0) == 0
    assert use(bucket, 50.0) == 0
    assert use(bucket, 129.0) == 1.0


@given(
    limit=st.integers(1, 60),
    window=st.floats(0.5, 60),
    calls=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20), st.integers(0, 1)), max_size=150),
    arrival=st.floats(0, 1),
)
def test_no_window_of_any_schedule_exceeds_the_limit_as_the_vendor_counts_it(
    limit: int, window: float, calls: Sequence[tuple[float, float, int]], arrival: float
) -> None:
    """Calls begin after a gap, last a while, and the vendor counts each somewhere within it."""
    bucket = WindowBucket(limit=limit, window=window)
    now, counted = 0.0, []
    running: list[tuple[float, int]] = []
    for gap, lasts, requests in calls:
        now += gap
        for ended, made in sorted(each for each in running if each[0] <= now):
            if made:
                bucket.spend(ended)
            bucket.give_back(ended)
        running = [each for each in running if each[0] > now]
        if bucket.take(now) == 0:
            running.append((now + lasts, requests))
            if requests:
                counted.append(now + lasts * arrival)
    counted.sort()
    for first, begin in enumerate(counted):
        assert sum(begin <= at < begin + window - 1e-6 for at in counted[first:]) <= limit


@given(
    parts=st.lists(st.floats(0.01, 1), min_size=1, max_size=8),
    gaps=st.lists(st.floats(0, 1), max_size=200),
)
def test_workers_that_split_a_limit_never_exceed_it_together(
    parts: list[float], gaps: list[float]
) -> None:
    limit, window = 50, 30.0
    whole = sum(parts)
    buckets = [WindowBucket(limit=limit, window=window) for _ in parts]
    for bucket, part in zip(buckets, parts, strict=True):
        bucket.share(0.0, part / whole)
    now, taken = 0.0, []
    for number, gap in enumerate(gaps):
        now += gap
        if use(buckets[number % len(buckets)], now) == 0:
            taken.append(now)
    for first, begin in enumerate(taken):
        assert sum(begin <= at < begin + window for at in taken[first:]) <= limit + len(parts)


def test_a_call_of_two_requests_waits_for_the_second_token_to_come_back() -> None:
    bucket = WindowBucket(limit=2, window=30)
    assert use(bucket, 0.0) == use(bucket, 5.0) == 0.0
    assert bucket.take(10.0, 2.0) == 25.0
