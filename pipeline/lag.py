"""Lag, watched: where every consumer group stands, remembered for a minute and judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline import topics
from pipeline.domain.control_records import Heard
from pipeline.domain.lag import KEEP, Lag, Place, Sample, State, judge, remember, worst_first
from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.control import View
from pipeline.stream.groups import Standing

LOOK = 3.0
"""Seconds between two looks."""
STALE_AFTER = 15.0
"""Seconds after which a judgement is told no more: a missing series is an alarm, an old one a lie."""

STANDING = frozenset({State.STALL, State.STOP})

_PLACE = ["group", "topic", "partition"]
METRICS = {
    "lag_records": "Offsets of a partition that its group has not committed.",
    "lag_trend_records_per_second": "How fast the lag grows over 30 s; negative while it shrinks.",
    "backlog_oldest_age_seconds": "Time that the oldest record has waited; overdue time if parked.",
    "lag_committed_offset": "The next offset that a group works on.",
    "lag_end_offset": "One above the last offset of a partition.",
    "lag_read_offset": "The next offset that a group's worker reads, as it says itself.",
    "lag_state": "1 for the state that a partition is in (OK WARN STALL STOP REWIND), and for REWIND "
    "beside STALL or STOP; 0 for others.",
}


class LagWatch:
    """Judges what a look at the groups shows, and hands the judgements to whoever asks.

    A look may be without some places: a group or a leader did not answer in time. What was seen of
    them before is told until it is `STALE_AFTER` old, and they are `missed` until it is `KEEP` old.

    Args:
        read: (stage, partition) -> the next offset that its worker reads, as it says itself.
        in_line: (stage, partition) whose worker says that its calls wait for a vendor.
        now: unix seconds by the broker's clock, or a clock close to it.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Mapping[tuple[str, int], int]],
        now: Callable[[], float],
        in_line: Callable[[], Collection[tuple[str, int]]] = tuple,
    ) -> None:
        self._read = read
        self._in_line = in_line
        self._now = now
        self._samples: dict[Place, tuple[Sample, ...]] = {}
        self.looked_at = 0.0
        """When `lags` was judged; 0 before the first time."""
        self.lags: Sequence[Lag] = ()
        """The last judgements, the worst first."""
        self.missed: Sequence[Place] = ()
        """Places that were seen within `KEEP` and of which the last look told nothing."""

    def take(self, standings: Sequence[Standing]) -> Sequence[Lag]:
        """Takes one more look, see `Groups.look`; `lags` afterwards."""
        at, read, in_line = self._now(), self._read(), self._in_line()
        seen = {}
        for each in standings:
            place = Place(each.group, each.topic, each.partition)
            mine = each.group.removeprefix(topics.GROUP_PREFIX), each.partition
            sample = _sample(each, at, read.get(mine), in_line=mine in in_line)
            seen[place] = remember(self._samples.get(place, ()), sample)
        missed = {
            place: samples
            for place, samples in self._samples.items()
            if place not in seen and at - samples[-1].at <= KEEP
        }
        self._samples = seen | missed
        self.missed = tuple(missed)
        told = (
            judge(place, samples)
            for place, samples in self._samples.items()
            if at - samples[-1].at <= STALE_AFTER
        )
        self.lags = sorted(told, key=worst_first)
        self.looked_at = at
        return self.lags

    @property
    def fresh(self) -> Sequence[Lag]:
        """`lags`, or nothing when they are older than `STALE_AFTER`."""
        return self.lags if self._now() - self.looked_at <= STALE_AFTER else ()


def _sample(standing: Standing, at: float, read: int | None, *, in_line: bool) -> Sample:
    return Sample(
        at=at,
        committed=standing.committed,
        end=standing.end,
        owner=standing.owner,
        members=standing.members,
        waiting_since=standing.waiting_since,
        read=read,
        in_line=in_line,
    )


class Signs(Protocol):
    """The part of `Control` that tells the workers' signs of life."""

    view: View

    def processes(self) -> Sequence[Heard]:
        """See `Control.processes`."""
        ...


def watching(signs: Signs, *, monotonic: Callable[[], float]) -> LagWatch:
    """A watch that knows of the workers what their signs of life tell; `monotonic` gives seconds."""
    return LagWatch(
        read=lambda: positions(signs.processes(), signs.view.broker_time),
        in_line=lambda: lines(signs.processes(), signs.view.broker_time),
        now=BrokerClock(signs.view, monotonic=monotonic),
    )


def positions(heard: Sequence[Heard], now: float) -> dict[tuple[str, int], int]:
    """(stage, partition) -> how far its live worker has read, from the signs of life."""
    return {
        (each.record.name.partition("-")[0], partition): offset
        # The last one that was heard: a restarted worker lives beside its former self for a moment.
        for each in sorted(heard, key=lambda one: one.at)
        if each.is_live(now)
        for partition, offset in each.record.read.items()
    }


def lines(heard: Sequence[Heard], now: float) -> set[tuple[str, int]]:
    """The (stage, partition) whose live worker has calls that wait for a vendor."""
    return {
        (each.record.name.partition("-")[0], partition)
        for each in heard
        if each.is_live(now) and each.record.in_line
        for partition in each.record.read
    }


@dataclass(frozen=True)
class Queue:
    """What waits for one stage, over all its partitions."""

    depth: int
    """Offsets."""
    age: float
    """Seconds of the oldest record."""
    stands: bool
    """Whether some partition of it does not move though records wait."""


def queues(lags: Sequence[Lag]) -> dict[str, Queue]:
    """Stage -> what waits for it."""
    found: dict[str, Queue] = {}
    for lag in lags:
        stage = lag.place.group.removeprefix(topics.GROUP_PREFIX)
        so_far = found.get(stage, Queue(0, 0.0, stands=False))
        found[stage] = Queue(
            so_far.depth + lag.lag, max(so_far.age, lag.age), so_far.stands or lag.state in STANDING
        )
    return found


def as_row(lag: Lag) -> dict[str, Any]:
    """A judgement as JSON."""
    row = asdict(lag)
    return {**row.pop("place"), **row}


class LagCollector(Collector):
    """The judgements as gauges under `prefix`, read when Prometheus asks.

    Every `observe` process shows all groups: aggregate them with `max by (group, topic, partition)`.
    """

    def __init__(self, prefix: str, watch: LagWatch) -> None:
        self._prefix = prefix
        self._watch = watch

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample a place and gauge, five of the state; none of a read offset nobody told."""
        families = {
            name: GaugeMetricFamily(
                self._prefix + name, text, labels=_PLACE + ["state"] * (name == "lag_state")
            )
            for name, text in METRICS.items()
        }
        for lag in self._watch.fresh:
            labels = [lag.place.group, lag.place.topic, str(lag.place.partition)]
            for name, value in _values(lag).items():
                if value is not None:
                    families[name].add_metric(labels, value)
            for state in State:
                is_in = lag.state is state or (state is State.REWIND and lag.is_rewound)
                families["lag_state"].add_metric([*labels, state], is_in)
        yield from families.values()


def _values(lag: Lag) -> dict[str, float | None]:
    return {
        "lag_records": lag.lag,
        "lag_trend_records_per_second": lag.trend,
        "backlog_oldest_age_seconds": lag.age,
        "lag_committed_offset": lag.committed,
        "lag_end_offset": lag.end,
        "lag_read_offset": lag.read,
    }
