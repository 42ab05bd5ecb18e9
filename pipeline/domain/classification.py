"""From a message, and what the model said of it if it said anything, to one decision.

The order is a safety order: Tier 0 rules see every text first and no model can overrule them;
then the model; then keyword rules; then the default team, where a human looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain.bare_webhook import is_bare
from pipeline.domain.events import (
    AcceptedTicket,
    ActionRequest,
    Decision,
    MarkStep,
    ReplyStep,
    RouteStep,
    Step,
    action_id,
)
from pipeline.domain.keywords import classify_by_keywords, tier0
from pipeline.domain.routing import route
from pipeline.domain.taxonomy import Confidence, Intent, allowed_template
from pipeline.domain.templates import template_version


@dataclass(frozen=True)
class Opinion:
    """The model's answer; every field is untrusted and checked against the taxonomy."""

    intent: str
    confidence: str
    model: str
    seconds: float
    tokens: int
    prompt_version: str


def needs_model(text: str) -> bool:
    """Whether a model is asked at all: never for Tier 0, never without text."""
    return bool(text.strip()) and tier0(text) is None


def classify(
    ticket: AcceptedTicket, opinion: Opinion | None, failure: str | None, *, prefix: str
) -> Decision:
    """One decision; `failure` is the code of the model's failure where `opinion` is None."""
    serious = tier0(ticket.text)
    if serious is not None:
        return _decision(ticket, serious.intent, "high", "tier0", serious.reasons, prefix=prefix)
    if opinion is not None and opinion.intent in set(Intent):
        return _by_model(ticket, opinion, prefix=prefix)
    reason = failure or ("no_text" if not ticket.text.strip() else "model_answer_unknown")
    verdict = classify_by_keywords(ticket.text)
    if verdict is not None:
        reasons = (f"model_{reason}", *verdict.reasons)
        return _decision(
            ticket, verdict.intent, verdict.confidence, "rules", reasons, prefix=prefix
        )
    return _decision(
        ticket, Intent.UNKNOWN_OTHER, "low", "default_team", (f"model_{reason}",), prefix=prefix
    )


def _by_model(ticket: AcceptedTicket, opinion: Opinion, *, prefix: str) -> Decision:
    known = opinion.confidence in set(Confidence)
    decision = _decision(
        ticket,
        Intent(opinion.intent),
        opinion.confidence if known else "low",
        "model",
        (),
        prefix=prefix,
    )
    return decision.model_copy(
        update={
            "model": opinion.model,
            "prompt_version": opinion.prompt_version,
            "model_seconds": opinion.seconds,
            "tokens": opinion.tokens,
        }
    )


def _decision(
    ticket: AcceptedTicket,
    intent: Intent,
    confidence: str,
    path: str,
    reasons: tuple[str, ...],
    *,
    prefix: str,
) -> Decision:
    # Low confidence is a guess: a human looks at it, and no customer reads a guess.
    triage = confidence == "low"
    where = route(intent, channel=ticket.channel, prefix=prefix, triage=triage)
    # Medium is a draft at most (`permit.capped`); rules that are not sure have no words at all.
    may_reply = confidence == "high" or (confidence == "medium" and path == "model")
    template = allowed_template(intent, has_linked_order=False) if may_reply else None
    return Decision.model_validate(
        {
            "intent": intent.value,
            "confidence": confidence,
            "path": path,
            "reasons": reasons,
            "team": where.team,
            "tags": where.tags,
            "triage": triage,
            "template": template,
            "template_version": template_version(template) if template is not None else None,
        }
    )


def plan(ticket: AcceptedTicket, decision: Decision) -> ActionRequest:
    """The steps for `decision` in safe order: route, reply, mark; ids derive from the event.

    What was read at the helpdesk stands in the decision, so a redelivery makes the same plan.
    """
    read = decision.read

    def step_id(kind: str, version: str) -> str:
        return action_id(ticket.tenant, ticket.conversation_id, ticket.event_id, kind, version)

    steps: list[Step] = [
        RouteStep(action_id=step_id("route", decision.team), team=decision.team, tags=decision.tags)
    ]
    if decision.template is not None:
        version = f"{decision.template}@{decision.template_version}"
        steps.append(ReplyStep(action_id=step_id("reply", version), template=decision.template))
        steps.append(MarkStep(action_id=step_id("mark", version)))
    return ActionRequest(
        event_id=ticket.event_id,
        tenant=ticket.tenant,
        conversation_id=ticket.conversation_id,
        message_id=ticket.message_id if read is None else read.message_id,
        channel=ticket.channel if read is None else read.channel,
        ingress_id=ticket.ingress_id,
        received_at=ticket.received_at,
        has_text=read is not None or not is_bare(ticket),
        decision=decision,
        steps=tuple(steps),
    )
