"""One trace from the webhook to the action, told to a collector in memory or on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agents.records import audited, outgoing
from pipeline import topics, tracing
from pipeline.domain.events import Audit, Outcome
from pipeline.stream.batch import Record
from tests.stream.memory_broker import FakeRecord

INGRESS_ID = "0123456789abcdef" * 2
MARKED = "jane.marked@example.com"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.start_with(SimpleSpanProcessor(exporter), "test")
    yield exporter
    tracing.stop()


def audit(stage: str, what: str, **rest: object) -> Audit:
    return Audit.model_validate(
        {"stage": stage, "what": what, "ingress_id": INGRESS_ID, "at": 100.0, **rest}
    )


def received() -> Record:
    header = f"00-{INGRESS_ID}-{INGRESS_ID[:16]}-01".encode()
    headers = (("traceparent", header), ("sb-ingress-id", INGRESS_ID.encode()))
    return FakeRecord(topics.RECEIVED.name, 0, 5, b"t1", MARKED.encode(), headers)


def through_the_stages(record: Record) -> None:
    """What dedup, classify and act do to an event's header and audit."""
    for stage, what in (("dedup", "accepted"), ("classify", "classified"), ("act", "routed")):
        entry = audit(stage, what, detail={"seconds": 0.25, "channel": "email"})
        audited([entry], record)
        passed = outgoing(topics.ACCEPTED, entry, key=b"t1", cause=record, id_="e", at=100.0)
        record = FakeRecord(passed.topic, 0, 6, passed.key, passed.value, tuple(passed.headers))
    audited([audit("act", "ended", outcome=Outcome.ACTED)], record)


def test_every_stage_continues_the_webhook_s_trace(spans: InMemorySpanExporter) -> None:
    tracing.webhook(
        f"00-{INGRESS_ID}-{INGRESS_ID[:16]}-01".encode(), INGRESS_ID, begin=99.0, end=99.5
    )
    through_the_stages(received())
    root, *others = spans.get_finished_spans()
    assert root.parent is None
    assert [each.name for each in others] == [
        "dedup accepted", "classify classified", "act routed", "act ended"
    ]  # fmt: skip
    for each in others:
        assert each.parent is not None
        assert root.context is not None
        assert each.context is not None
        assert each.context.trace_id == root.context.trace_id == int(INGRESS_ID, 16)
        assert each.parent.span_id == root.context.span_id
    assert others[0].end_time is not None
    assert others[0].start_time is not None
    assert others[0].end_time - others[0].start_time == 250_000_000


def test_spans_hold_codes_and_neither_ids_nor_text(spans: InMemorySpanExporter) -> None:
    through_the_stages(received())
    for each in spans.get_finished_spans():
        assert each.attributes is not None
        assert set(each.attributes) <= {
            "messaging.system", "messaging.operation.type", "sb.stage", "sb.what", "sb.outcome"
        }  # fmt: skip
        assert MARKED not in each.to_json()


def test_a_sender_s_own_trace_is_the_parent_of_the_webhook(spans: InMemorySpanExporter) -> None:
    tracing.webhook(f"00-{'a' * 32}-{'b' * 16}-01".encode(), INGRESS_ID, begin=1.0, end=2.0)
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert span.parent.span_id == int("b" * 16, 16)


@pytest.mark.parametrize("written", [None, "no trace", "00-x-y-01"])
def test_a_header_that_is_no_trace_is_left_alone(
    spans: InMemorySpanExporter, written: str | None
) -> None:
    tracing.audited(audit("dedup", "accepted"), written)
    assert spans.get_finished_spans() == ()


def test_without_a_collector_nothing_is_told_or_imported_for_it() -> None:
    assert not tracing.is_on()
    through_the_stages(received())


def test_spans_reach_a_collector_over_otlp() -> None:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        tracing.start(f"http://127.0.0.1:{server.server_port}", "dedup")
        through_the_stages(received())
        tracing.stop()
        server.shutdown()
        thread.join()
    sent = ExportTraceServiceRequest.FromString(bodies[0])
    told = sent.resource_spans[0]
    assert told.resource.attributes[0].value.string_value == "switchboard-dedup"
    names = [span.name for span in told.scope_spans[0].spans]
    assert names == ["dedup accepted", "classify classified", "act routed", "act ended"]
