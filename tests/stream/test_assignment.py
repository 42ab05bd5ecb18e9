from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.attempts import CALM, POISON_AFTER, SUSPECTS, Suspicion
from pipeline.stream.batch import IN_HAND_RECORDS, Assignment, AssignmentEnded
from tests.stream.memory_broker import FakeRecord


def run_of(*offsets: int) -> list[FakeRecord]:
    return [FakeRecord("source", 0, offset, b"k", b"v") for offset in offsets]


def test_records_that_were_handed_out_already_are_left_out() -> None:
    mine = Assignment("source", 0, 1, 0)
    mine.take(run_of(0, 1, 2))
    assert [record.offset for record in mine.take(run_of(1, 2, 3))] == [3]


def test_a_skipped_offset_is_asked_for_again_before_it_is_believed() -> None:
    mine = Assignment("source", 0, 1, 0)
    assert mine.take(run_of(5, 6)) == ()
    assert mine.must_seek
    assert mine.position == 0
    assert [record.offset for record in mine.take(run_of(5, 6))] == [5, 6]
    assert not mine.must_seek


def test_a_run_that_was_lost_on_the_way_is_found_by_the_second_fetch() -> None:
    mine = Assignment("source", 0, 1, 0)
    assert mine.take(run_of(3, 4)) == ()
    assert [record.offset for record in mine.take(run_of(0, 1, 2, 3, 4))] == [0, 1, 2, 3, 4]


def test_nothing_is_taken_before_the_position_is_known() -> None:
    assert Assignment("source", 0, 1, None).take(run_of(7)) == ()


def test_a_sleeper_wakes_when_the_partition_goes_away() -> None:
    async def scenario() -> None:
        mine = Assignment("source", 0, 1, 0)
        sleeper = asyncio.create_task(mine.sleep(3600))
        await asyncio.sleep(0)
        mine.end()
        with pytest.raises(AssignmentEnded):
            await sleeper

    asyncio.run(scenario())


def test_idle_is_reached_only_when_all_running_work_ended() -> None:
    async def scenario() -> None:
        mine = Assignment("source", 0, 1, 0)
        with mine.running():
            idle = asyncio.create_task(mine.wait_idle())
            await asyncio.sleep(0)
            assert not idle.done()
        await idle

    asyncio.run(scenario())


def is_full(mine: Assignment) -> bool:
    return mine.is_full


def test_a_partition_is_full_by_records_not_by_the_number_of_small_fetches() -> None:
    mine = Assignment("source", 0, 1, 0)
    for offset in range(IN_HAND_RECORDS - 1):
        mine.take(run_of(offset))
    assert is_full(mine) is False
    mine.take(run_of(IN_HAND_RECORDS - 1))
    assert is_full(mine) is True
    mine.finish(0)
    assert is_full(mine) is False


def test_one_large_fetch_leaves_room_for_a_second_and_no_third() -> None:
    mine = Assignment("source", 0, 1, 0)
    mine.take(run_of(*range(4000)))
    assert is_full(mine) is False
    mine.take(run_of(*range(4000, 8000)))
    assert is_full(mine) is True
    for offset in range(4000):
        mine.finish(offset)
    assert is_full(mine) is False


def must_note(mine: Assignment) -> bool:
    return mine.must_note


def suspected(deaths: int) -> Assignment:
    mine = Assignment("source", 0, 1, None)
    mine.begin(0, Suspicion(deaths, SUSPECTS), end=SUSPECTS)
    return mine


def test_under_suspicion_few_are_handed_out_and_the_rest_is_asked_for_again() -> None:
    mine = suspected(2)
    assert mine.must_note
    mine.count(run_of(*range(100)))
    assert len(mine.take(run_of(*range(100)))) == 64
    assert is_full(mine)
    assert [record.offset for record in mine.rest] == [*range(64, 100)]
    assert len(mine.take(mine.rest)) == 36
    assert mine.rest == ()
    assert not mine.must_seek


def test_who_was_alone_at_a_death_is_tried_again_only_by_a_process_that_has_lived_for_a_while() -> (
    None
):
    for deaths, waits in ((3, False), (4, True), (5, False)):
        mine = Assignment("source", 0, 1, None)
        mine.begin(0, Suspicion(deaths, SUSPECTS), end=SUSPECTS, now=50.0)
        assert mine.waits_for_calm(50.0 + CALM - 0.1) is waits
        assert not mine.waits_for_calm(50.0 + CALM)


def test_the_last_suspect_stands_alone_and_then_it_is_buried_unread() -> None:
    assert suspected(4).is_suspect
    mine = suspected(5)
    assert mine.is_poisoned
    assert not must_note(mine)
    assert [record.offset for record in mine.take(run_of(0, 1, 2))] == [0]
    mine.absolve()
    # What follows waits until the burial is durable, and is then noted like any first record.
    assert is_full(mine)
    assert mine.note_at(1) == ""
    mine.finish(0)
    assert not is_full(mine)
    assert mine.must_note
    assert mine.count(run_of(1)) == (1, Suspicion(1, 1 + SUSPECTS).note())


def test_what_comes_after_the_last_suspect_waits_until_it_is_durable() -> None:
    """Its note commits the position: that would pass a record that dies a moment later."""
    mine = suspected(4)
    mine.count(run_of(0, 1, 2))
    assert len(mine.take(run_of(0, 1, 2))) == 1
    assert is_full(mine)
    mine.finish(0)
    assert not is_full(mine)
    mine.forget_past()
    assert mine.count(run_of(1)) == (1, Suspicion(1, 1 + SUSPECTS).note())


@given(st.integers(0, POISON_AFTER), st.integers(1, 200), st.randoms(use_true_random=False))
def test_no_commit_passes_a_record_in_hand_whatever_is_suspected(
    deaths: int, suspects: int, chance: random.Random
) -> None:
    """The consumer's own steps, in its order; records end in any order, one after the other."""
    mine = Assignment("source", 0, 1, None)
    mine.begin(0, Suspicion(deaths, suspects if deaths else 0), end=9000)
    open_: set[int] = set()

    def commits(offset: int) -> None:
        assert all(each >= offset for each in open_), (offset, open_)

    for _ in range(100):
        if open_ and chance.random() < 0.5:
            done = chance.choice(sorted(open_))
            open_.discard(done)
            mine.finish(done)
            commits(mine.reached or 0)
        elif not mine.is_full:
            mine.forget_past()
            position = mine.position or 0
            fetched = mine.rest or run_of(*range(position, position + chance.randint(1, 90)))
            if mine.must_note:
                commits(mine.count(fetched)[0])
            is_poison = mine.is_poisoned
            open_ |= {record.offset for record in mine.take(fetched)}
            if is_poison:
                mine.absolve()


def test_past_the_last_suspect_the_next_record_is_noted_anew() -> None:
    mine = suspected(2)
    mine.count(run_of(0))
    mine.position = SUSPECTS
    mine.forget_past()
    assert mine.must_note
    assert mine.count(run_of(SUSPECTS)) == (SUSPECTS, Suspicion(1, 2 * SUSPECTS).note())


def test_a_process_without_a_limit_forgets_deaths_with_any_progress() -> None:
    mine = suspected(1)
    assert mine.count(run_of(0, 1)) == (0, Suspicion(2, SUSPECTS).note())
    mine.take(run_of(0, 1))
    assert mine.note_at(0) == Suspicion(2, SUSPECTS).note()
    mine.finish(0)
    assert mine.note_at(1) == ""
    assert mine.take_attempt_back() == (1, "")


def test_an_attempt_that_is_taken_back_leaves_the_note_as_it_was_found() -> None:
    mine = suspected(2)
    mine.count(run_of(0, 1))
    mine.take(run_of(0, 1))
    assert mine.note_at(0) == Suspicion(3, 2).note()
    assert mine.take_attempt_back() == (0, Suspicion(2, SUSPECTS).note())
    # Work that outlasts the end of the assignment is still committed, and without the attempt.
    mine.finish(0)
    assert mine.note_at(1) == Suspicion(2, SUSPECTS).note()
    assert Assignment("source", 0, 1, 0).take_attempt_back() is None
