from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.domain.lag import (
    GRACE,
    IN_LINE,
    KEEP,
    WINDOW,
    Cause,
    Lag,
    Place,
    Sample,
    State,
    is_idle,
    judge,
    remember,
    worst_first,
)

HERE = Place("switchboard-dedup", "switchboard.tickets.received.v1", 0)
STEP = 3.0
LONG_AGO = 1_000.0
NOW = 10_000.0


def samples(
    committed: list[int], end: list[int] | int, owner: str | None = "worker-1", members: int = 1
) -> list[Sample]:
    """One sample every three seconds, the last at `NOW`; the head has waited for long."""
    ends = [end] * len(committed) if isinstance(end, int) else end
    return [
        Sample(
            at=NOW - STEP * (len(committed) - 1 - index),
            committed=offset,
            end=ends[index],
            owner=owner,
            members=members,
            waiting_since=LONG_AGO,
            read=offset + 1,
        )
        for index, offset in enumerate(committed)
    ]


def verdict(seen: list[Sample]) -> tuple[State, Cause]:
    lag = judge(HERE, seen)
    return lag.state, lag.cause


STILL = [50] * 12


def test_a_consumer_that_is_at_the_end_is_well() -> None:
    seen = [replace(each, waiting_since=None) for each in samples(STILL, 50)]
    assert verdict(seen) == (State.OK, Cause.NONE)


def test_a_dead_consumer_with_nothing_waiting_is_well() -> None:
    seen = samples(STILL, 50, owner=None, members=0)
    assert verdict([replace(each, waiting_since=None) for each in seen]) == (State.OK, Cause.NONE)


def test_a_group_without_members_has_stopped_as_one_sample_shows() -> None:
    assert verdict(samples([50], 60, owner=None, members=0)) == (State.STOP, Cause.DEAD)


def test_a_worker_that_is_just_being_replaced_has_not_stopped() -> None:
    seen = samples([50], 60, owner=None, members=0)
    assert verdict([replace(seen[0], waiting_since=NOW - GRACE / 2)]) == (State.OK, Cause.NONE)


def test_a_rebalance_that_ends_is_no_stop() -> None:
    seen = samples(STILL, 60, owner=None)
    seen[-2] = replace(seen[-2], owner="worker-1")
    assert verdict(seen) == (State.OK, Cause.NONE)


def test_one_sample_in_a_rebalance_tells_nothing() -> None:
    assert verdict(samples([50], 60, owner=None)) == (State.OK, Cause.NONE)


def test_a_partition_that_no_member_holds_for_long_has_stopped() -> None:
    assert verdict(samples(STILL, 60, owner=None)) == (State.STOP, Cause.UNOWNED)


def test_a_commit_that_does_not_move_while_its_owner_reads_on_is_stuck() -> None:
    assert verdict(samples(STILL, 60)) == (State.STALL, Cause.STUCK)


@pytest.mark.parametrize("read", [None, 50])
def test_an_owner_that_has_not_read_what_waits_is_idle(read: int | None) -> None:
    seen = [replace(each, read=read) for each in samples(STILL, 60)]
    assert verdict(seen) == (State.STALL, Cause.IDLE)


def test_an_owner_whose_calls_wait_for_a_vendor_is_no_stall_until_that_takes_too_long() -> None:
    seen: tuple[Sample, ...] = ()
    for number in range(int(IN_LINE / STEP) + 1):
        # Between two bursts of the budget nobody waits for a moment.
        sample = replace(samples([50], 60)[0], at=NOW + STEP * number, in_line=number % 3 == 0)
        seen = remember(seen, sample)
        if WINDOW <= STEP * number < IN_LINE:
            assert verdict(list(seen)) == (State.WARN, Cause.VENDOR)
    assert verdict(list(seen)) == (State.STALL, Cause.STUCK)
    moved = remember(seen, replace(seen[-1], at=seen[-1].at + STEP, committed=51))
    assert verdict(list(moved)) == (State.WARN, Cause.SLOW)


def test_an_owner_whose_calls_wait_no_more_is_stuck() -> None:
    seen = samples(STILL, 60)
    assert verdict([replace(seen[0], in_line=True), *seen]) == (State.STALL, Cause.STUCK)


def test_a_head_that_came_a_moment_ago_is_no_stall_though_the_commit_stood_for_hours() -> None:
    seen = [replace(each, waiting_since=NOW - GRACE - 1) for each in samples(STILL, 60)]
    assert verdict(seen) == (State.OK, Cause.NONE)


def test_a_stall_needs_the_whole_window() -> None:
    seen = samples([50] * 5, 60)
    assert verdict(seen) == (State.OK, Cause.NONE)
    assert not judge(HERE, seen).is_complete


def test_owners_that_come_and_go_at_one_record_loop() -> None:
    owners = ["a", None, "b", None, None, "c", None]
    seen = samples([50] * len(owners), 60)
    seen = [replace(each, owner=owner) for each, owner in zip(seen, owners, strict=True)]
    assert verdict(seen) == (State.STALL, Cause.LOOPING)


def test_restarts_with_progress_between_them_are_no_loop() -> None:
    owners = ["a", "b", "b", "c", "d"]
    seen = samples([10, 20, 30, 40, 50], 60)
    seen = [replace(each, owner=owner) for each, owner in zip(seen, owners, strict=True)]
    assert verdict(seen) == (State.OK, Cause.NONE)


def test_restarts_before_the_head_came_are_no_loop() -> None:
    owners = ["a", "b", "c", "c", "c", "c", "c"]
    seen = samples([50] * len(owners), 60)
    seen = [
        replace(each, owner=owner, waiting_since=NOW - GRACE)
        for each, owner in zip(seen, owners, strict=True)
    ]
    assert verdict(seen) == (State.OK, Cause.NONE)


def test_a_commit_that_goes_back_is_a_rewind_though_the_worker_has_caught_up() -> None:
    seen = [replace(each, waiting_since=None) for each in samples([50, 10, 50], 50)]
    assert verdict(seen) == (State.REWIND, Cause.REWOUND)


def test_a_rewound_group_that_nobody_works_for_has_stopped_and_is_still_known_as_rewound() -> None:
    lag = judge(HERE, samples([50, 10], 60, owner=None, members=0))
    assert (lag.state, lag.cause, lag.is_rewound) == (State.STOP, Cause.DEAD, True)


def test_a_rewound_group_that_then_does_not_move_stalls() -> None:
    lag = judge(HERE, samples([50, *[10] * 12], 60))
    assert (lag.state, lag.cause, lag.is_rewound) == (State.STALL, Cause.STUCK, True)


def test_a_rewind_is_worse_than_falling_behind() -> None:
    committed = [50, *range(10, 22)]
    lag = judge(HERE, samples(committed, [60 + 3 * number for number in range(13)]))
    assert (lag.state, lag.cause, lag.is_rewound) == (State.REWIND, Cause.REWOUND, True)


def test_a_rewind_is_forgotten_after_a_while() -> None:
    seen: tuple[Sample, ...] = ()
    for number in range(30):
        committed = 50 if number == 0 else 10 + number
        sample = replace(samples([committed], 100)[0], at=NOW + STEP * number)
        seen = remember(seen, replace(sample, waiting_since=sample.at))
        expected = State.REWIND if 0 < number <= KEEP / STEP else State.OK
        assert judge(HERE, seen).state is expected


def test_a_commit_that_moves_while_ever_more_waits_is_slow() -> None:
    committed = list(range(50, 62))
    seen = samples(committed, [60 + 3 * number for number in range(12)])
    assert verdict(seen) == (State.WARN, Cause.SLOW)


def test_single_samples_that_jump_hide_no_growth() -> None:
    committed = [50, 50, 60, 60, 70, 70, 80, 80, 90, 90, 100, 100]
    ends = [60 + 15 * number for number in range(12)]
    assert verdict(samples(committed, ends)) == (State.WARN, Cause.SLOW)


def test_a_backlog_that_began_in_the_window_is_not_slow_yet() -> None:
    committed = list(range(50, 62))
    assert verdict(samples(committed, [50, *(60 + 3 * n for n in range(1, 12))])) == (
        State.WARN,
        Cause.SLOW,
    )
    assert verdict(samples(committed, [*[50] * 5, *(60 + 3 * n for n in range(5, 12))])) == (
        State.OK,
        Cause.NONE,
    )


def test_a_backlog_that_shrinks_is_well_and_tells_how_fast() -> None:
    lag = judge(HERE, samples([50 + 30 * number for number in range(11)], 1000))
    assert (lag.state, lag.lag, lag.trend, lag.progress) == (State.OK, 650, -10.0, 10.0)


def test_what_is_parked_waits_from_its_due_time() -> None:
    seen = samples(STILL, 60)
    assert verdict([replace(each, waiting_since=NOW + 600) for each in seen]) == (
        State.OK,
        Cause.NONE,
    )
    overdue = judge(HERE, [replace(each, waiting_since=NOW - WINDOW) for each in seen])
    assert (overdue.state, overdue.age) == (State.STALL, WINDOW)


def test_offsets_without_records_are_lag_and_nobody_waits() -> None:
    lag = judge(HERE, [replace(each, waiting_since=None) for each in samples(STILL, 60)])
    assert (lag.state, lag.lag, lag.age) == (State.OK, 10, 0.0)


def test_the_lag_is_never_below_zero() -> None:
    assert judge(HERE, samples([50], 40)).lag == 0


def test_one_sample_has_no_trend() -> None:
    lag = judge(HERE, samples([50], 60))
    assert (lag.trend, lag.progress) == (0.0, 0.0)


def test_the_worst_comes_first() -> None:
    dead = judge(HERE, samples([50], 60, owner=None, members=0))
    stuck = judge(HERE, samples(STILL, 60))
    well = judge(HERE, samples([50], 60))
    long_waiting: Lag = replace(well, age=well.age + 1)
    assert sorted([well, stuck, long_waiting, dead], key=worst_first) == [
        dead,
        stuck,
        long_waiting,
        well,
    ]


def test_all_is_idle_when_every_partition_of_every_topic_is_committed_to_its_end() -> None:
    def lags(**ends: int) -> list[Lag]:
        """One topic by name and partition, such as ``a0``, whose commit is at 5."""
        return [
            judge(Place("g", name[0], int(name[1])), samples([5], end))
            for name, end in ends.items()
        ]

    assert is_idle(lags(a0=5, a1=5, b0=5, b1=5), {"a", "b"})
    assert not is_idle(lags(a0=5, a1=5, b0=5, b1=6), {"a", "b"})
    assert is_idle(lags(a0=5, a1=5, b0=5, b1=6), {"a"})
    # Nobody answers for the partition: what waits in it is not known.
    assert not is_idle(lags(a0=5, a1=5, b0=5), {"a", "b"})
    assert not is_idle([], {"a"})
