"""Dead letters: a record that can never be handled, kept byte for byte with the reason."""

from __future__ import annotations

import hashlib

from pipeline.stream.batch import Record
from pipeline.stream.parking import bare
from pipeline.stream.producer import Outgoing


def dead_letter(
    record: Record, *, stage: str, reason: str, attempt: int = 1, failed_at: float
) -> Outgoing:
    """The record for ``<topic>.dlq``: key, value and headers as they were, and why.

    What parking added goes: a letter that is sent again must not look like work that waited.

    `reason` is a code without customer text; `failed_at` is unix seconds. The fingerprint groups
    failures of one kind: stage and reason.
    """
    fingerprint = hashlib.blake2b(f"{stage}:{reason}".encode(), digest_size=8).hexdigest()
    added = {
        "x-original-topic": record.topic,
        "x-original-partition": str(record.partition),
        "x-original-offset": str(record.offset),
        "kafka_dlt-original-topic": record.topic,
        "kafka_dlt-exception-message": reason,
        "sb-stage": stage,
        "sb-reason": reason,
        "sb-fingerprint": fingerprint,
        "sb-attempt": str(attempt),
        "sb-first-failed-at": f"{failed_at:.3f}",
    }
    return Outgoing(
        f"{record.topic}.dlq",
        record.key,
        record.value,
        [*bare(record.headers), *((name, value.encode()) for name, value in added.items())],
        record.partition,
    )
