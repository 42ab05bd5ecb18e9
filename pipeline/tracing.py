"""Traces, where they are wanted: one of each webhook, from the request to the last action.

The ``traceparent`` header goes with an event from topic to topic, and the audit trail says what a
stage did with it, when and for how long; a span is that, told to a collector over OTLP. So there is
nothing to wrap around anybody's work, and where `is_on` says no, that question is all it costs.

A span's attributes are the codes of the audit record: no id, no customer, no text. A stage that
dies has told its spans of what it finished, except those of the last seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.domain.events import Audit

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

MISSING = (
    "SWITCHBOARD_TRACES_URL is set, and the packages of traces are not installed: "
    "pip install 'opentelemetry-sdk' 'opentelemetry-exporter-otlp-proto-http'"
)
_NANO = 1_000_000_000
_state: dict[str, Any] = {}
"""`processor` and `resource` once started; empty while nobody wants traces."""


class TracesMissing(Exception):
    """Traces are asked for and cannot be told; the text says what to install."""


def start(url: str, service: str) -> None:
    """Tells spans of this process, as `service`, to the OTLP/HTTP collector at `url` from now on.

    Raises:
        TracesMissing: the optional packages are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise TracesMissing(MISSING) from None
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")
    start_with(BatchSpanProcessor(exporter), service)


def start_with(processor: SpanProcessor, service: str) -> None:
    """Tells spans to `processor` from now on."""
    from opentelemetry.sdk.resources import Resource

    resource = Resource({"service.name": f"switchboard-{service}"})
    _state.update(processor=processor, resource=resource)


def stop() -> None:
    """Tells what is left and ends."""
    if _state:
        processor = _state["processor"]
        _state.clear()
        processor.shutdown()


def is_on() -> bool:
    """Whether anybody wants spans."""
    return bool(_state)


def webhook(traceparent: bytes, ingress_id: str, begin: float, end: float) -> None:
    """The span of a webhook that ingress took; `begin` and `end` in unix seconds.

    Where the sender brought no trace of its own, this is the root of all others.
    """
    own = int(ingress_id[:16], 16)
    _tell("ingress accepted", traceparent, begin, end, {"sb.stage": "ingress"}, own=own)


def audited(audit: Audit, traceparent: str | None) -> None:
    """The span of what a stage did with an event, as its audit record says."""
    if traceparent is None:
        return
    spent = audit.detail.get("seconds")
    seconds = float(spent) if isinstance(spent, int | float) else 0.0
    told = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "sb.stage": audit.stage,
        "sb.what": audit.what,
        "sb.reason": audit.reason,
        "sb.outcome": None if audit.outcome is None else audit.outcome.value,
    }
    attributes = {name: value for name, value in told.items() if value is not None}
    name = f"{audit.stage} {audit.what}"
    _tell(name, traceparent.encode(), audit.at - seconds, audit.at, attributes)


def _tell(
    name: str,
    traceparent: bytes,
    begin: float,
    end: float,
    attributes: dict[str, str],
    *,
    own: int | None = None,
) -> None:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

    try:
        _, trace, parent, _ = traceparent.decode("ascii").split("-")
        trace_id, parent_id = int(trace, 16), int(parent, 16)
    except ValueError:
        return  # a header written by hand is no reason to stop
    flags = TraceFlags(TraceFlags.SAMPLED)
    ids = RandomIdGenerator()
    above = SpanContext(trace_id, parent_id, is_remote=True, trace_flags=flags)
    _state["processor"].on_end(
        ReadableSpan(
            name,
            context=SpanContext(
                trace_id, own or ids.generate_span_id(), is_remote=False, trace_flags=flags
            ),
            parent=None if own == parent_id else above,
            resource=_state["resource"],
            attributes=attributes,
            kind=SpanKind.SERVER if own is not None else SpanKind.CONSUMER,
            start_time=int(begin * _NANO),
            end_time=int(end * _NANO),
        )
    )
