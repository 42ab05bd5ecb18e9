"""Tumbling windows: what the audit trail says of each ten seconds, each record counted once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.domain.events import Audit, Message, Outcome
from pipeline.domain.metrics import CATALOGUE, OTHER, Kind, named
from pipeline.domain.outcomes import ALREADY
from pipeline.domain.query import WIDTH
from pipeline.domain.tally import Counted, Tally

MOST_SERIES = 200
"""Series that a metric may have in one window; further ones are counted as ``other`` together."""

_JUDGED = frozenset({"accepted", "duplicated", "ignored", "quarantined"})
_STEPS = frozenset(
    {"routed", "replied", "drafted", "marked", "withheld", "triaged", "failed", "skipped"}
)
_NO_FAILURE = frozenset({"gate_closed", "over_budget", "unsettled", "behind"})
"""Reasons to put work aside that say nothing went wrong with it."""

Sample = tuple[str, tuple[str | None, ...], float | None]
"""Metric, values of its labels in their order, and the value of a histogram (None = one more)."""


class Window(Message, Tally):
    """What one partition of audit said in one window; `offset` is the last record folded in."""

    start: int
    offset: int = -1


def window_start(at: float) -> int:
    """The unix second at which the window of `at` begins."""
    return int(at // WIDTH) * WIDTH


def fold(window: Window | None, start: int, audits: Iterable[tuple[int, Audit]]) -> Window:
    """`window` with more audit records, given as (offset, record) in offset order.

    A record that the window already holds changes nothing: the row carries the last applied
    offset, because after a crash the same records come again.
    """
    folded = Window(start=start) if window is None else window.model_copy(deep=True)
    offset = folded.offset
    within = Within(folded)
    for at, audit in audits:
        if at <= offset:
            continue
        offset = at
        for name, values, value in samples_of(audit):
            series = CATALOGUE[name].series(*values)
            if value is None:
                within.count(series)
            else:
                within.observe(series, value)
        if audit.measured is not None:
            within.add(audit.measured)
    return folded.model_copy(update={"offset": offset})


class Within:
    """A tally that takes only series of the catalogue, and of each metric only so many."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._seen: dict[str, int] = {}
        for series in (*tally.counts, *tally.histograms, *tally.levels):
            self._seen[named(series)] = self._seen.get(named(series), 0) + 1

    def count(self, series: str, by: int = 1) -> None:
        """As `Tally.count`."""
        self._tally.count(self._admitted(series, self._tally.counts), by)

    def observe(self, series: str, value: float) -> None:
        """As `Tally.observe`."""
        self._tally.observe(self._admitted(series, self._tally.histograms), value)

    def add(self, other: Counted) -> None:
        """As `Tally.add`; what the catalogue does not know is left out."""
        for series, count in other.counts.items():
            if (clean := _clean(series, Kind.COUNTER)) is not None:
                self.count(clean, count)
        for series, buckets in other.histograms.items():
            if (clean := _clean(series, Kind.HISTOGRAM)) is not None:
                admitted = self._admitted(clean, self._tally.histograms)
                for index, times in buckets.items():
                    self._tally.observe_bucket(admitted, index, times)
        for series, level in other.levels.items():
            if (clean := _clean(series, Kind.GAUGE)) is not None:
                self._tally.level(self._admitted(clean, self._tally.levels), level)

    def _admitted(self, series: str, present: Iterable[str]) -> str:
        if series in present:
            return series
        name = named(series)
        if self._seen.get(name, 0) >= MOST_SERIES:
            return CATALOGUE[name].series(*[OTHER] * len(CATALOGUE[name].labels))
        self._seen[name] = self._seen.get(name, 0) + 1
        return series


def _clean(series: str, kind: Kind) -> str | None:
    name, *values = series.split("|")
    metric = CATALOGUE.get(name)
    if metric is None or metric.kind is not kind or len(values) != len(metric.labels):
        return None
    return metric.series(*values)


def samples_of(audit: Audit) -> Iterator[Sample]:
    """What one audit record says of the metrics.

    A record that is `repeated` tells of work that was done before its stage died: it counts as work
    of the stage and as nothing else. One of a step, which is a part of such work, counts as nothing.
    """
    if audit.detail.get("repeated"):
        yield from () if audit.what in _STEPS else _finished(audit)
        return
    if audit.stage == "dedup":
        yield from _dedup(audit)
    elif audit.what == "classified":
        yield from _classified(audit)
    elif audit.what == "parked":
        yield "stage_records", (audit.stage,), None
        if audit.reason not in _NO_FAILURE:
            yield "worker_errors", (audit.stage, _reason(audit)), None
    elif audit.stage == "act" and audit.what != "dead_lettered":
        yield from _acted(audit)
    if audit.what == "dead_lettered":
        yield "stage_records", (audit.stage,), None
        yield "dead_lettered", (audit.stage, _reason(audit)), None
        yield "worker_errors", (audit.stage, _reason(audit)), None
    if audit.outcome is not None:
        yield "outcomes", (audit.outcome.value,), None
        if audit.seconds is not None:
            yield "outcome_seconds", (audit.outcome.value,), audit.seconds


def _dedup(audit: Audit) -> Iterator[Sample]:
    if audit.what not in _JUDGED:
        return
    yield "received", (audit.what,), None
    yield from _finished(audit)
    if audit.what == "duplicated":
        strength = _word(audit, "key_strength")
        yield "idempotency_duplicates_detected", (strength, _reason(audit)), None
    elif audit.what != "accepted":
        yield audit.what, (_reason(audit),), None


def _classified(audit: Audit) -> Iterator[Sample]:
    path = _word(audit, "path")
    yield "decisions_made", (path, _word(audit, "intent"), _word(audit, "channel")), None
    yield from _finished(audit)
    spent = audit.detail.get("seconds")
    if isinstance(spent, int | float):
        yield "classification_latency_seconds", (path,), float(spent)


def _acted(audit: Audit) -> Iterator[Sample]:
    if audit.what == "ended":
        yield from _finished(audit)
        yield from _ended(audit)
    elif audit.what in _STEPS:
        yield from _step(audit)


def _step(audit: Audit) -> Iterator[Sample]:
    if audit.reason == ALREADY:
        return  # counted when it was done
    yield "actions", (_word(audit, "action"), audit.what), None
    channel = _word(audit, "channel")
    if audit.what == "routed" and audit.seconds is not None:
        yield "end_to_end_seconds", (channel,), audit.seconds
    elif audit.what == "replied":
        yield "auto_reply_sent", (_word(audit, "intent"), channel), None
    elif audit.what == "withheld":
        yield "withheld", (_reason(audit),), None
    elif audit.what == "failed":
        yield "worker_errors", (audit.stage, _reason(audit)), None


def _ended(audit: Audit) -> Iterator[Sample]:
    if audit.outcome is Outcome.DEAD_LETTERED:
        yield "dead_lettered", (audit.stage, _reason(audit)), None
    if audit.detail.get("released"):
        return
    # Decisions less successes are the plans that stopped half-way, stopped or still run.
    if audit.outcome is not Outcome.DEAD_LETTERED:
        outcome = None if audit.outcome is None else audit.outcome.value
        yield "actions_success", (outcome, _word(audit, "channel")), None
    elif audit.detail.get("partial"):
        yield "actions_partial", (_word(audit, "channel"),), None


def _finished(audit: Audit) -> Iterator[Sample]:
    yield "stage_records", (audit.stage,), None
    spent = audit.detail.get("seconds")
    if isinstance(spent, int | float):
        yield "stage_duration_seconds", (audit.stage,), float(spent)


def _word(audit: Audit, name: str) -> str | None:
    value = audit.detail.get(name)
    return value if isinstance(value, str) else None


def _reason(audit: Audit) -> str | None:
    """The code before a colon: what stands behind it names one exception, one field, one record."""
    return None if audit.reason is None else audit.reason.partition(":")[0]
