"""The count of attempts at one record, on a model of a partition with one record that kills."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.stream.attempts import POISON_AFTER, SUSPECTS, Suspicion


@pytest.mark.parametrize("note", [None, "", "of somebody else", "deaths=x until=1"])
def test_a_foreign_note_says_nothing(note: str | None) -> None:
    assert Suspicion.parse(note) == Suspicion()


@given(st.integers(1, 9), st.integers(0, 10**12))
def test_a_note_is_read_as_it_was_written(deaths: int, until: int) -> None:
    assert Suspicion.parse(Suspicion(deaths, until).note()) == Suspicion(deaths, until)


def test_no_suspicion_leaves_no_note() -> None:
    assert Suspicion().note() == ""


def test_the_first_two_deaths_are_forgotten_with_any_progress() -> None:
    once = Suspicion().counted(10)
    assert once.at(11) == Suspicion()


def test_later_deaths_stay_until_every_suspect_is_past() -> None:
    twice = Suspicion().counted(10).counted(10)
    assert twice.at(11) == twice
    assert twice.at(10 + SUSPECTS) == Suspicion()


def deaths_until_buried(culprit: int, batch: int, length: int) -> tuple[int, list[int]]:
    """Runs a partition in which handling `culprit` kills; (deaths, offsets buried).

    A whole batch is lost with the record that kills, as in `transact`.
    """
    committed, note, deaths, buried = 0, Suspicion(), 0, []
    while committed < length:
        position = committed
        found = note.at_start(position)
        if found.is_poison:
            buried.append(position)
            committed, note = position + 1, Suspicion()
            continue
        note = found.counted(position)  # made durable before the records are handed out
        while position < length:
            end = min(length, position + min(found.at_once or batch, batch))
            if position <= culprit < end and culprit not in buried:
                deaths += 1
                break
            position = committed = end
            note = note.at(position)
            if note == Suspicion():  # past every suspect: what follows is noted anew
                found, note = note, note.counted(position)
        assert deaths < 100
    return deaths, buried


@given(st.integers(0, 300), st.integers(1, 400))
def test_the_culprit_alone_is_buried_and_takes_few_lives(culprit: int, batch: int) -> None:
    deaths, buried = deaths_until_buried(culprit, batch, 400)
    assert buried == [culprit]
    # One or two more where the first, unlimited fetches made progress before they met it.
    assert deaths <= POISON_AFTER + 1


def test_a_record_that_was_alone_at_a_death_and_then_passes_is_innocent() -> None:
    alone = Suspicion(3, SUSPECTS).counted(10)
    again = alone.at_start(10)
    assert (again.at_once, again.is_poison) == (1, False)
    # Tried once more: passing ends the suspicion, dying again does not.
    assert again.counted(10).at(11) == Suspicion()
    assert again.counted(10).is_poison
