from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.concurrency import AdaptiveLimit


def test_it_halves_when_the_vendor_pushes_back_and_grows_by_one_a_round() -> None:
    limit = AdaptiveLimit(most=16)
    limit.pushed_back(10.0)
    assert limit.limit == 8
    for _ in range(9):
        limit.answered()
    assert limit.limit == 9


def test_the_answers_to_one_burst_count_as_one_trouble() -> None:
    limit = AdaptiveLimit(most=16, calm=1.0)
    for at in (10.0, 10.1, 10.9):
        limit.pushed_back(at)
    assert limit.limit == 8
    limit.pushed_back(11.0)
    assert limit.limit == 4


@given(st.integers(1, 64), st.lists(st.booleans(), max_size=300))
def test_it_stays_within_its_bounds(most: int, answers: list[bool]) -> None:
    limit = AdaptiveLimit(most=most, calm=0.0)
    for at, good in enumerate(answers):
        limit.answered() if good else limit.pushed_back(float(at))
        assert 1 <= limit.limit <= most
