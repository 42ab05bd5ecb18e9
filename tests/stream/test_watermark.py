from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.stream.attempts import Suspicion
from pipeline.stream.batch import Assignment, Batch
from pipeline.stream.watermark import Watermark
from tests.stream.memory_broker import FakeRecord


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


class Owner:
    """One generation: what it was handed, in order, and what of it is finished."""

    def __init__(self, generation: int, position: int) -> None:
        self.assignment = Assignment("source", 0, generation, None)
        self.assignment.begin(position, Suspicion(), end=position)
        self.start = position
        self.handed: list[int] = []
        self.finished: set[int] = set()

    def prefix(self) -> list[int]:
        return list(takewhile(self.finished.__contains__, self.handed))


class Partition(RuleBasedStateMachine):
    """A partition with holes whose owner changes; a former owner may still finish what it began."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[int] = []
        self.end = 0
        self.committed = 0
        self.durable: set[int] = set()
        self.generation = 0
        self.former: Owner | None = None
        self.owner = Owner(0, 0)

    @rule(count=st.integers(1, 6), hole=st.integers(0, 3))
    def append(self, count: int, hole: int) -> None:
        """A hole is what compaction or the marker of a transaction leaves."""
        self.log += range(self.end + hole, self.end + hole + count)
        self.end += hole + count

    @rule(count=st.integers(1, 6), dropped=st.integers(0, 2))
    def fetch(self, count: int, dropped: int) -> None:
        """The first `dropped` records are lost between the fetch and the handler."""
        mine = self.owner.assignment
        waiting = [offset for offset in self.log if offset >= (mine.position or 0)]
        taken = mine.take(records(waiting[dropped : dropped + count]))
        while mine.must_seek:
            taken = mine.take(records(waiting[:count]))
        self.owner.handed += [record.offset for record in taken]

    @precondition(lambda self: self.owner.handed)
    @rule(data=st.data())
    def finish_one(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.owner.handed))
        self.owner.assignment.finish(offset)
        self.ended(self.owner, {offset})

    @precondition(lambda self: self.owner.handed)
    @rule(data=st.data())
    def finish_a_batch(self, data: st.DataObject) -> None:
        """Any part of what is in hand, in any order, some of it for the second time."""
        run = data.draw(st.lists(st.sampled_from(self.owner.handed), unique=True))
        Batch(records(run), self.owner.assignment).finish()
        self.ended(self.owner, set(run))

    @precondition(lambda self: self.former is not None and self.former.handed)
    @rule(data=st.data())
    def finish_late(self, data: st.DataObject) -> None:
        assert self.former is not None
        offset = data.draw(st.sampled_from(self.former.handed))
        self.former.assignment.finish(offset)
        self.ended(self.former, {offset})

    def ended(self, owner: Owner, offsets: set[int]) -> None:
        owner.finished |= offsets
        self.durable |= offsets

    @rule()
    def commit(self) -> None:
        position = self.owner.assignment.watermark.position
        self.committed = self.committed if position is None else position

    @rule(is_orderly=st.booleans())
    def rebalance(self, is_orderly: bool) -> None:
        """With a last commit, or without one as after kill -9."""
        self.owner.assignment.end()
        if is_orderly:
            self.commit()
        self.generation += 1
        self.former, self.owner = self.owner, Owner(self.generation, self.committed)

    @invariant()
    def no_commit_passes_what_is_not_durable(self) -> None:
        assert {offset for offset in self.log if offset < self.committed} <= self.durable

    @invariant()
    def the_watermark_is_the_end_of_the_finished_prefix(self) -> None:
        prefix, mark = self.owner.prefix(), self.owner.assignment.watermark
        assert mark.position == (prefix[-1] + 1 if prefix else None)
        assert mark.pending == len(self.owner.handed) - len(prefix)

    @invariant()
    def nothing_is_left_out_or_handed_out_twice_by_one_owner(self) -> None:
        handed = self.owner.handed
        start = [offset for offset in self.log if offset >= self.owner.start]
        assert handed == start[: len(handed)]

    def teardown(self) -> None:
        """Whoever owns it last comes to the end of the log."""
        self.fetch(len(self.log) + 1, 0)
        Batch(records(self.owner.handed), self.owner.assignment).finish()
        self.ended(self.owner, set(self.owner.handed))
        self.commit()
        self.no_commit_passes_what_is_not_durable()
        assert self.committed == (self.log[-1] + 1 if self.log else 0)


def records(offsets: list[int]) -> list[FakeRecord]:
    return [FakeRecord("source", 0, offset, b"k", b"v") for offset in offsets]


Partition.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestWhatIsCommittedIsDurableWhoeverOwnsThePartition = Partition.TestCase
