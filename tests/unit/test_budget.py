from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.budget import Split, split

parts = st.floats(0, 0.99)


def test_of_fifty_requests_ten_are_for_people_and_six_for_reading() -> None:
    parts = split(50, kept=0.2, reading=0.15)
    assert (parts.people, parts.reading, parts.acting) == pytest.approx((10, 6, 34))


@given(st.integers(1, 10_000), parts, parts)
def test_the_parts_are_the_whole_and_none_is_negative(
    limit: int, kept: float, reading: float
) -> None:
    made: Split = split(limit, kept=kept, reading=reading)
    assert made.people + made.reading + made.acting == pytest.approx(limit)
    assert min(made.people, made.reading, made.acting) >= 0
