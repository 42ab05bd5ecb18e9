"""The count of attempts at one record, on a model of a partition with one record that kills."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.attempts import POISON_AFTER, SUSPECTS, Suspicion
from pipeline.stream.batch import Assignment, Record
from tests.stream.memory_broker import FakeRecord


@pytest.mark.parametrize("note", [None, "", "of somebody else", "deaths=x until=1"])
def test_a_foreign_note_says_nothing(note: str | None) -> None:
    assert Suspicion.parse(note) == Suspicion()


@given(st.integers(1, 9), st.integers(0, 10**12))
def test_a_note_is_read_as_it_was_written(deaths: int, until: int) -> None:
    assert Suspicion.parse(Suspicion(deaths, until).note()) == Suspicion(deaths, until)


def test_no_suspicion_leaves_no_note() -> None:
    assert Suspicion().note() == ""


def test_deaths_stay_until_every_suspect_is_past() -> None:
    twice = Suspicion().counted(10, 12).counted(10, 12)
    assert twice.at(11) == twice
    assert twice.at(10 + SUSPECTS) == Suspicion()


def test_what_came_after_a_death_is_not_suspected_of_it() -> None:
    twice = Suspicion(2, 10 + SUSPECTS)
    assert twice.at_start(10, 40) == Suspicion(2, 40)
    assert twice.at_start(10, 10) == Suspicion()
    assert Suspicion(4, 5).at_start(10, 40) == Suspicion()


def test_of_a_limited_hand_out_only_what_was_in_hand_is_suspected_of_the_next_death() -> None:
    thrice = Suspicion(2, 10 + SUSPECTS).counted(500, 564)
    assert thrice == Suspicion(3, 564)
    assert thrice.at_start(500, 9000).at_once == 1
    assert thrice.at(564) == Suspicion()


class Lives:
    """A partition with records at `offsets`, and the lives of a worker on it, in the consumer's steps."""

    def __init__(self, offsets: Sequence[int], fetch: int, culprit: int | None = None) -> None:
        self._offsets, self._fetch, self._culprit = offsets, fetch, culprit
        self.committed, self.note = 0, ""
        self.buried: list[int] = []
        self.sizes: list[int] = []
        """How many records each hand-out of the last life had."""

    @property
    def is_done(self) -> bool:
        return self.committed > self._offsets[-1]

    def live(self, *, hand_outs: int = 10_000, commits: Callable[[], bool] = lambda: True) -> None:
        """One life: until the culprit kills it, or somebody else after so many hand-outs.

        A whole batch is lost with the record that kills, as in `transact`.
        """
        mine = Assignment("source", 0, 1, None)
        end = self._offsets[-1] + 1
        mine.begin(self.committed, Suspicion.parse(self.note), end=end)
        self.sizes = []
        for _ in range(hand_outs):
            fetched = mine.rest or self._behind(mine.position or 0)
            mine.forget_past()
            if mine.must_note:
                self.committed, self.note = mine.count(fetched)
            is_poison = mine.is_poisoned
            taken = [each.offset for each in mine.take(fetched) or mine.take(fetched)]
            if is_poison:
                mine.absolve()
                self.buried += taken
            elif self._culprit in taken and self._culprit not in self.buried:
                return
            self.sizes.append(len(taken))
            for each in taken:
                mine.finish(each)
            if commits() or (mine.reached or 0) > self._offsets[-1]:
                self.committed = mine.reached or 0
                self.note = mine.note_at(self.committed)
            if self.is_done:
                return

    def _behind(self, position: int) -> Sequence[Record]:
        behind = [each for each in self._offsets if each >= position][: self._fetch]
        return [FakeRecord("source", 0, each, b"k", b"v") for each in behind]


@given(st.sets(st.integers(0, 900), min_size=1), st.integers(1, 400), st.data())
def test_the_culprit_alone_is_buried_and_takes_few_lives(
    offsets: set[int], fetch: int, data: st.DataObject
) -> None:
    culprit = data.draw(st.sampled_from(sorted(offsets)))
    lives, deaths = Lives(sorted(offsets), fetch, culprit), -1
    while not lives.is_done:
        lives.live()
        deaths += 1
    assert lives.buried == [culprit]
    # One more where the first, unlimited fetches made progress before they met it.
    assert deaths <= POISON_AFTER + 1


@given(st.integers(0, 300), st.integers(1, 400), st.randoms(use_true_random=False))
def test_the_culprit_alone_is_buried_whenever_commits_come(
    culprit: int, fetch: int, chance: random.Random
) -> None:
    lives = Lives(range(400), fetch, culprit)
    for _ in range(300):
        if not lives.is_done:
            lives.live(commits=lambda: chance.random() < 0.3)
    assert lives.is_done
    assert lives.buried == [culprit]


@given(st.integers(1, 4), st.integers(1, 400))
def test_kills_from_outside_leave_few_records_to_be_tried_alone(kills: int, fetch: int) -> None:
    lives = Lives(range(3000), fetch)
    for _ in range(kills):
        lives.live(hand_outs=2, commits=lambda: False)
    lives.live()
    assert lives.is_done
    assert lives.buried == []
    assert sum(size == 1 for size in lives.sizes) <= (64 + 1 if fetch > 1 else 3000)


def test_a_record_that_was_alone_at_a_death_and_then_passes_is_innocent() -> None:
    alone = Suspicion(3, SUSPECTS).counted(10, 11)
    again = alone.at_start(10, 9000)
    assert (again.at_once, again.is_poison) == (1, False)
    # Tried once more: passing ends the suspicion, dying again does not.
    assert again.counted(10, 11).at(11) == Suspicion()
    assert again.counted(10, 11).is_poison
