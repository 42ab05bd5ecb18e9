"""Records as the stages produce them: CloudEvents headers, the trace carried on, audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pipeline import telemetry, topics, tracing
from pipeline.app import Stage
from pipeline.domain.events import Audit, Message, Outcome
from pipeline.stream.batch import Record
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.producer import Outgoing

CARRIED = ("traceparent", "sb-ingress-id", "sb-received-at")
"""Headers that go with an event through every stage: a dead letter must still name its webhook."""


def header(record: Record, name: str) -> str | None:
    """The last header `name` of a record as text, None when absent or not UTF-8."""
    for key, value in reversed(record.headers):
        if key == name:
            return value.decode("utf-8", "replace")
    return None


def ingress_id(record: Record) -> str:
    """The webhook that a record came of; its own coordinates where the header is missing."""
    return header(record, "sb-ingress-id") or f"{record.partition}-{record.offset}"


def outgoing(
    spec: topics.TopicSpec,
    message: Message,
    *,
    key: bytes | None,
    cause: Record,
    id_: str,
    at: float,
) -> Outgoing:
    """`message` on its topic; `cause` is the record it came of, `at` unix seconds."""
    headers: list[tuple[str, bytes]] = [
        ("ce_id", id_.encode()),
        ("ce_source", b"switchboard"),
        ("ce_type", spec.name.encode()),
        ("ce_specversion", b"1.0"),
        ("ce_time", datetime.fromtimestamp(at, UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    for name in CARRIED:
        value = header(cause, name)
        if value is not None:
            headers.append((name, value.encode()))
    return Outgoing(spec.name, key, message.to_bytes(), headers)


def audited(audits: Sequence[Audit], cause: Record) -> list[Outgoing]:
    """Audit records, on the partition of the conversation that caused them."""
    for audit in audits:
        telemetry.audited(audit)
        if tracing.is_on():
            tracing.audited(audit, header(cause, "traceparent"))
    return [
        outgoing(
            topics.AUDIT,
            audit,
            key=cause.key,
            cause=cause,
            id_=f"{audit.ingress_id}:{audit.stage}:{audit.what}",
            at=audit.at,
        )
        for audit in audits
    ]


def buried(record: Record, *, stage: str, reason: str, at: float) -> list[Outgoing]:
    """What a record comes to that can never be handled: its dead letter, and the end of its webhook."""
    audit = Audit(
        stage=stage,
        what="dead_lettered",
        ingress_id=ingress_id(record),
        reason=reason,
        outcome=Outcome.DEAD_LETTERED,
        at=at,
    )
    letter = dead_letter(record, stage=stage, reason=reason, failed_at=at)
    return [letter, *audited([audit], record)]


def letters_of(stage: Stage, *, now: Callable[[], float]) -> DeadLetters:
    """Where the records of `stage` go that it can never handle; `now` gives unix seconds."""
    return DeadLetters(
        stage.producer,
        lambda record, reason: buried(record, stage=stage.name, reason=reason, at=now()),
    )
