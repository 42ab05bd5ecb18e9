from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.parking import (
    BEHIND,
    BEHIND_LEAST,
    SPREAD,
    SPREAD_LEAST,
    TIERS,
    Again,
    Behind,
    Over,
    Queue,
    Stale,
    Turn,
    Waiting,
    admit,
    due_after,
    is_limited,
    left,
    overtaking,
    parked,
    tier_for,
)

NOW = 1_000.0
EMPTY = Queue()
A, B, C = 1, 2, 3


def queue(*pieces: int, lap: int = 1, due: float = NOW + 30) -> Queue:
    return Queue(waiting=tuple(Waiting(piece=piece, lap=lap, due=due) for piece in pieces))


def test_a_piece_of_a_ticket_without_parked_work_has_its_turn() -> None:
    assert admit(EMPTY, A, None, now=NOW) == Turn()


def test_later_work_of_a_ticket_with_parked_work_waits_behind_it() -> None:
    assert admit(queue(A), B, None, now=NOW) == Behind(NOW + 30 + BEHIND, 1)


def test_the_head_has_its_turn_when_it_comes_back() -> None:
    assert admit(queue(A, B), A, 1, now=NOW) == Turn(1)


def test_a_follower_that_comes_back_before_its_head_waits_once_more() -> None:
    assert admit(queue(A, B), B, 1, now=NOW) == Behind(NOW + 30 + BEHIND, 2)


def test_a_follower_stays_away_while_its_head_is_due_and_waits_for_budget() -> None:
    late = queue(A, B, due=NOW - 100)
    assert admit(late, B, 1, now=NOW) == Behind(NOW + BEHIND_LEAST, 2)


@pytest.mark.parametrize(("wait", "is_over"), [(899.0, False), (900.0, True)])
@pytest.mark.parametrize("late", [0.0, 9_000.0])
def test_a_follower_may_be_made_to_wait_behind_others_until_its_total_deadline(
    wait: float, is_over: bool, late: float
) -> None:
    """A stage that stood still finds late what was back in time, with its head close behind it."""
    row = queue(A, B, due=NOW)
    met = admit(row, B, 1, now=NOW + late, since=NOW - wait, deadline=900.0)
    assert (met == Over("behind")) is is_over
    assert is_over or isinstance(met, Behind)


def test_the_total_deadline_of_waiting_does_not_end_a_piece_whose_turn_it_is() -> None:
    assert admit(queue(A, B), A, 1, now=NOW, since=0.0, deadline=900.0) == Turn(1)


def overdue(lap: int, due: float = NOW) -> Queue:
    """A piece that was due at 100, and one behind it."""
    first, second = Waiting(piece=A, lap=1, due=100.0), Waiting(piece=B, lap=lap, due=due)
    return Queue(waiting=(first, second))


def test_what_should_have_been_back_long_ago_holds_up_nobody_that_came_later() -> None:
    row = overtaking(overdue(2), B, 2, deadline=900.0)
    assert [each.is_overtaken for each in row.waiting] == [True, False]
    assert admit(row, B, 2, now=NOW) == Turn(2)
    assert admit(row, A, 1, now=NOW) == Over("overtaken")
    row = left(row, B)
    assert overtaking(row, C, None, deadline=900.0) == row
    assert admit(row, C, None, now=NOW) == Turn()
    assert admit(row, 0, None, now=NOW) == Stale()


@pytest.mark.parametrize(
    ("row", "piece", "lap"),
    [
        (overdue(2, due=NOW - 1), B, 2),  # not so much later
        (overdue(1), B, 1),  # put aside once, perhaps while nothing was brought back
        (overdue(3), B, 2),  # a copy
        (overdue(2), B, None),  # the same again after a crash
        (overdue(2), C, None),  # it may have lain there for long
        (overdue(2), A, 1),
    ],
)
def test_nothing_counts_as_overtaken_before_a_later_piece_proves_it(
    row: Queue, piece: int, lap: int | None
) -> None:
    assert overtaking(row, piece, lap, deadline=900.0) == row


def test_a_record_that_comes_again_after_a_crash_is_parked_just_as_before() -> None:
    assert admit(queue(A, lap=3), A, None, now=NOW) == Again(NOW + 30, 3)


def test_what_ended_before_the_parked_work_is_not_run_after_it() -> None:
    assert admit(queue(B), A, None, now=NOW) == Stale()


@pytest.mark.parametrize(("row", "lap"), [(EMPTY, 1), (queue(B), 1), (queue(A, lap=2), 1)])
def test_a_copy_of_work_that_went_on_is_stale(row: Queue, lap: int) -> None:
    assert admit(row, A, lap, now=NOW) == Stale()


def test_parking_again_keeps_the_place_and_parking_first_takes_the_last() -> None:
    again = parked(queue(A, B), Waiting(piece=A, lap=2, due=NOW))
    assert [(each.piece, each.lap) for each in again.waiting] == [(A, 2), (B, 1)]
    more = parked(again, Waiting(piece=C, lap=1, due=NOW))
    assert [each.piece for each in more.waiting] == [A, B, C]


def test_a_limit_that_held_up_a_piece_held_up_all_behind_it() -> None:
    second = Waiting(piece=B, lap=1, due=NOW, is_limited=True)
    row = Queue(waiting=(*queue(A).waiting, second))
    assert [is_limited(row, piece) for piece in (A, B, C)] == [False, True, True]


def test_a_limit_that_held_up_what_is_overtaken_holds_up_nobody() -> None:
    lost = Waiting(piece=A, lap=1, due=NOW, is_limited=True, is_overtaken=True)
    row = Queue(waiting=(lost, *queue(B).waiting))
    assert not is_limited(row, B)
    assert not is_limited(row, C)


def test_who_has_ended_leaves_and_the_next_one_is_the_head() -> None:
    assert left(queue(A, B), A) == queue(B)
    assert left(EMPTY, A) == EMPTY


@given(st.floats(0, 100_000))
def test_no_wait_is_longer_than_its_tier_but_in_the_last(seconds: float) -> None:
    longest = dict(TIERS)[tier_for(seconds)]
    assert seconds <= longest or tier_for(seconds) == TIERS[-1][0]
    assert not any(seconds <= shorter < longest for _, shorter in TIERS)


@given(st.floats(0, 100_000), st.floats(0, 1))
def test_jitter_never_shortens_a_wait_and_survives_the_cap(seconds: float, draw: float) -> None:
    longest = TIERS[-1][1]
    due = due_after(NOW, seconds, uniform=lambda low, high: low + draw * (high - low))
    if seconds > longest:
        assert due == pytest.approx(NOW + longest * (0.5 + draw / 2))
    else:
        spread = max(SPREAD_LEAST, SPREAD * seconds)
        assert due == pytest.approx(NOW + seconds + draw * spread)
        assert due >= NOW + seconds


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 30), st.integers(0, 30))
def test_a_tickets_pieces_end_in_order_whatever_crashes_and_whatever_comes_twice(
    seed: int, pieces: int, crashes: int, copies: int
) -> None:
    """A log with a commit that lags behind, and the row as the only other memory.

    What was parked comes back in any order, as pieces of several tiers with jitter do.

    A crash goes back to the commit, also one between a step and its row; a copy is what a killed
    scheduler produces a second time.
    Whatever runs again runs with all that came after it: no piece ends after a later one did
    unless the later one ends once more behind it.
    """
    rng = random.Random(seed)
    row, ended = EMPTY, []
    log: list[tuple[int, int | None]] = [(number, None) for number in range(pieces)]
    position = committed = 0
    while position < len(log):
        piece, lap = log[position]
        before = row
        match admit(row, piece, lap, now=NOW):
            case Turn(lap=laps) if laps < 5 and rng.random() < 0.5:
                row = parked(row, Waiting(piece=piece, lap=laps + 1, due=NOW))
                log.insert(rng.randint(position + 1, len(log)), (piece, laps + 1))
            case Turn():
                ended.append(piece)
                row = left(row, piece)
            case Behind(lap=new) | Again(lap=new):
                row = parked(row, Waiting(piece=piece, lap=new, due=NOW))
                log.insert(rng.randint(position + 1, len(log)), (piece, new))
            case Stale():
                pass
        if crashes and rng.random() < 0.2:
            crashes -= 1
            row, position = before, committed
            continue
        position += 1
        if copies and rng.random() < 0.3:
            copies -= 1
            back = [each for each in log if each[1] is not None]
            log += rng.sample(back, min(1, len(back)))
        if rng.random() < 0.3:
            committed = rng.randint(committed, position)
        if crashes and rng.random() < 0.3:
            crashes -= 1
            position = committed
    assert row == EMPTY
    assert set(ended) == set(range(pieces))
    last = {piece: number for number, piece in enumerate(ended)}
    assert sorted(last, key=last.__getitem__) == list(range(pieces))
