from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.query import STEPS, WIDTH
from pipeline.domain.rollup import WIDTHS, Newest, Rolled, cover, left, rolled, unrolled
from pipeline.domain.windows import Window

TENS = st.integers(0, 3000).map(lambda n: n * WIDTH)


@given(TENS, TENS, TENS, st.sampled_from([None, *STEPS]))
def test_a_range_is_covered_once_by_rows_that_lie_in_one_step_and_are_written(
    first: int, length: int, newest: int, step: int | None
) -> None:
    begin = first if step is None else first // step * step
    rows = list(cover(begin, begin + length, newest, step=step))
    at = begin
    for width, row_begin, row_end in rows:
        assert row_begin == at < row_end
        assert (row_begin % width, row_end % width) == (0, 0)
        assert step is None or step % width == 0
        assert width == WIDTH or row_end <= newest // width * width
        at = row_end
    assert at == begin + length


def test_a_week_is_read_in_few_rows() -> None:
    week, now = 7 * 86400, 200 * 86400 + 12340
    for step in (None, 900, 3600, 86400):
        rows = sum((e - b) // width for width, b, e in cover(now - week, now, now, step=step))
        assert rows < 750


def test_windows_are_written_when_time_leaves_them_and_when_something_comes_late() -> None:
    assert left(0, [0, 10, 50]) == []
    assert left(50, [60]) == [(60, 0)]
    assert left(290, [310, 330]) == [(60, 240), (300, 0)]
    assert left(7210, [7220, 20]) == [(60, 0), (300, 0), (900, 0), (3600, 0)]
    assert left(0, [3600]) == [(60, 0), (300, 0), (900, 0), (3600, 0)]
    assert all(wide % narrow == 0 for wide, narrow in itertools.pairwise(WIDTHS))


def test_a_wider_window_is_the_sum_of_its_narrow_ones_by_metric() -> None:
    first, second = Window(start=0), Window(start=10)
    for window in (first, second):
        window.count("received|accepted", 2)
        window.observe("stage_duration_seconds|act", 0.5)
        window.level("queue_depth|act", window.start)
    found = rolled(0, [first, second])
    assert set(found) == {"received", "stage_duration_seconds", "queue_depth"}
    assert found["received"].counts == {"received|accepted": 4}
    assert found["queue_depth"].levels == {"queue_depth|act": 10}
    again = Rolled.parse(found["stage_duration_seconds"].to_bytes())
    (buckets,) = unrolled(again.histograms).values()
    assert dict(buckets.items()) == dict.fromkeys(first.histograms["stage_duration_seconds|act"], 2)
    assert Newest.parse(Newest(start=7).to_bytes()).start == 7
