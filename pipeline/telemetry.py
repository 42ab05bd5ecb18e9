"""Metrics and logs of every process.

Prometheus names carry the prefix ``switchboard_``, base units and no id or customer data in
labels. The metrics of the windows (`pipeline.domain.metrics`) are exposed by the same names. Logs are one JSON object a line with a constant message and structured fields.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline.domain.events import Audit
from pipeline.domain.metrics import CATALOGUE, Kind, Metric, code
from pipeline.domain.tally import Measured
from pipeline.domain.windows import samples_of

PREFIX = "switchboard_"
REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(PREFIX + name, text, labels, registry=REGISTRY)


def _exposed(metric: Metric) -> Any:
    name = PREFIX + metric.name
    if metric.kind is Kind.COUNTER:
        return Counter(f"{name}_total", metric.meaning, metric.labels, registry=REGISTRY)
    if metric.kind is Kind.GAUGE:
        return Gauge(name, metric.meaning, metric.labels, registry=REGISTRY)
    return Histogram(name, metric.meaning, metric.labels, registry=REGISTRY, buckets=_SECONDS)


_EXPOSED = {
    metric.name: _exposed(metric) for metric in CATALOGUE.values() if metric.kind is not Kind.RATIO
}
AUDITS = _counter("audit_records_total", "Decisions by stage and kind.", "stage", "what")
GATE_CLOSED = _counter(
    "rate_limit_closed_seconds_total", "Seconds that a vendor's gate was closed.", "vendor"
)
GATE_CLOSED_UNTIL = _gauge(
    "rate_limit_closed_until_seconds",
    "Unix time until which a vendor's gate is closed; 0 = opened by hand.",
    "vendor",
)
GATE_WAITING = _gauge(
    "rate_limit_waiting", "Calls of this process that wait for a vendor's gate.", "vendor"
)
SHED = _counter("shed_total", "Optional calls left out, by kind and reason.", "what", "reason")
MODEL_CONCURRENCY = _gauge(
    "model_concurrency", "Calls that the model may have in hand, as far as it has shown."
)
STALE = _counter("parked_copies_total", "Copies of parked work that went on without them.")
RESTORE_LEFT = _gauge(
    "table_restore_left_records",
    "Changelog records that a partition's restore has still to read.",
    "table",
    "partition",
)
MODE = _gauge(
    "mode",
    "1 for the mode that counts now, else 0: the lowest of any scope of each kind, as followed here.",
    "scope",
    "mode",
)
ALERTS_FIRING = _gauge("alerts_firing", "1 for each alert that fires.", "rule", "group", "severity")
ALERTS_EVALUATED = _gauge(
    "alerts_evaluated_at_seconds", "Unix time at which this process last judged the alerts."
)
NOTICES = _counter(
    "alert_notices_total", "Notices to a sink: delivered, failed, given_up.", "sink", "outcome"
)
NOTICES_WAITING = _gauge("alert_notices_waiting", "Notices that have not reached their sink yet.")
WITHOUT_OUTCOME = _gauge(
    "events_without_outcome", "Accepted events that reached no terminal outcome in time."
)
REPLIES_UNKNOWN = _gauge(
    "replies_unknown", "Replies of which it is not known for too long whether they went out."
)
SENT_TWICE = _gauge(
    "reply_keys_sent_twice", "Reply keys with two sends within the last 15 minutes."
)
MODE_VIOLATIONS = _gauge(
    "mode_violations", "Calls within the last 15 minutes that the mode did not allow."
)
MEASURED = Measured()
"""What this process has counted that no audit record tells; `pipeline.measured` reports it."""


def audited(audit: Audit) -> None:
    """Counts an audit record of this process; the windows count it when they read the trail."""
    AUDITS.labels(audit.stage, audit.what).inc()
    for name, values, value in samples_of(audit):
        child = _child(name, values)
        if value is None:
            child.inc()
        else:
            child.observe(value)


def count(name: str, *values: str, by: int = 1) -> None:
    """Counts `by` more of a counter of the catalogue, for Prometheus and for the windows."""
    MEASURED.count(CATALOGUE[name].series(*values), by)
    _child(name, values).inc(by)


def observe(name: str, seconds: float, *values: str) -> None:
    """Notes a duration of a histogram of the catalogue, for Prometheus and for the windows."""
    MEASURED.observe(CATALOGUE[name].series(*values), seconds)
    _child(name, values).observe(seconds)


@contextmanager
def timed(name: str, *values: str) -> Iterator[None]:
    """Around what a histogram of the catalogue times."""
    began = time.perf_counter()
    try:
        yield
    finally:
        observe(name, time.perf_counter() - began, *values)


def level(name: str, value: float, *values: str) -> None:
    """Notes the level of a gauge of the catalogue, for Prometheus and for the windows."""
    MEASURED.level(CATALOGUE[name].series(*values), value)
    _child(name, values).set(value)


def vendor_call(vendor: str, status_class: str) -> None:
    """Counts a call to a vendor by how it was answered, or ``timeout``, ``unreachable`` ..."""
    count("vendor_requests", vendor, status_class)
    if status_class == "timeout":
        count("timeout_count", vendor)


def finished(stage: str, records: int = 1) -> None:
    """Counts records of a stage that writes no audit of them; for Prometheus alone."""
    _child("stage_records", (stage,)).inc(records)


@functools.lru_cache(maxsize=4096)
def _child(name: str, values: tuple[str | None, ...]) -> Any:
    """Finding a series by its labels costs more than counting: once is enough."""
    series = _EXPOSED[name]
    return series.labels(*map(code, values)) if values else series


def exposition() -> bytes:
    """The metrics of this process in Prometheus' text format."""
    return generate_latest(REGISTRY)


class JsonLines(logging.Formatter):
    """One JSON object a line; fields come from ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; an exception is named by type and place, never by its text.

        An exception's text may quote a body; where it was raised is enough to mend it.
        """
        line: dict[str, Any] = {
            "at": round(time.time(), 3) if not record.created else round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["at_line"] = _place(record.exc_info[2])
        return orjson.dumps(line, default=str).decode()


def _place(traceback: Any) -> str:
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "unknown"
    return f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"


def configure_logging(level: int = logging.INFO) -> None:
    """Sends all logs of this process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "openai", "uvicorn.access", "aiokafka"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
