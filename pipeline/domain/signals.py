"""What the rules of the alerts are held against: metrics of the windows, and what is known at once.

The windows answer for things that are counted. What stands now, such as a vendor's closed gate, a
process that gives no sign of life or an invariant that is broken, is a signal of its own: no
window has to fill before it is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.alerts import WHOLE, Rule
from pipeline.domain.invariants import Broken
from pipeline.domain.metrics import CATALOGUE, Kind
from pipeline.domain.query import Line, Question, ask

SIGNALS: dict[str, str] = {
    "gate_closed_seconds": "Seconds until a vendor's gate opens, by vendor.",
    "process_silent_seconds": "Seconds since any process of a kind gave a sign of life, by kind.",
    "queue_depth": "Records that wait for a group, by stage.",
    "queue_age_seconds": "Age of the oldest record that waits for a stage, by stage.",
    "queue_stands": "1 where a stage's commit does not move though records wait (STALL, STOP).",
    "queue_rewound": "1 where a stage's commit went back within the last minute (REWIND).",
    "webhooks_missed": "Customers who wrote at the helpdesk after the last webhook came.",
    "below_last_week": "Part by which webhooks are fewer than at the same hour last week.",
    "events_without_outcome": "Accepted events that reached no outcome in time.",
    "replies_unknown": "Replies of which it is not known whether they went out, for too long.",
    "reply_keys_sent_twice": "Reply keys with more than one send, lately.",
    "mode_violations": "Calls that the mode did not allow, lately.",
}
"""Every signal and what it means."""

KINDS = ("ingress", "dedup", "classify", "act", "observe", "parking")
"""Processes without which work is not taken, not done or not seen."""
GRACE = 5.0
"""Seconds that a webhook may take from the customer's message until it is durable here."""
SILENT_AFTER = 10.0
"""Seconds without a webhook after which the helpdesk is asked whether it has news."""
FOR_EVER = 366 * 24 * 3600.0
"""Seconds that a gate is said to stay closed at most: one whose record cannot be read never opens,
and a number without end cannot be written down."""
LAST_WEEK = 7 * 24 * 3600.0
LOOK_BACK = 600.0
"""Seconds of now and of last week that are held against each other."""
EXPECTED_LEAST = 20
"""Webhooks of that time last week below which their absence says nothing."""

Values = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Waiting:
    """What waits for one stage."""

    depth: float
    age: float
    """Seconds of the oldest."""
    stands: bool
    is_rewound: bool = False
    """Whether its commit went back lately: what it had done is worked on again."""


@dataclass(frozen=True)
class Facts:
    """What is known at one moment; None = it could not be found out. Moments are unix seconds."""

    now: float
    gates: Mapping[str, float] | None = None
    """Vendor -> closed until."""
    heard: Mapping[str, float] | None = None
    """Kind of process -> seconds since its last sign of life, see `last_heard`."""
    judging_since: float = 0.0
    """A kind of process of which nothing was ever heard is silent since then."""
    waiting: Mapping[str, Waiting] | None = None
    """By stage."""
    last_webhook_at: float | None = None
    written_at: Sequence[float] | None = None
    """When customers wrote, of the helpdesk's recent tickets."""
    webhooks: int | None = None
    """Received within `LOOK_BACK`."""
    webhooks_last_week: int | None = None
    broken: Broken | None = None
    values: Values = field(default_factory=dict)
    """Rule -> group -> value, of rules over a metric."""


def questions_of(rule: Rule, now: float) -> list[Question]:
    """What the windows are asked for a rule over a metric: for it, and for what is taken off it.

    Raises:
        QueryError: there is no such metric or label.
    """
    labels = tuple(sorted({*rule.where, *([rule.by] if rule.by else [])}))
    return [
        ask(metric, max(0.0, now - rule.over), now, by=labels)
        for metric in (rule.metric, rule.minus)
        if metric is not None
    ]


def measured(
    rule: Rule, lines: Iterable[Line], minus: Iterable[Line] | None = None
) -> dict[str, float]:
    """Group -> value of a rule over a metric; `minus` are the lines of the metric taken off.

    What was counted in fewer than `least` cases is 0: two of three calls are no outage.
    """
    found: dict[str, float] = {}
    counts: dict[str, int] = {}
    for line, sign in [*((each, 1) for each in lines), *((each, -1) for each in minus or ())]:
        if any(line.labels.get(label) not in values for label, values in rule.where.items()):
            continue
        group = line.labels[rule.by] if rule.by else WHOLE
        for point in line.points:
            value = getattr(point, rule.point)
            found[group] = found.get(group, 0.0) + sign * (value or 0.0)
            counts[group] = counts.get(group, 0) + (point.count if sign > 0 else 0)
    return {
        group: max(0.0, value) if counts[group] >= rule.least else 0.0
        for group, value in found.items()
    }


def is_askable(rule: Rule) -> bool:
    """Whether a rule's words exist: its metric, labels and point, or its signal."""
    if rule.metric is None:
        return rule.signal in SIGNALS
    metric = CATALOGUE.get(rule.metric)
    is_sum = rule.where or rule.minus
    points = {"count", "p50", "p95", "p99"} if metric and metric.kind is Kind.HISTOGRAM else {"count", "value"}  # fmt: skip
    return (
        metric is not None
        and {*rule.where, *([rule.by] if rule.by else [])} <= set(metric.labels)
        and rule.point in points
        and (not is_sum or metric.kind is Kind.COUNTER)
        and (rule.minus is None or (rule.minus in CATALOGUE and not rule.by and not rule.where))
    )


def values_of(rules: Iterable[Rule], facts: Facts) -> Values:
    """Rule -> group -> value. A rule whose facts are not known is left out."""
    known = _signals(facts)
    found: Values = {}
    for rule in rules:
        if rule.signal is None and rule.name in facts.values:
            found[rule.name] = facts.values[rule.name]
        elif rule.signal is not None and rule.signal in known:
            found[rule.name] = known[rule.signal]
    return found


def _signals(facts: Facts) -> Values:
    found: Values = {}
    if facts.gates is not None:
        found["gate_closed_seconds"] = {
            vendor: min(max(0.0, until - facts.now), FOR_EVER)
            for vendor, until in facts.gates.items()
        }
    if facts.heard is not None:
        found["process_silent_seconds"] = silence(facts.heard, facts.now - facts.judging_since)
    if facts.waiting is not None:
        found["queue_depth"] = {name: each.depth for name, each in facts.waiting.items()}
        found["queue_age_seconds"] = {name: each.age for name, each in facts.waiting.items()}
        found["queue_stands"] = {name: float(each.stands) for name, each in facts.waiting.items()}
        found["queue_rewound"] = {
            name: float(each.is_rewound) for name, each in facts.waiting.items()
        }
    if facts.written_at is not None and facts.last_webhook_at is not None:
        found["webhooks_missed"] = {
            WHOLE: float(missed(facts.written_at, facts.last_webhook_at, facts.now))
        }
    if facts.webhooks is not None and facts.webhooks_last_week is not None:
        found["below_last_week"] = {WHOLE: below(facts.webhooks, facts.webhooks_last_week)}
    if facts.broken is not None:
        found["events_without_outcome"] = {WHOLE: float(facts.broken.without_outcome)}
        found["replies_unknown"] = {WHOLE: float(facts.broken.unknown_replies)}
        found["reply_keys_sent_twice"] = {WHOLE: float(facts.broken.double_sends)}
        found["mode_violations"] = {WHOLE: float(facts.broken.mode_violations)}
    return found


def last_heard(
    before: Mapping[str, float], signs: Iterable[tuple[str, float]], *, now: float
) -> dict[str, float]:
    """Kind -> when its liveliest process was last heard, of `signs` and of what was known `before`.

    A process that ends in order takes its sign of life away, and the next one of its kind needs some
    seconds: without `before` the kind would count as never heard, which is as old as the judging is.

    Args:
        before: what this said the last time.
        signs: (name of a process such as ``act-0``, moment of its last sign of life).
        now: by the clock of these moments, which may have been set back since `before`.
    """
    # Of what is no kind of ours, such as a sign that cannot be read, nobody waits to hear again.
    found = {kind: min(at, now) for kind, at in before.items() if kind in KINDS}
    for name, at in signs:
        kind = name.partition("-")[0]
        found[kind] = max(at, found.get(kind, at))
    return found


def silence(heard: Mapping[str, float], judged: float) -> dict[str, float]:
    """Kind -> seconds since it was heard; `judged` where it never was, and at most.

    After a start of everything the signs of hours ago still stand there: each kind has time to begin.

    Args:
        heard: kind -> seconds.
        judged: seconds since judging began.
    """
    return {kind: min(heard.get(kind, judged), judged) for kind in (*KINDS, *heard)}


def missed(written_at: Iterable[float], last_webhook_at: float, now: float) -> int:
    """How many customers wrote after the last webhook came, and long enough ago to be here."""
    return sum(last_webhook_at < at <= now - GRACE for at in written_at)


def below(webhooks: int, last_week: int) -> float:
    """The part of last week's webhooks that is missing now; 0 where last week says too little."""
    if last_week < EXPECTED_LEAST:
        return 0.0
    return max(0.0, 1.0 - webhooks / last_week)
