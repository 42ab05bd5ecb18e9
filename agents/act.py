"""actions.requested -> the helpdesk: route the ticket, answer it when that is allowed, mark it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agents.attention import Attention
from agents.calls import Calls, GivenUp
from agents.orders import Orders
from agents.parked import ParkedLetters, Parking, Place
from agents.patience import Later, Patience
from agents.permits import Lowered, Permits
from agents.plan_records import Called, PlanRecords, Releasable, Run
from agents.records import letters_of
from agents.reply import Replier
from agents.sending import ReplyTask
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import (
    ActionRequest,
    MarkStep,
    ReplyStep,
    RouteStep,
    Step,
)
from pipeline.domain.ledger import Done, DoneOutcome
from pipeline.domain.order_replies import asks_for_order, words_for
from pipeline.domain.outcomes import REPLY_ENDS, StepEnd, StepResult, again, limited_tag, marks
from pipeline.domain.permit import WithheldReason, Withhold, may_route
from pipeline.domain.routing import route
from pipeline.domain.taxonomy import Intent
from pipeline.domain.templates import marked, render
from pipeline.ports import Helpdesk, TicketState
from pipeline.stream.batch import Assignment, Record
from pipeline.stream.guard import Crash
from pipeline.stream.lanes import lanes
from tables.ledger import LedgerTable

READ_AND_WRITE = 3
"""Requests of a step that reads the ticket and then sets something, at most: team and tags are two
writes where a tag's id is not known. Sixteen lanes that reserve less than they make overdraw the
vendor's window; what is reserved and not used comes back when the turn ends."""


@dataclass
class _Work:
    """One request on its way through its steps."""

    run: Run
    assignment: Assignment
    patience: Patience
    began: float
    ended: dict[str, Done]
    """Steps that an earlier run of the plan has done."""
    applied: list[Done] = field(default_factory=list)
    seen: TicketState | None = None
    """The ticket as this run has read it last for a step that is safe to repeat."""

    def apply(self, step: Step, at: float) -> None:
        """Notes that a step that is safe to repeat stands at the helpdesk."""
        self.applied.append(Done(action_id=step.action_id, outcome=DoneOutcome.APPLIED, at=at))

    @property
    def request(self) -> ActionRequest:
        return self.run.request


class Acting:
    """The work on one requested action.

    `now` gives unix seconds, `broker_now` the same by the broker's clock, `monotonic` seconds.
    """

    def __init__(
        self,
        stage: Stage,
        helpdesk: Helpdesk,
        calls: Calls,
        permits: Permits,
        replier: Replier,
        *,
        parking: Parking,
        orders: Orders,
        releasable: Releasable,
        tag_prefix: str,
        now: Callable[[], float],
        broker_now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._attention = Attention(helpdesk, calls, permits)
        self.letters = ParkedLetters(
            letters_of(stage, now=now), parking, on_buried=self._attention.ask_for
        )
        self._ledger = LedgerTable(stage.table, stage.producer)
        self._helpdesk = helpdesk
        self._calls = calls
        self._permits = permits
        self._replier = replier
        self._parking = parking
        self._orders = orders
        self._records = PlanRecords(now=now)
        self._prefix = tag_prefix
        self._releasable = releasable
        self._now = now
        self._broker_now = broker_now
        self._monotonic = monotonic

    async def __call__(self, record: Record, assignment: Assignment) -> None:
        """Executes the plan, or parks it; returns when that is durable."""
        began = self._monotonic()
        admitted = await self.letters.admit(record, assignment, ActionRequest.parse)
        if admitted is None:
            return
        place, request = admitted
        ids = [step.action_id for step in request.steps]
        ended = await self._ledger.done(assignment.partition, ids)
        run = Run(record, request, self._now(), self._releasable)
        work = _Work(run, assignment, place.patience, began, ended)
        try:
            await self._execute(work)
        except Later as later:
            await self._park(work, place, later)
        else:
            await self._parking.leave(place)

    async def _park(self, work: _Work, place: Place, later: Later) -> None:
        """What is done stays done; the rest of the plan waits."""
        await self._keep(work)
        await self._parking.park(
            place, later, lambda detail: self._records.parked(work.run, later.code, detail)
        )

    async def _keep(self, work: _Work, *done: Done) -> None:
        """Makes durable what the run has done, together with the audit of it.

        Later runs do not repeat it: what is not told here would never be.
        """
        outputs = self._records.done(work.run)
        rows = (*work.applied, *done)
        await self._ledger.finish(work.assignment.partition, rows, outputs=outputs)
        work.applied.clear()

    async def _execute(self, work: _Work) -> None:
        for step in work.request.steps:
            result = await self._step(work, step)
            done = work.ended.get(step.action_id)
            at = self._now() if done is None else done.at
            work.run.add(step, result, at, is_repeated=done is not None)
            if result.end is StepEnd.FAILED:
                await self._attention.ask(work.request)
                break
        outputs = self._records.ended(work.run, work.patience)
        await self._ledger.finish(work.assignment.partition, work.applied, outputs=outputs)

    # -- steps --------------------------------------------------------------------------------

    async def _step(self, work: _Work, step: Step) -> StepResult:
        try:
            if isinstance(step, RouteStep):
                return await self._route(work, step)
            if isinstance(step, ReplyStep):
                return await self._reply(work, step)
            return await self._mark(work, step)
        except GivenUp as error:
            return StepResult(StepEnd.FAILED, error.code)
        except Later as later:
            if (in_time := self._calls.in_time(later, work.patience)) is not None:
                raise in_time from None
            return StepResult(StepEnd.FAILED, later.code)
        except Lowered:
            return self._withheld(work, step, WithheldReason.MODE)

    async def _route(self, work: _Work, step: RouteStep) -> StepResult:
        if step.action_id in work.ended:
            return again(StepResult(StepEnd.ROUTED))
        # What no mode allows needs nothing of the helpdesk, not even a read.
        await self._permits.refreshed(work.assignment.sleep)
        self._writable(work)
        teams = await self._calls.repeatable(lambda: self._teams(work), work.patience)
        decision = work.request.decision
        where = route(
            Intent(decision.intent),
            channel=work.request.channel,
            known_teams=teams,
            prefix=self._prefix,
            triage=decision.triage,
        )

        async def read_and_set() -> Withhold | None:
            # In one turn: the write may replace all tags, also one that a human sets meanwhile.
            work.seen = await self._ticket(work)
            verdict = self._permits.route(work.request, work.seen)
            if isinstance(verdict, Withhold):
                return verdict
            await self._set(work, step, work.seen, teams.get(where.team), where.tags)
            return None

        withheld = await self._calls.repeatable(
            read_and_set, work.patience, requests=READ_AND_WRITE
        )
        if withheld is not None:
            return self._withheld(work, step, withheld.reason)
        work.apply(step, self._now())
        return StepResult(StepEnd.ROUTED)

    async def _reply(self, work: _Work, step: ReplyStep) -> StepResult:
        if step.action_id in work.ended:
            return again(REPLY_ENDS[work.ended[step.action_id].outcome])
        step, body = await self._words(work, step)

        async def keep(done: Done) -> None:
            work.run.add(step, REPLY_ENDS[done.outcome], done.at)
            await self._keep(work, done)

        task = ReplyTask(
            work.request,
            step,
            body,
            work.assignment,
            work.patience,
            work.began,
            keep=keep,
            calling=lambda: self._calling(work, step, step.template),
        )
        came_to = await self._replier.reply(task)
        if isinstance(came_to, Withhold):
            return self._withheld(work, step, came_to.reason, body)
        return REPLY_ENDS[came_to]

    async def _words(self, work: _Work, step: ReplyStep) -> tuple[ReplyStep, str]:
        """The step with the template that it comes to, and its text with the mark.

        The order is looked up where that makes a better reply. The id stays that of the plan:
        whatever it says, one event is answered once.
        """
        request, order = work.request, None
        intent = Intent(request.decision.intent)
        if asks_for_order(intent):
            mode = self._permits.mode(request, step.template).value
            order = await self._orders.linked_to(
                request.conversation_id,
                work.patience,
                mode=mode,
                reading=lambda: self._permits.reading(
                    request, work.assignment.sleep, template=step.template
                ),
            )
        words = words_for(intent, step.template, order)
        body = marked(render(words.template, words.variables), step.action_id)
        return step.model_copy(update={"template": words.template}), body

    async def _mark(self, work: _Work, step: MarkStep) -> StepResult:
        tags = marks(
            [(each.step.kind, each.result) for each in work.run.ends.values()], self._prefix
        )
        if not tags:
            return StepResult(StepEnd.SKIPPED)
        if step.action_id in work.ended:
            return again(StepResult(StepEnd.MARKED))
        await self._permits.refreshed(work.assignment.sleep)
        self._writable(work)

        async def add() -> None:
            await self._permits.refreshed(work.assignment.sleep)
            # Tags alone are added and replace none, so what this run saw of the ticket will do.
            if work.seen is None:
                work.seen = await self._ticket(work)
            await self._set(work, step, work.seen, None, tags)

        requests = READ_AND_WRITE if work.seen is None else 1
        await self._calls.repeatable(add, work.patience, requests=requests)
        work.apply(step, self._now())
        return StepResult(StepEnd.MARKED)

    async def _teams(self, work: _Work) -> dict[str, str]:
        async with self._permits.reading(work.request, work.assignment.sleep):
            return await self._helpdesk.team_ids()

    async def _ticket(self, work: _Work) -> TicketState:
        async with self._permits.reading(work.request, work.assignment.sleep):
            return await self._helpdesk.ticket(work.request.conversation_id)

    async def _set(
        self,
        work: _Work,
        step: Step,
        ticket: TicketState,
        team_id: str | None,
        tags: tuple[str, ...],
    ) -> None:
        # With a write that is made anyway: a vendor that is short of calls is asked for none.
        limited = (limited_tag(self._prefix),) if work.patience.is_limited else ()
        async with self._permits.writing():
            self._writable(work)
            self._calling(work, step, None)
            await self._helpdesk.apply_route(ticket, team_id=team_id, tags=(*tags, *limited))

    def _writable(self, work: _Work) -> None:
        if not may_route(self._permits.mode(work.request)):
            raise Lowered

    def _calling(self, work: _Work, step: Step, template: str | None) -> None:
        """Notes under which mode a write begins, in the very step that begins it."""
        mode = self._permits.mode(work.request, template)
        # It is held against changes of the mode that other machines have made.
        work.run.called[step.action_id] = Called(mode.value, self._broker_now())

    def _withheld(
        self, work: _Work, step: Step, reason: WithheldReason, body: str | None = None
    ) -> StepResult:
        template = step.template if isinstance(step, ReplyStep) else None
        mode = self._permits.mode(work.request, template)
        work.run.withhold(step, mode=mode.value, reason=reason, rendered=body, at=self._now())
        return StepResult(StepEnd.WITHHELD, reason.value)


def attach_act(stage: Stage, work: Acting, *, concurrency: int, on_crash: Crash) -> Any:
    """Adds the agent to the stage's app and returns it."""

    @stage.app.agent(stage.app.batches(topics.REQUESTED.name), name="act")  # type: ignore[untyped-decorator]
    async def act(batches: Any) -> None:
        """Routes tickets and answers those that may be answered, one ticket in order."""
        await lanes(batches, work, limit=concurrency, on_crash=on_crash, letters=work.letters)

    return act
