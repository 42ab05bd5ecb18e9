"""Metrics and logs of every process.

Prometheus names carry the prefix ``switchboard_``, base units and no id or customer data in
labels. Logs are one JSON object a line with a constant message and structured fields.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "switchboard_"
REGISTRY = CollectorRegistry()

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, *labels: str) -> Histogram:
    return Histogram(PREFIX + name, text, labels, registry=REGISTRY, buckets=_SECONDS)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"switchboard_{name}", text, labels, registry=REGISTRY)


INGRESS_REQUESTS = _counter(
    "ingress_requests_total",
    "Webhook requests by source and what became of them.",
    "source",
    "outcome",
)
INGRESS_SECONDS = _histogram("ingress_request_seconds", "From the whole body to the answer.")
STAGE_RECORDS = _counter("stage_records_total", "Records that a stage finished.", "stage")
STAGE_SECONDS = _histogram("stage_duration_seconds", "Time in one stage per record.", "stage")
END_TO_END_SECONDS = _histogram("end_to_end_seconds", "From the webhook to the route applied.")
AUDITS = _counter("audit_records_total", "Decisions by stage and kind.", "stage", "what")
ACTIONS = _counter("actions_total", "Steps at the helpdesk.", "action", "outcome")
WITHHELD = _counter("withheld_total", "Steps not executed, by reason.", "reason")
VENDOR_REQUESTS = _counter(
    "vendor_requests_total", "Calls by vendor and status class.", "vendor", "status_class"
)
VENDOR_SECONDS = _histogram("vendor_request_seconds", "Time of one vendor call.", "vendor")
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
PARKED = _counter("parked_total", "Pieces of work parked, by tier and reason.", "tier", "reason")
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
DUPLICATES = _counter("duplicates_total", "Webhooks seen before.", "key_strength")


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
