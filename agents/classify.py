"""tickets.accepted -> actions.requested: what a message is about, decided once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.reading import Reading, Unread
from agents.records import audited, letters_of, outgoing
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.bare_webhook import is_bare
from pipeline.domain.classification import Opinion, classify, needs_model, plan
from pipeline.domain.events import (
    AcceptedTicket,
    Audit,
    Decision,
    MessageRead,
    UnreadableValue,
    conversation_hash,
)
from pipeline.ports import Classifier, VendorError
from pipeline.stream.batch import Assignment, Record
from pipeline.stream.guard import Crash
from pipeline.stream.lanes import lanes
from tables.decisions import DecisionsTable


class Classification:
    """The work on one accepted ticket; without a `reading` a bare webhook stays without words."""

    def __init__(
        self,
        stage: Stage,
        *,
        classifier: Classifier | None,
        reading: Reading | None,
        tag_prefix: str,
        now: Callable[[], float],
    ) -> None:
        self._producer = stage.producer
        self.letters = letters_of(stage, now=now)
        self._decisions = DecisionsTable(stage.table, stage.producer)
        self._classifier = classifier
        self._reading = reading
        self._prefix = tag_prefix
        self._now = now

    async def __call__(self, record: Record, assignment: Assignment) -> None:
        """Decides, stores the decision, forwards the plan; returns when all is durable."""
        started = self._now()
        try:
            ticket = AcceptedTicket.parse(record.value)
        except UnreadableValue as error:
            await self.letters.bury(record, error.reason)
            return
        decision = await self._decisions.first(assignment.partition, ticket.event_id)
        is_repeated = decision is not None
        if decision is None:
            decision = await self._decide(ticket, assignment)
            await self._decisions.keep(assignment.partition, ticket.event_id, decision)
        await self._forward(record, ticket, decision, started, is_repeated=is_repeated)

    async def _decide(self, ticket: AcceptedTicket, assignment: Assignment) -> Decision:
        if self._reading is None or not is_bare(ticket):
            return await self._judge(ticket)
        try:
            found = await self._reading.complete(ticket, assignment.sleep)
        except Unread as error:
            decision = await self._judge(ticket)
            reasons = (f"unread_{error.code}", *decision.reasons)
            return decision.model_copy(update={"reasons": reasons})
        decision = await self._judge(found)
        read = MessageRead.model_validate(found, from_attributes=True)
        return decision.model_copy(update={"read": read})

    async def _judge(self, ticket: AcceptedTicket) -> Decision:
        opinion, failure = None, None if is_bare(ticket) else "not_configured"
        if self._classifier is not None and needs_model(ticket.text):
            try:
                answer = await self._classifier.classify(ticket.text, channel=ticket.channel)
                opinion = Opinion(
                    answer.intent,
                    answer.confidence,
                    answer.model,
                    answer.seconds,
                    answer.tokens,
                    answer.prompt_version,
                )
            except VendorError as error:
                failure = error.code
        return classify(ticket, opinion, failure, prefix=self._prefix)

    async def _forward(
        self,
        record: Record,
        ticket: AcceptedTicket,
        decision: Decision,
        started: float,
        *,
        is_repeated: bool,
    ) -> None:
        at = self._now()
        repeated = {"repeated": True} if is_repeated else {}
        request = outgoing(
            topics.REQUESTED,
            plan(ticket, decision),
            key=ticket.conversation_id.encode(),
            cause=record,
            id_=ticket.event_id,
            at=at,
        )
        audit = Audit(
            stage="classify",
            what="classified",
            ingress_id=ticket.ingress_id,
            event_id=ticket.event_id,
            conversation_hash=conversation_hash(ticket.tenant, ticket.conversation_id),
            detail={**_detail(decision, at - started), "channel": ticket.channel, **repeated},
            received_at=ticket.received_at,
            at=at,
        )
        await self._producer.send([request, *audited([audit], record)])


def _detail(decision: Decision, seconds: float) -> dict[str, str | int | float | bool]:
    detail: dict[str, str | int | float | bool] = {
        "path": decision.path,
        "intent": decision.intent,
        "confidence": decision.confidence,
        "team": decision.team,
        "reasons": ",".join(decision.reasons),
        "seconds": round(seconds, 6),
    }
    if decision.read is not None:
        detail["read"] = True
    if decision.model is not None:
        detail["model"] = decision.model
        detail["tokens"] = decision.tokens or 0
        detail["prompt_version"] = decision.prompt_version or ""
    return detail


def attach_classify(
    stage: Stage, work: Classification, *, concurrency: int, on_crash: Crash
) -> Any:
    """Adds the agent to the stage's app and returns it."""

    @stage.app.agent(stage.app.batches(topics.ACCEPTED.name), name="classify")  # type: ignore[untyped-decorator]
    async def classify_agent(batches: Any) -> None:
        """Names the intent of each message: Tier 0 rules, the model, keyword rules, default."""
        await lanes(batches, work, limit=concurrency, on_crash=on_crash, letters=work.letters)

    return classify_agent
