"""What the reader of the trail knows while its end is not reached; a broker is not needed for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError

from agents.audit_reader import AuditReader
from pipeline.domain.events import Audit
from pipeline.domain.invariants import Broken

T = 1_000_000.0


@dataclass(frozen=True)
class Read:
    """A record of the trail, or without an `audit` the end of its partition."""

    audit: Audit | None = None

    def error(self) -> KafkaError | None:
        return KafkaError(KafkaError._PARTITION_EOF) if self.audit is None else None

    def value(self) -> bytes:
        assert self.audit is not None
        return self.audit.to_bytes()

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0


def test_an_event_is_not_lost_while_its_end_may_not_be_read_yet() -> None:
    reader, behind = AuditReader("127.0.0.1:9"), {0}

    def read(*messages: Read) -> Broken | None:
        seen: Any = list(messages)
        reader._apply(reader._state, seen, behind)
        return reader.broken(T + 60, {}, is_idle=True)

    accepted = Read(Audit(stage="dedup", what="accepted", ingress_id="i1", at=T))
    assert read(accepted) is None
    assert read(Read()) == Broken(without_outcome=1)
    assert read(accepted) == Broken()
    assert read(Read()) == Broken(without_outcome=1)
