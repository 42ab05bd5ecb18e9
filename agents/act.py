"""actions.requested -> the helpdesk: route the ticket, then answer it when that is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.calls import Calls
from agents.records import audited, ingress_id, outgoing
from agents.reply import GivenUp, Replier, ReplyTask, Sendable
from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.control import Control
from pipeline.domain.events import (
    ActionRequest,
    Audit,
    Outcome,
    ReplyStep,
    RouteStep,
    UnreadableValue,
    Withheld,
    conversation_hash,
)
from pipeline.domain.modes import Subject
from pipeline.domain.outcomes import StepEnd, StepResult, terminal_outcome
from pipeline.domain.permit import Allow, TicketView, permit
from pipeline.domain.routing import route
from pipeline.domain.taxonomy import Intent, tier_of
from pipeline.domain.templates import marked, render
from pipeline.ports import Helpdesk, TicketState
from pipeline.stream.batch import Assignment, Record
from pipeline.stream.dead_letter import dead_letter
from pipeline.stream.guard import Crash
from pipeline.stream.lanes import lanes
from pipeline.stream.producer import Outgoing


@dataclass(frozen=True)
class Policy:
    """What may be done at the helpdesk."""

    control: Control
    tag_prefix: str
    reply_channels: tuple[str, ...]
    has_bot_agent: bool

    @property
    def mode(self) -> str:
        """The effective mode at this instant."""
        return self.control.effective(Subject()).value


@dataclass
class _Work:
    """One request on its way through its steps."""

    record: Record
    assignment: Assignment
    request: ActionRequest
    withheld: list[Withheld]


class Acting:
    """The work on one requested action. `now` gives unix seconds."""

    def __init__(
        self,
        stage: Stage,
        helpdesk: Helpdesk,
        calls: Calls,
        replier: Replier,
        *,
        policy: Policy,
        now: Callable[[], float],
    ) -> None:
        self._producer = stage.producer
        self._helpdesk = helpdesk
        self._calls = calls
        self._replier = replier
        self._policy = policy
        self._now = now

    async def __call__(self, record: Record, assignment: Assignment) -> None:
        """Executes the plan; returns when its outcome is durable."""
        try:
            request = ActionRequest.parse(record.value)
        except UnreadableValue as error:
            await self._bury(record, error.reason)
            return
        work = _Work(record, assignment, request, [])
        started = self._now()
        results: list[StepResult] = []
        audits: list[Audit] = []
        for step in request.steps:
            result = await self._step(work, step)
            results.append(result)
            audits.append(self._audit(work, result, step.action_id, started))
            telemetry.ACTIONS.labels(step.kind, result.end.value).inc()
            if result.end is StepEnd.FAILED:
                break
        outcome = terminal_outcome(results, triage=request.decision.triage)
        await self._end(work, audits, outcome, results[-1].reason)

    # -- steps --------------------------------------------------------------------------------

    async def _step(self, work: _Work, step: RouteStep | ReplyStep) -> StepResult:
        try:
            if isinstance(step, RouteStep):
                return await self._route(work, step)
            return await self._reply(work, step)
        except GivenUp as error:
            return StepResult(StepEnd.FAILED, error.code)

    async def _route(self, work: _Work, step: RouteStep) -> StepResult:
        if self._policy.mode in ("stop", "shadow"):
            # Shadow executes nothing and needs nothing of the helpdesk, not even a read.
            return self._withhold(work, step, "mode", None)
        ticket = await self._read(work)
        verdict = permit("route", ticket=self._view(work, ticket), **self._terms(work))
        if not isinstance(verdict, Allow):
            return self._withhold(work, step, verdict.reason.value, None)
        teams = await self._calls.repeatable(self._helpdesk.team_ids, work.assignment.sleep)
        decision = work.request.decision
        where = route(
            Intent(decision.intent),
            channel=work.request.channel,
            known_teams=teams,
            prefix=self._policy.tag_prefix,
            triage=decision.triage,
        )
        await self._set(work, ticket, teams.get(where.team), where.tags)
        telemetry.END_TO_END_SECONDS.observe(max(0.0, self._now() - work.request.received_at))
        return StepResult(StepEnd.ROUTED)

    async def _reply(self, work: _Work, step: ReplyStep) -> StepResult:
        body = marked(render(step.template, {}), step.action_id)
        if self._policy.mode != "live":
            return self._withhold(work, step, "mode", body)

        def ask(ticket: TicketState) -> Sendable | StepResult:
            verdict = permit("reply", ticket=self._view(work, ticket), **self._terms(work))
            if isinstance(verdict, Allow):
                return Sendable(ticket, body)
            return self._withhold(work, step, verdict.reason.value, body)

        result = await self._replier.reply(
            ReplyTask(work.request, step, work.assignment, permit=ask)
        )
        await self._tag_after(work, result)
        return result

    async def _tag_after(self, work: _Work, result: StepResult) -> None:
        prefix = self._policy.tag_prefix
        tags = {
            StepEnd.REPLIED: (f"{prefix}-auto-replied",),
            StepEnd.TRIAGED: (f"{prefix}-send-failed", "needs_manual_triage"),
        }.get(result.end)
        if tags is not None:
            await self._set(work, await self._read(work), None, tags)

    async def _read(self, work: _Work) -> TicketState:
        ticket_id = work.request.conversation_id
        return await self._calls.repeatable(
            lambda: self._helpdesk.ticket(ticket_id), work.assignment.sleep
        )

    async def _set(
        self, work: _Work, ticket: TicketState, team_id: str | None, tags: tuple[str, ...]
    ) -> None:
        await self._calls.repeatable(
            lambda: self._helpdesk.apply_route(ticket, team_id=team_id, tags=tags),
            work.assignment.sleep,
        )

    # -- permit -------------------------------------------------------------------------------

    def _terms(self, work: _Work) -> dict[str, Any]:
        return {
            "mode": self._policy.mode,
            "channel": work.request.channel,
            "reply_channels": self._policy.reply_channels,
            "tier": tier_of(Intent(work.request.decision.intent)),
            "has_text": True,  # a plan for a message without text has no reply step
            "tag_prefix": self._policy.tag_prefix,
            "has_bot_agent": self._policy.has_bot_agent,
        }

    def _view(self, work: _Work, ticket: TicketState) -> TicketView:
        last = ticket.comments[-1] if ticket.comments else None
        customers = [comment for comment in ticket.comments if not comment.is_operator]
        ours = work.request.message_id
        known = {comment.id for comment in customers}
        return TicketView(
            is_open=ticket.is_open,
            tags=ticket.tags,
            last_author_is_agent=last is not None and last.is_operator,
            has_newer_customer_message=ours in known and customers[-1].id != ours,
        )

    def _withhold(
        self, work: _Work, step: RouteStep | ReplyStep, reason: str, rendered: str | None
    ) -> StepResult:
        telemetry.WITHHELD.labels(reason).inc()
        work.withheld.append(
            Withheld(
                action_id=step.action_id,
                event_id=work.request.event_id,
                conversation_id=work.request.conversation_id,
                mode=self._policy.mode,
                reason=reason,
                kind=step.kind,
                rendered=rendered,
                at=self._now(),
            )
        )
        return StepResult(StepEnd.WITHHELD, reason)

    # -- records ------------------------------------------------------------------------------

    def _audit(self, work: _Work, result: StepResult, action_id: str | None, began: float) -> Audit:
        at = self._now()
        request = work.request
        return Audit(
            stage="act",
            what=result.end.value,
            ingress_id=request.ingress_id,
            event_id=request.event_id,
            action_id=action_id,
            conversation_hash=conversation_hash(request.tenant, request.conversation_id),
            reason=result.reason,
            detail={"seconds": round(at - began, 6)},
            received_at=request.received_at,
            at=at,
        )

    async def _end(
        self, work: _Work, audits: list[Audit], outcome: Outcome, reason: str | None
    ) -> None:
        last = audits[-1].model_copy(
            update={"what": "ended", "action_id": None, "outcome": outcome, "detail": {}}
        )
        records: list[Outgoing] = [
            outgoing(
                topics.WITHHELD, held, key=work.record.key, cause=work.record,
                id_=held.action_id, at=held.at,
            )
            for held in work.withheld
        ]  # fmt: skip
        if outcome is Outcome.DEAD_LETTERED:
            code = reason or "failed"
            records.append(
                dead_letter(work.record, stage="act", reason=code, failed_at=self._now())
            )
        await self._producer.send([*records, *audited([*audits, last], work.record)])
        telemetry.STAGE_RECORDS.labels("act").inc()

    async def _bury(self, record: Record, reason: str) -> None:
        at = self._now()
        letter = dead_letter(record, stage="act", reason=reason, failed_at=at)
        audit = Audit(
            stage="act",
            what="dead_lettered",
            ingress_id=ingress_id(record),
            reason=reason,
            outcome=Outcome.DEAD_LETTERED,
            at=at,
        )
        await self._producer.send([letter, *audited([audit], record)])


def attach_act(stage: Stage, work: Acting, *, concurrency: int, on_crash: Crash) -> Any:
    """Adds the agent to the stage's app and returns it."""

    @stage.app.agent(stage.app.batches(topics.REQUESTED.name), name="act")  # type: ignore[untyped-decorator]
    async def act(batches: Any) -> None:
        """Routes tickets and answers those that may be answered, one ticket in order."""
        await lanes(batches, work, limit=concurrency, on_crash=on_crash)

    return act
