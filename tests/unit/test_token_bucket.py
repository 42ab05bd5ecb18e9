from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.token_bucket import TokenBucket


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
    gaps=st.lists(st.floats(0, 5), max_size=200),
)
def test_no_schedule_gets_more_than_rate_times_time_plus_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    bucket = TokenBucket(rate=rate, burst=burst)
    now, taken = 0.0, 0
    bucket_began = now
    for gap in gaps:
        now += gap
        if bucket.take(now) == 0:
            taken += 1
        assert taken <= burst + rate * (now - bucket_began) + 1e-6


def test_the_owner_of_the_limit_knows_better_what_is_left() -> None:
    bucket = TokenBucket(rate=2.0, burst=10.0)
    bucket.cap(100.0, 1)
    assert [bucket.take(100.0), bucket.take(100.0)] == [0.0, 0.5]
    bucket.cap(101.0, 50)
    assert [bucket.take(101.0), bucket.take(101.0), bucket.take(101.0)] == [0.0, 0.0, 0.5]
