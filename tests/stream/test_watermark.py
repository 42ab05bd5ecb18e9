from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.watermark import Watermark


def test_nothing_is_committed_before_the_first_end() -> None:
    mark = Watermark()
    mark.hand_out([0, 1, 2])
    assert mark.position is None
    assert mark.pending == 3


def test_a_late_first_offset_holds_everything_back() -> None:
    mark = Watermark()
    mark.hand_out([0, 1, 2])
    mark.finish(2)
    mark.finish(1)
    assert mark.position is None
    mark.finish(0)
    assert mark.position == 3


def test_holes_that_compaction_left_do_not_stop_it() -> None:
    mark = Watermark()
    mark.hand_out([4, 9, 10])
    mark.finish(4)
    assert mark.position == 5
    mark.finish(9)
    mark.finish(10)
    assert mark.position == 11


def test_an_offset_handed_out_twice_is_refused() -> None:
    mark = Watermark()
    mark.hand_out([5])
    with pytest.raises(ValueError, match="handed out after"):
        mark.hand_out([5])


@given(
    st.sets(st.integers(0, 60), min_size=1).flatmap(
        lambda offsets: st.tuples(
            st.just(sorted(offsets)), st.permutations(sorted(offsets)), st.integers(0, 61)
        )
    )
)
def test_the_position_is_always_the_finished_prefix(
    drawn: tuple[list[int], list[int], int],
) -> None:
    offsets, order, finished_count = drawn
    mark = Watermark()
    mark.hand_out(offsets)
    finished: set[int] = set()
    for offset in order[:finished_count]:
        mark.finish(offset)
        finished.add(offset)
        prefix = []
        for handed_out in offsets:
            if handed_out not in finished:
                break
            prefix.append(handed_out)
        assert mark.position == (prefix[-1] + 1 if prefix else None)
        assert mark.pending == len(offsets) - len(prefix)
