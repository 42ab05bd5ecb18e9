from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.budget import SKEW, Sharing, Split, split
from pipeline.domain.token_bucket import WindowBucket

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


# -- workers that split a limit ---------------------------------------------------------------

WINDOW, LONGEST = 30.0, 15.0


def sharing(limit: float, turn: int, partitions: int) -> Sharing:
    return Sharing(limit, turn, partitions, guard=WINDOW + LONGEST)


def held(workers: int, partitions: int) -> list[range]:
    """The partitions of each worker, as the group hands them out."""
    return [range(first, partitions, workers) for first in range(min(workers, partitions))]


def over_time(rule: Sharing, own: range, seconds: int = 3600) -> list[float]:
    return [rule.part(own, float(at)) for at in range(0, seconds, 5)]


@pytest.mark.parametrize(
    ("workers", "partitions"), [(1, 1), (1, 4), (2, 4), (3, 4), (4, 4), (2, 12), (11, 33)]
)
def test_a_workers_part_is_its_part_of_the_partitions(workers: int, partitions: int) -> None:
    rule = sharing(34, 3, partitions)
    for own in held(workers, partitions):
        assert set(over_time(rule, own)) == {len(own) / partitions}


@pytest.mark.parametrize(("workers", "partitions"), [(12, 12), (7, 12), (20, 48), (100, 100)])
def test_where_a_part_is_less_than_a_turn_everybody_still_gets_turns(
    workers: int, partitions: int
) -> None:
    rule = sharing(34, 3, partitions)
    for own in held(workers, partitions):
        assert max(over_time(rule, own)) * 34 >= 3


@pytest.mark.parametrize("limit", [1.0, 2.0])
def test_a_limit_of_less_than_one_turn_is_one_workers_at_a_time(limit: float) -> None:
    rule = sharing(limit, 3, 4)
    for at in range(0, 1000, 5):
        assert [rule.part(own, float(at)) for own in held(4, 4)].count(1.0) <= 1


@dataclass(frozen=True)
class Group:
    """Workers that share a limit, and by how much the clock of each is off."""

    limit: int
    turn: int
    partitions: int
    workers: int
    skews: tuple[float, ...]


GROUPS = st.builds(
    Group,
    limit=st.integers(3, 60),
    turn=st.integers(1, 3),
    partitions=st.integers(1, 60),
    workers=st.integers(1, 60),
    skews=st.tuples(*[st.floats(-SKEW / 2, SKEW / 2)] * 60),
)
CALLS = st.lists(
    st.tuples(st.integers(0, 59), st.floats(0, 5), st.floats(0, LONGEST)), max_size=300
)
"""(whose, seconds after the one before, seconds that it lasts)"""


@given(group=GROUPS, calls=CALLS, arrival=st.floats(0, 1))
def test_however_many_workers_split_a_limit_they_never_exceed_it_together(
    group: Group, calls: list[tuple[int, float, float]], arrival: float
) -> None:
    """Each call makes all requests that it reserves; the vendor counts them while it lasts."""
    rule = sharing(group.limit, group.turn, group.partitions)
    own = held(group.workers, group.partitions)
    buckets = [WindowBucket(limit=group.limit, window=WINDOW) for _ in own]
    now, counted = 0.0, []
    ends: list[tuple[float, int]] = []
    for number, gap, lasts in calls:
        now += gap
        for at, who in sorted(each for each in ends if each[0] <= now):
            buckets[who].give_back(group.turn)
            buckets[who].spend(at, group.turn)
        ends = [each for each in ends if each[0] > now]
        worker = number % len(own)
        buckets[worker].share(rule.part(own[worker], 1e9 + now + group.skews[worker]))
        if buckets[worker].take(now, group.turn) == 0:
            counted.append(now + arrival * lasts)
            ends.append((now + lasts, worker))
    counted.sort()
    for first, begin in enumerate(counted):
        together = sum(begin <= at < begin + WINDOW - 1e-6 for at in counted[first:])
        assert together * group.turn <= group.limit


@pytest.mark.parametrize("longest", [0, int(LONGEST)])
@pytest.mark.parametrize(
    ("limit", "turn", "partitions", "workers"),
    [
        (34, 3, 12, 12),
        (34, 3, 50, 12),
        (34, 3, 48, 20),
        (6, 1, 12, 7),
        (2, 3, 4, 4),
        (30, 3, 31, 8),
    ],
)
def test_workers_that_take_all_that_they_can_at_all_times_do_not_exceed_it_either(
    limit: int, turn: int, partitions: int, workers: int, longest: int
) -> None:
    """Every other worker's clock is off one way, every other call is counted as late as can be."""
    rule = sharing(limit, turn, partitions)
    own = held(workers, partitions)
    buckets = [WindowBucket(limit=limit, window=WINDOW) for _ in own]
    counted: list[int] = []
    ends: dict[int, list[int]] = {}
    for now in range(2000):
        for who in ends.pop(now, []):
            buckets[who].give_back(turn)
            buckets[who].spend(now, turn)
        for who, bucket in enumerate(buckets):
            skew = SKEW / 2 * (-1) ** who
            bucket.share(rule.part(own[who], 1e9 + now + skew))
            while bucket.take(now, turn) == 0:
                lasts = longest * (len(counted) % 2)
                counted.append(now + lasts)
                ends.setdefault(max(now + 1, now + lasts), []).append(who)
    counted.sort()
    assert counted
    for first, begin in enumerate(counted):
        together = sum(begin <= at < begin + WINDOW for at in counted[first : first + limit + 1])
        assert together * turn <= max(limit, turn)
