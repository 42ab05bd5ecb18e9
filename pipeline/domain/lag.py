"""Consumer lag as a state instead of a number, in Burrow's words, on a window of samples.

A number needs a threshold that is wrong for the next topic; whether a consumer moves, and whether
what waits for it grows, needs none. Judged per group, topic and partition, in this order:

STALL   looping: `LOOPS` owners held the partition in turn and none moved the commit.
STOP    records wait and nobody holds the partition.
STALL   somebody holds it and the commit has not moved for `WINDOW`, while the head waited all along;
        for `IN_LINE` where its owner's calls wait for a vendor, which is WARN until then.
REWIND  the committed offset went back within `KEEP`: events are worked on again.
WARN    the commit moves, but the lag was never zero in `WINDOW` and does not become less.
OK      everything else, such as nothing waiting, or waiting for less than `GRACE`.

Where this leaves Burrow's rules: its samples are commits, so a stuck and a dead consumer differ in
whether they still commit. Ours commit only progress, so membership in the group tells them apart.
REWIND counts though the lag was zero a moment ago: a rewound worker may have caught up between two
samples, and its events were worked on again all the same. What stalls or stops is told first, or a
group that is reset while its workers are dead would look alive for `KEEP`; `is_rewound` tells both.

An offset is not a record: compaction and transaction markers leave offsets that nobody reads. The
lag counts offsets; what really waits is told by `waiting_since`, which is None when no record
stands between the commit and the end. A record that is parked waits from its due time on; before
it, a partition of them is OK however much lies there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile

KEEP = 60.0
"""Seconds that samples are kept: three restarts fit in, each at least a session timeout of 10 s."""
WINDOW = 30.0
"""Seconds without progress that are a stall: a handler has as much (RELIABILITY R7)."""
IN_LINE = 300.0
"""Seconds without progress that are a stall though the owner's calls wait for a vendor's budget. At
the helpdesk's budget of 34 in 30 s, 16 plans of 6 requests each end after 85 s, and none before."""
GRACE = 10.0
"""Seconds that a partition may be without owner, and a record may wait, with nothing wrong: the
session timeout, within which a crashed worker is replaced."""
LOOPS = 3
"""Owners without progress that are a loop; two are a restart."""
_PARTS = 4


class State(StrEnum):
    """Burrow's words."""

    OK = "OK"
    WARN = "WARN"
    STALL = "STALL"
    STOP = "STOP"
    REWIND = "REWIND"


SEVERITY = (State.OK, State.WARN, State.REWIND, State.STALL, State.STOP)
"""Least bad first. A rewind costs work twice; what stalls or stops costs customers."""


class Cause(StrEnum):
    """What to look for: the same state has different levers."""

    NONE = "none"
    DEAD = "dead"
    """The group has no member."""
    UNOWNED = "unowned"
    """The group has members, but none holds the partition: a rebalance that does not end."""
    STUCK = "stuck"
    """The owner has read on; the record at the commit does not come to an end."""
    IDLE = "idle"
    """The owner has not read what waits, or does not tell how far it has read."""
    LOOPING = "looping"
    """Owners come and go at the same record."""
    REWOUND = "rewound"
    SLOW = "slow"
    VENDOR = "vendor"
    """The owner's calls wait for a vendor's budget, or for its gate to open."""


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """What is judged."""

    group: str
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One partition as one group had it at `at`, unix seconds by the broker's clock."""

    at: float
    committed: int
    """The next offset to work on; the earliest where nothing is committed."""
    end: int
    """One above the last offset of the log."""
    owner: str | None
    """The member that holds the partition; each start of a worker is another member."""
    members: int
    """Members of the group."""
    waiting_since: float | None
    """Since when the first record at or above the commit could have been worked on: its broker
    time, or its due time when it is parked, which may be to come. None = no record is there."""
    read: int | None = None
    """The next offset that the owner will read, as it says itself; None where it does not."""
    in_line: bool = False
    """Whether calls of the owner wait for their turn at a vendor's gate, as it says itself."""

    @property
    def lag(self) -> int:
        """Offsets that are not committed; never below 0, though the two come from two questions."""
        return max(0, self.end - self.committed)

    @property
    def age(self) -> float:
        """Seconds that the oldest record has waited; 0 when none waits or none is due."""
        return 0.0 if self.waiting_since is None else max(0.0, self.at - self.waiting_since)


@dataclass(frozen=True, slots=True)
class Lag:
    """The judgement on one place, with the numbers of its last sample."""

    place: Place
    state: State
    cause: Cause
    committed: int
    end: int
    read: int | None
    lag: int
    """Offsets."""
    age: float
    """Seconds that the oldest record has waited, or is overdue when it was parked."""
    trend: float
    """Offsets per second by which the lag grew over `WINDOW`; negative while it shrinks."""
    progress: float
    """Offsets per second that were committed over `WINDOW`."""
    owner: str | None
    is_complete: bool
    """Whether the samples reach back over `WINDOW`; before, a stall cannot be seen."""
    is_rewound: bool = False
    """Whether the commit went back within `KEEP`, whatever the state is."""


def remember(samples: Sequence[Sample], sample: Sample) -> tuple[Sample, ...]:
    """`samples` with one more; those older than `KEEP` leave, but for the first at this commit."""
    stood = takewhile(lambda each: each.committed == sample.committed, reversed(samples))
    first = len(samples) - sum(1 for _ in stood)
    return (
        *(each for at, each in enumerate(samples) if sample.at - each.at <= KEEP or at == first),
        sample,
    )


def judge(place: Place, samples: Sequence[Sample]) -> Lag:
    """The judgement on `samples`, oldest first, at the time of the last; at least one."""
    last = samples[-1]
    window = _window(samples)
    seconds = last.at - window[0].at
    state, cause = _state(samples)
    is_rewound = any(after.committed < before.committed for before, after in pairwise(samples))
    if is_rewound and SEVERITY.index(state) < SEVERITY.index(State.REWIND):
        state, cause = State.REWIND, Cause.REWOUND
    return Lag(
        place,
        state,
        cause,
        committed=last.committed,
        end=last.end,
        read=last.read,
        lag=last.lag,
        age=last.age,
        trend=(last.lag - window[0].lag) / seconds if seconds > 0 else 0.0,
        progress=(last.committed - window[0].committed) / seconds if seconds > 0 else 0.0,
        owner=last.owner,
        is_complete=_is_complete(samples),
        is_rewound=is_rewound,
    )


def is_idle(lags: Iterable[Lag], topics: Collection[str]) -> bool:
    """Whether nothing of `topics` waits, parked work included, or is in hand.

    Every partition that is known of any topic must be committed to its end; one of which nobody
    answers hides what waits in it.
    """
    there = {(each.place.topic, each.place.partition): each.lag for each in lags}
    partitions = {partition for _, partition in there}
    return bool(there) and all(
        there.get((topic, partition)) == 0 for topic in topics for partition in partitions
    )


def worst_first(lag: Lag) -> tuple[float, ...]:
    """Sorts the worst to the front: by state, then by how long somebody waits."""
    return -SEVERITY.index(lag.state), -lag.age, -lag.lag


def _state(samples: Sequence[Sample]) -> tuple[State, Cause]:
    last = samples[-1]
    if last.age < GRACE:
        return State.OK, Cause.NONE
    if _owners_in_vain(samples) >= LOOPS:
        return State.STALL, Cause.LOOPING
    if last.owner is None:
        return _without_owner(samples)
    return _with_owner(samples)


def _with_owner(samples: Sequence[Sample]) -> tuple[State, Cause]:
    last = samples[-1]
    if _stands(samples):
        if _is_in_line(samples):
            return State.WARN, Cause.VENDOR
        is_in_hand = last.read is not None and last.read > last.committed
        return State.STALL, Cause.STUCK if is_in_hand else Cause.IDLE
    if _falls_behind(samples):
        return State.WARN, Cause.SLOW
    return State.OK, Cause.NONE


def _without_owner(samples: Sequence[Sample]) -> tuple[State, Cause]:
    if samples[-1].members == 0:
        return State.STOP, Cause.DEAD
    at = samples[-1].at
    lately = [each for each in samples if at - each.at <= GRACE]
    # One sample may have met a rebalance; that no owner was seen for longer is another matter.
    is_lasting = len(lately) < len(samples) and all(each.owner is None for each in lately)
    return (State.STOP, Cause.UNOWNED) if is_lasting else (State.OK, Cause.NONE)


def _owners_in_vain(samples: Sequence[Sample]) -> int:
    """How many members have held the partition since its head waits, without moving the commit."""
    last, since = samples[-1], samples[-1].waiting_since or 0.0
    same = takewhile(
        lambda each: each.committed == last.committed and each.at >= since, reversed(samples)
    )
    return len({each.owner for each in same} - {None})


def _stands(samples: Sequence[Sample]) -> bool:
    last = samples[-1]
    return (
        _is_complete(samples)
        and last.age >= WINDOW
        and all(each.committed == last.committed for each in _window(samples))
    )


def _is_in_line(samples: Sequence[Sample]) -> bool:
    """Whether the owner waits for a vendor, and not for too long."""
    last = samples[-1]
    first = next(each for each in samples if each.committed == last.committed)
    is_early = last.at - first.at < IN_LINE
    return is_early and any(each.in_line for each in _window(samples))


def _falls_behind(samples: Sequence[Sample]) -> bool:
    """Whether the commit moves and the lag does not fall from one quarter of the window to the next.

    Burrow compares commits a minute apart; ours come seconds apart, where single ones say little.
    """
    window = _window(samples)
    is_moving = window[-1].committed > window[0].committed
    if not (is_moving and _is_complete(samples) and all(each.lag for each in window)):
        return False
    size = max(1, len(window) // _PARTS)
    parts = [window[at : at + size] for at in range(0, size * _PARTS, size)]
    means = [sum(each.lag for each in part) / len(part) for part in parts if part]
    return all(after >= before for before, after in pairwise(means))


def _window(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of the last `WINDOW`, with the one that it begins in."""
    begins = samples[-1].at - WINDOW
    older = sum(1 for each in samples if each.at <= begins)
    return samples[max(0, older - 1) :]


def _is_complete(samples: Sequence[Sample]) -> bool:
    return samples[-1].at - samples[0].at >= WINDOW
