"""tickets.accepted -> actions.requested: what a message is about, decided once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.parked import ParkedLetters, Parking, Place
from agents.patience import Later
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
    conversation_hash,
)
from pipeline.ports import Classifier, VendorError
from pipeline.stream.batch import Assignment, Record
from pipeline.stream.guard import Crash
from pipeline.stream.lanes import lanes
from pipeline.stream.producer import Outgoing
from tables.decisions import DecisionsTable

Detail = str | int | float | bool


class Classification:
    """The work on one accepted ticket; without a `reading` a bare webhook stays without words."""

    def __init__(
        self,
        stage: Stage,
        *,
        classifier: Classifier | None,
        reading: Reading | None,
        parking: Parking,
        tag_prefix: str,
        now: Callable[[], float],
    ) -> None:
        self._producer = stage.producer
        self.letters = ParkedLetters(letters_of(stage, now=now), parking)
        self._decisions = DecisionsTable(stage.table, stage.producer)
        self._classifier = classifier
        self._reading = reading
        self._parking = parking
        self._prefix = tag_prefix
        self._now = now

    async def __call__(self, record: Record, assignment: Assignment) -> None:
        """Decides, stores the decision, forwards the plan, or parks it; returns when all is durable."""
        started = self._now()
        admitted = await self.letters.admit(record, assignment, AcceptedTicket.parse)
        if admitted is None:
            return
        place, ticket = admitted
        decision = await self._decisions.first(assignment.partition, ticket.event_id)
        if decision is not None:
            again = self._classified(record, ticket, decision, started, is_repeated=True)
            await self._forward(record, ticket, decision, again)
        else:
            try:
                decision = await self._decide(ticket, place)
            except Later as later:
                await self._park(place, ticket, later)
                return
            # Together: after a death in between the decision would be there and never counted.
            told = self._classified(record, ticket, decision, started)
            await self._decisions.keep(assignment.partition, ticket.event_id, decision, told)
            await self._forward(record, ticket, decision)
        await self._parking.leave(place)

    async def _park(self, place: Place, ticket: AcceptedTicket, later: Later) -> None:
        def told(detail: Mapping[str, float]) -> list[Outgoing]:
            audit = _audit(ticket, "parked", self._now(), detail, reason=later.code)
            return audited([audit], place.record)

        await self._parking.park(place, later, told)

    async def _decide(self, ticket: AcceptedTicket, place: Place) -> Decision:
        if self._reading is None or not is_bare(ticket):
            return await self._judge(ticket)
        try:
            found = await self._reading.complete(ticket, place.patience)
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

    def _classified(
        self,
        record: Record,
        ticket: AcceptedTicket,
        decision: Decision,
        started: float,
        *,
        is_repeated: bool = False,
    ) -> list[Outgoing]:
        at = self._now()
        repeated = {"repeated": True} if is_repeated else {}
        detail = {**_detail(decision, at - started), "channel": ticket.channel, **repeated}
        return audited([_audit(ticket, "classified", at, detail)], record)

    async def _forward(
        self,
        record: Record,
        ticket: AcceptedTicket,
        decision: Decision,
        audits: Sequence[Outgoing] = (),
    ) -> None:
        request = outgoing(
            topics.REQUESTED,
            plan(ticket, decision),
            key=ticket.conversation_id.encode(),
            cause=record,
            id_=ticket.event_id,
            at=self._now(),
        )
        await self._producer.send([request, *audits])


def _audit(
    ticket: AcceptedTicket,
    what: str,
    at: float,
    detail: Mapping[str, Detail],
    *,
    reason: str | None = None,
) -> Audit:
    return Audit(
        stage="classify",
        what=what,
        ingress_id=ticket.ingress_id,
        event_id=ticket.event_id,
        conversation_hash=conversation_hash(ticket.tenant, ticket.conversation_id),
        reason=reason,
        detail=dict(detail),
        received_at=ticket.received_at,
        at=at,
    )


def _detail(decision: Decision, seconds: float) -> dict[str, Detail]:
    detail: dict[str, Detail] = {
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
