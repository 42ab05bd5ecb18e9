"""One webhook: authenticated, persisted as it came, acknowledged. No HTTP and no clock in here."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ingress.group_commit import GroupCommit
from ingress.signature import Secrets, Verdict, verify
from pipeline import telemetry, topics, tracing
from pipeline.domain.events import Audit
from pipeline.domain.token_bucket import TokenBucket
from pipeline.domain.webhook import partition_key
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.producer import Outgoing, Sender

log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
"""Bytes of a webhook body (DOMAIN section 4; a typical one has less than 2 KiB)."""
BROKER_RETRY_AFTER = 5
"""Seconds after which a sender may try again when the broker is away."""
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True)
class Answer:
    """A status, a JSON body and, where it helps, seconds to wait."""

    status: int
    body: dict[str, object]
    outcome: str
    retry_after: int | None = None


@dataclass(frozen=True)
class Request:
    """A webhook request as it came; `headers` by lower-case name."""

    source: str
    headers: Mapping[str, str]
    body: bytes


class Webhooks:
    """Takes webhooks of known sources. `now` is unix seconds, `monotonic` seconds."""

    def __init__(
        self,
        producer: Sender,
        secrets: Secrets,
        *,
        sources: tuple[str, ...],
        rate: float,
        burst: int,
        ack_timeout: float,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._producer = producer
        self._secrets = secrets
        self._buckets = {source: TokenBucket(rate=rate, burst=burst) for source in sources}
        self._together = GroupCommit(producer, timeout=ack_timeout)
        # What every record of a source says is encoded once.
        self._fixed = {source: _fixed_headers(source) for source in sources}
        self._now = now
        self._monotonic = monotonic
        self._new_id = new_id
        # At most one audit record a second of refused requests: an attacker must not fill it.
        self._refusals = TokenBucket(rate=1.0, burst=10)
        self._audits: set[asyncio.Task[None]] = set()

    def admit(self, source: str) -> Answer | None:
        """The refusal of a request before its body is read, or None."""
        if source in self._buckets:
            return None
        known = ", ".join(sorted(self._buckets))
        return Answer(404, {"error": f"unknown source; known: {known}"}, "unknown_source")

    async def take(self, request: Request) -> Answer:
        """The answer to a whole request: 202 only when the broker has acknowledged the body."""
        verdict = verify(request.headers, request.body, self._secrets, now=self._now())
        if verdict is not Verdict.OK:
            self._audit_refusal(verdict)
            return Answer(401, {"error": "unauthorized"}, "unauthorized")
        # Only now: a stranger without a secret must not use up what the helpdesk may send.
        wait = self._buckets[request.source].take(self._monotonic())
        if wait > 0:
            return Answer(429, {"error": "too many webhooks"}, "throttled", int(wait) + 1)
        if not request.body:
            return Answer(400, {"error": "empty body"}, "empty")
        ingress_id = self._new_id()
        record = self.record(request, ingress_id)
        began = self._now()
        try:
            await self._together.send(record)
        except (DeliveryError, TimeoutError) as error:
            log.warning("webhook not persisted", extra={"fields": {"error": type(error).__name__}})
            return Answer(
                503, {"error": "not persisted, send it again"}, "unavailable", BROKER_RETRY_AFTER
            )
        if tracing.is_on():
            trace = dict(record.headers)["traceparent"]
            tracing.webhook(trace, ingress_id, began, self._now())
        return Answer(202, {"ingress_id": ingress_id}, "accepted")

    def record(self, request: Request, ingress_id: str) -> Outgoing:
        """The raw record: the body untouched, and only headers from an allow-list."""
        at = self._now()
        id_ = ingress_id.encode()
        headers = [
            ("ce_id", id_),
            ("ce_time", datetime.fromtimestamp(at, UTC).isoformat().encode()),
            ("traceparent", _traceparent(request.headers.get("traceparent"), ingress_id)),
            ("sb-ingress-id", id_),
            ("sb-received-at", b"%.6f" % at),
            *self._fixed[request.source],
        ]
        webhook_id = request.headers.get("webhook-id")
        if webhook_id:
            headers.append(("sb-webhook-id", webhook_id[:200].encode()))
        return Outgoing(topics.RECEIVED.name, partition_key(request.body), request.body, headers)

    def _audit_refusal(self, verdict: Verdict) -> None:
        if self._refusals.take(self._monotonic()) > 0:
            return
        at = self._now()
        audit = Audit(
            stage="ingress", what="refused", ingress_id=self._new_id(), reason=verdict.value, at=at
        )
        # Not awaited by the answer: a broker that is away must not slow a refusal down.
        task = asyncio.get_running_loop().create_task(self._send_audit(audit))
        self._audits.add(task)
        task.add_done_callback(self._audits.discard)

    async def _send_audit(self, audit: Audit) -> None:
        telemetry.audited(audit)
        try:
            await self._producer.send(
                [Outgoing(topics.AUDIT.name, audit.ingress_id.encode(), audit.to_bytes())]
            )
        except DeliveryError:
            log.warning("refusal not audited")


def _fixed_headers(source: str) -> list[tuple[str, bytes]]:
    return [
        ("ce_source", f"/webhooks/{source}".encode()),
        ("ce_type", topics.RECEIVED.name.encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
        ("sb-source", source.encode()),
    ]


def _traceparent(sent: str | None, ingress_id: str) -> bytes:
    """The sender's trace, or a new one that is found by the webhook's own id."""
    if sent is not None and _TRACEPARENT.fullmatch(sent):
        return sent.encode()
    return f"00-{ingress_id}-{ingress_id[:16]}-01".encode()
