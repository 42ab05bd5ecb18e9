"""Every metric of the windows, in one table: name, kind, unit, meaning and labels.

A series is a metric with the values of its labels, written ``name|value|value`` in the order of
the metric's labels. Labels are codes out of our own vocabulary: a value that is no such code, as
an id or a customer's word would be, becomes ``other`` before it is counted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric's numbers are, and so how they are merged."""

    COUNTER = "counter"
    """How many; added up."""
    HISTOGRAM = "histogram"
    """How the values lie; buckets are added up, quantiles are read from the sum."""
    GAUGE = "gauge"
    """How high; the highest level of the range."""
    RATIO = "ratio"
    """One counter's share of another, 0 to 1; both are added up first."""


@dataclass(frozen=True)
class Where:
    """The series whose `label` is (`besides`: is not) one of `values`."""

    label: str
    values: frozenset[str]
    besides: bool = False


@dataclass(frozen=True)
class Part:
    """A counter, or those of its series that all of `where` let through."""

    metric: str
    where: tuple[Where, ...] = ()

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with `labels` belongs to it."""
        return all((labels.get(each.label) in each.values) != each.besides for each in self.where)


@dataclass(frozen=True)
class Metric:
    """One metric; `of` are numerator and denominator of a ratio."""

    name: str
    kind: Kind
    unit: str
    """What a value of 1 is: events, seconds, records or share."""
    meaning: str
    labels: tuple[str, ...] = ()
    of: tuple[Part, Part] | None = None

    def series(self, *values: str | None) -> str:
        """The series with these values of the labels, cleaned."""
        return "|".join((self.name, *map(code, values)))

    def labels_of(self, series: str) -> dict[str, str]:
        """Label -> value of one of this metric's series."""
        return dict(zip(self.labels, series.split("|")[1:], strict=False))

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the metrics that its values are computed from."""
        return (self.name,) if self.of is None else tuple(sorted({part.metric for part in self.of}))


def _counter(name: str, meaning: str, *labels: str, unit: str = "events") -> Metric:
    return Metric(name, Kind.COUNTER, unit, meaning, labels)


def _seconds(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, Kind.HISTOGRAM, "seconds", meaning, labels)


def _ratio(name: str, meaning: str, top: Part, bottom: Part, *labels: str) -> Metric:
    return Metric(name, Kind.RATIO, "share", meaning, labels, (top, bottom))


_CALLS = "vendor_requests"
_REFUSED = Where("status_class", frozenset({"429"}))
_FAILED = Where("status_class", frozenset({"2xx"}), besides=True)
_MODEL = Where("vendor", frozenset({"openai"}))
_FALLBACK = Where("path", frozenset({"rules", "default_team"}))

CATALOGUE: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _counter("ingress_requests", "Webhook requests and what they were answered.", "source", "outcome"),
        _counter("received", "Webhooks that dedup judged: accepted, duplicated, ignored, quarantined.", "outcome"),
        _counter("idempotency_duplicates_detected", "Webhooks seen before.", "key_strength", "reason"),
        _counter("ignored", "Webhooks that are ours, a machine's, or asked to be left alone.", "reason"),
        _counter("quarantined", "Webhooks that cannot be read.", "reason"),
        _counter("decisions_made", "Messages classified, by who decided.", "path", "intent", "channel"),
        _counter("actions_success", "Plans carried through; decisions_made less these stopped half-way, stopped or still run.", "outcome", "channel"),
        _counter("actions_partial", "Plans that failed after some step was done.", "channel"),
        _counter("actions", "Steps at the helpdesk and how they ended.", "action", "outcome"),
        _counter("auto_reply_sent", "Automatic replies that customers got.", "intent", "channel"),
        _counter("withheld", "Steps not executed.", "reason"),
        _counter("parked", "Pieces of work put aside until a later time.", "tier", "reason"),
        _counter("dead_lettered", "Events that can never be handled.", "stage", "reason"),
        _counter("outcomes", "Terminal outcomes of webhooks.", "outcome"),
        _counter("stage_records", "Records that a stage finished.", "stage"),
        _counter("worker_errors", "Handlings that failed: given up, dead, or to be tried again.", "stage", "reason"),
        _counter("vendor_requests", "Calls to a vendor: status class, 429 by itself, `unusable`, or how no answer came.", "vendor", "status_class"),
        _counter("timeout_count", "Calls to a vendor that took too long.", "vendor"),
        _seconds("ingress_request_seconds", "From a webhook's whole body to its answer."),
        _seconds("end_to_end_seconds", "From the webhook to the route applied.", "channel"),
        _seconds("outcome_seconds", "From the webhook to its terminal outcome.", "outcome"),
        _seconds("stage_duration_seconds", "Time in one stage per record.", "stage"),
        _seconds("classification_latency_seconds", "Time to classify a message, by who decided.", "path"),
        _seconds("vendor_request_seconds", "Time of one vendor call.", "vendor"),
        Metric("queue_depth", Kind.GAUGE, "records", "Records that wait for a stage.", ("stage",)),
        Metric("queue_oldest_age_seconds", Kind.GAUGE, "seconds", "Age of the oldest record that waits for a stage.", ("stage",)),
        _ratio("vendor_429_rate", "Calls answered 429, of all calls to a vendor.",
               Part(_CALLS, (_REFUSED,)), Part(_CALLS), "vendor"),
        _ratio("vendor_error_rate", "Calls without a usable 2xx, of all calls to a vendor.",
               Part(_CALLS, (_FAILED,)), Part(_CALLS), "vendor"),
        _ratio("openai_error_rate", "Calls without a usable 2xx, of all calls to the model.",
               Part(_CALLS, (_MODEL, _FAILED)), Part(_CALLS, (_MODEL,))),
        _ratio("worker_error_rate", "Handlings that failed, of all records that a stage finished.",
               Part("worker_errors"), Part("stage_records"), "stage"),
        _ratio("duplicate_rate", "Webhooks seen before, of all received.",
               Part("idempotency_duplicates_detected"), Part("received")),
        _ratio("fallback_rate", "Decisions by rules or default team, of all decisions.",
               Part("decisions_made", (_FALLBACK,)), Part("decisions_made"), "channel"),
    )
}  # fmt: skip
"""Name -> metric."""

OTHER = "other"
NONE = "none"
_CODE = re.compile(r"(?:[a-z]+\d?|\d{1,3}[a-z]{0,2})(?:_(?:[a-z]+\d?|\d{1,3}[a-z]{0,2}))*")
_LONGEST = 48


@functools.lru_cache(maxsize=4096)
def code(value: str | None) -> str:
    """A label's value: a code of our own as it is, ``other`` for anything else, ``none`` for None.

    Words of small letters with short numbers between underscores: neither an address, a name, a
    sentence nor an id is one.
    """
    if value is None or value == "":
        return NONE
    return value if len(value) <= _LONGEST and _CODE.fullmatch(value) else OTHER


def named(series: str) -> str:
    """The name of a series' metric."""
    return series.partition("|")[0]


def known(names: Iterable[str]) -> str:
    """`names` as an error tells what exists."""
    return ", ".join(sorted(names))
