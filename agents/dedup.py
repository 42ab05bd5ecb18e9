"""tickets.received -> tickets.accepted: each message once, loops out, the unreadable kept."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from agents.records import audited, header, ingress_id, letters_of, outgoing
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.dedup import (
    Accept,
    Arrival,
    Duplicate,
    Identified,
    Ignore,
    Quarantine,
    Verdict,
    identify,
    judge,
)
from pipeline.domain.events import Audit, Outcome, conversation_hash
from pipeline.domain.webhook import WebhookBody
from pipeline.stream.batch import Batch, Record
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Outgoing
from pipeline.stream.transact import Effects, transact
from tables.seen import SeenTable

Read = Callable[[str, bytes], WebhookBody]


def attach_dedup(
    stage: Stage,
    *,
    read: Read,
    tenant: str,
    now: Callable[[], float],
    on_crash: Crash,
) -> Any:
    """Adds the agent to the stage's app and returns it."""
    seen = SeenTable(stage.table)
    letters = letters_of(stage, now=now)
    decide = functools.partial(decide_batch, seen=seen, read=read, tenant=tenant, now=now)

    @stage.app.agent(stage.app.batches(topics.RECEIVED.name), name="dedup")  # type: ignore[untyped-decorator]
    async def dedup(batches: Any) -> None:
        """Lets each message through once, by the coordinates of the record that won its id."""
        await transact(
            batches,
            decide,
            table=stage.table,
            producer=stage.producer,
            on_crash=on_crash,
            letters=letters,
        )

    return dedup


def decide_batch(
    batch: Batch, *, seen: SeenTable, read: Read, tenant: str, now: Callable[[], float]
) -> Effects:
    """The effects of one batch: new marks, accepted tickets, quarantined bytes, audit."""
    began = now()
    found = [identify(arrival(record), read) for record in batch.records]
    ids = {item.event_id for item in found if isinstance(item, Identified)}
    known = seen.winners(batch.partition, sorted(ids))
    marks = {}
    outputs: list[Outgoing] = []
    at = now()
    seconds = at - began
    for record, item in zip(batch.records, found, strict=True):
        verdict: Verdict = item if isinstance(item, Quarantine) else judge(
            item, known.get(item.event_id), tenant=tenant
        )  # fmt: skip
        if isinstance(verdict, Accept | Ignore) and verdict.seen is not None:
            event_id = verdict.ticket.event_id if isinstance(verdict, Accept) else verdict.event_id
            marks[event_id] = known[event_id] = verdict.seen
        outputs += records_of(verdict, record, tenant=tenant, at=at, seconds=seconds)
    return Effects(seen.puts(marks), outputs)


def arrival(record: Record) -> Arrival:
    """A fetched record as the rules see it. Without our headers it was written by hand."""
    at = record.timestamp / 1000
    received_at = header(record, "sb-received-at")
    return Arrival(
        partition=record.partition,
        offset=record.offset,
        ingress_id=ingress_id(record),
        source=header(record, "sb-source") or "unknown",
        received_at=_unix_seconds(received_at) or at,
        at=at,
        body=record.value or b"",
    )


def _unix_seconds(text: str | None) -> float | None:
    """None for what is no moment: one header written by hand must not end the process."""
    try:
        moment = float(text or "")
    except ValueError:
        return None
    return moment if math.isfinite(moment) else None


def records_of(
    verdict: Verdict, record: Record, *, tenant: str, at: float, seconds: float
) -> list[Outgoing]:
    """What one verdict writes: the record it passes on, and the audit of it.

    `seconds` is how long the record's batch was worked on, up to the verdicts.
    """
    came = arrival(record)

    def audit(
        what: str,
        ticket_id: str | None = None,
        detail: Mapping[str, str | bool] = {},
        **rest: Any,
    ) -> list[Outgoing]:
        hashed = None if ticket_id is None else conversation_hash(tenant, ticket_id)
        entry = Audit(
            stage="dedup",
            what=what,
            ingress_id=came.ingress_id,
            conversation_hash=hashed,
            received_at=came.received_at,
            detail={"seconds": round(seconds, 6), **detail},
            at=at,
            **rest,
        )
        return audited([entry], record)

    is_marked = isinstance(verdict, Accept | Ignore) and verdict.seen is None
    repeated: Mapping[str, str | bool] = {"repeated": True} if is_marked else {}
    match verdict:
        case Accept(ticket=ticket):
            key = ticket.conversation_id.encode()
            passed = outgoing(
                topics.ACCEPTED, ticket, key=key, cause=record, id_=ticket.event_id, at=at
            )
            said = audit("accepted", ticket.conversation_id, repeated, event_id=ticket.event_id)
            return [passed, *said]
        case Ignore(event_id=event_id, ticket_id=ticket_id, reason=reason):
            return audit(
                "ignored", ticket_id, repeated,
                event_id=event_id, reason=reason, outcome=Outcome.IGNORED,
            )  # fmt: skip
        case Duplicate():
            strength = "weak" if verdict.is_weak else "strong"
            return audit(
                "duplicated",
                verdict.ticket_id,
                event_id=verdict.event_id,
                reason=verdict.reason,
                outcome=None if verdict.reason == "producer_retry" else Outcome.DUPLICATE,
                detail={"duplicate_of": verdict.winner, "key_strength": strength},
            )
        case Quarantine(reason=reason):
            kept = Outgoing(
                topics.QUARANTINED.name,
                record.key,
                record.value,
                [*record.headers, ("sb-reason", reason.encode())],
                record.partition,
            )
            return [kept, *audit("quarantined", reason=reason, outcome=Outcome.QUARANTINED)]
