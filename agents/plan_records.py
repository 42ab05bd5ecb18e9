"""What a run of a plan leaves behind: audit of each step, withheld steps, a dead letter."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from agents.patience import Patience
from agents.records import audited, outgoing
from pipeline import topics
from pipeline.domain.events import (
    ActionRequest,
    Audit,
    Outcome,
    Step,
    Withheld,
    conversation_hash,
)
from pipeline.domain.outcomes import (
    ALREADY,
    DONE,
    SUCCESSES,
    StepEnd,
    StepResult,
    is_partial,
    terminal_outcome,
)
from pipeline.stream.batch import Record
from pipeline.stream.dead_letter import dead_letter
from pipeline.stream.producer import Outgoing


@dataclass(frozen=True)
class Called:
    """A write that was begun: under which mode, and when (unix seconds by the broker's clock)."""

    mode: str
    at: float


@dataclass(frozen=True)
class Ended:
    """A step that has ended, and when (unix seconds)."""

    step: Step
    result: StepResult
    at: float
    is_repeated: bool = False
    """Whether an earlier run has done it, and told of it then."""


@dataclass(frozen=True)
class Releasable:
    """For how many seconds after the customer's message a withheld step may be released."""

    reply: float
    """Later than that an automatic answer puzzles a customer."""
    others: float
    """Later than that people have taken care of the ticket, and a route would undo it."""


@dataclass
class Run:
    """One run of one plan: its steps so far. `began` is unix seconds."""

    record: Record
    request: ActionRequest
    began: float
    releasable: Releasable
    ends: dict[str, Ended] = field(default_factory=dict)
    """Action id -> how the step ended, in the order of the steps."""
    withheld: list[Withheld] = field(default_factory=list)
    called: dict[str, Called] = field(default_factory=dict)
    """Action id -> its last write."""
    told: set[str] = field(default_factory=set)
    """Action ids of the steps whose audit is written."""

    def add(self, step: Step, result: StepResult, at: float, *, is_repeated: bool = False) -> None:
        """Notes how a step ended, and when (unix seconds)."""
        self.ends[step.action_id] = Ended(step, result, at, is_repeated)

    def withhold(
        self,
        step: Step,
        *,
        mode: str,
        reason: str,
        rendered: str | None,
        at: float,
    ) -> None:
        """Keeps a step that was not executed, with the plan that would execute it alone."""
        request = self.request
        # A mark tells of its reply, so the two go together; a reply that is done stays done.
        is_route = step.kind == "route"
        life = self.releasable.reply if step.kind == "reply" else self.releasable.others
        alone = [each for each in request.steps if (each.kind == "route") is is_route]
        self.withheld.append(
            Withheld(
                action_id=step.action_id,
                event_id=request.event_id,
                conversation_id=request.conversation_id,
                mode=mode,
                reason=reason,
                kind=step.kind,
                rendered=rendered,
                at=at,
                expires_at=request.received_at + life,
                request=request.model_copy(update={"steps": tuple(alone), "released_by": None}),
            )
        )


class PlanRecords:
    """Builds the records; `now` gives unix seconds."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now

    def done(self, run: Run) -> list[Outgoing]:
        """The steps that the run has done and not told of, which later runs do not repeat."""
        return audited(self._steps(run, DONE), run.record)

    def parked(self, run: Run, code: str, detail: Mapping[str, float]) -> list[Outgoing]:
        """That a run has ended without an outcome, for now; see `Parking.park`."""
        audit = self._audit(run, "parked", code, self._now(), detail=detail)
        return audited([audit], run.record)

    def ended(self, run: Run, patience: Patience) -> list[Outgoing]:
        """Everything that a finished run has to say."""
        at = self._now()
        results = [each.result for each in run.ends.values()]
        outcome = terminal_outcome(results, triage=run.request.decision.triage)
        records = [
            outgoing(
                topics.WITHHELD, held, key=run.record.key, cause=run.record,
                id_=held.action_id, at=held.at,
            )
            for held in run.withheld
        ]  # fmt: skip
        if outcome is Outcome.DEAD_LETTERED:
            code = results[-1].reason or "failed"
            records.append(
                dead_letter(
                    run.record,
                    stage="act",
                    reason=code,
                    attempt=max(1, patience.failures),
                    failed_at=patience.since or at,
                )
            )
        steps = self._steps(run, frozenset(StepEnd) - {StepEnd.SKIPPED})
        return [*records, *audited([*steps, self._end(run, outcome, results, at)], run.record)]

    def _steps(self, run: Run, ends: Collection[StepEnd]) -> list[Audit]:
        """The audit of each step that ended so, once a run, as of its own time."""
        new = [
            each
            for id_, each in run.ends.items()
            if each.result.end in ends and id_ not in run.told
        ]
        run.told |= {each.step.action_id for each in new}
        return [
            self._audit(run, each.result.end.value, each.result.reason, each.at, step=each.step)
            for each in new
        ]

    def _end(self, run: Run, outcome: Outcome, results: list[StepResult], at: float) -> Audit:
        ends = [each for each in run.ends.values() if each.result.end is not StepEnd.SKIPPED]
        reason = next((each.result.reason for each in reversed(ends) if each.result.reason), None)
        detail: dict[str, float] = {
            "steps": len(run.request.steps),
            "done": sum(each.end in SUCCESSES for each in results),
        }
        if is_partial(results):
            detail["partial"] = True
        if run.request.released_by is not None:
            detail["released"] = True
        # The row of a last step that is safe to repeat was written together with this record.
        if ends and ends[-1].result.reason == ALREADY and ends[-1].step.kind != "reply":
            detail["repeated"] = True
        return self._audit(run, "ended", reason, at, outcome=outcome, detail=detail)

    def _audit(
        self,
        run: Run,
        what: str,
        reason: str | None,
        at: float,
        *,
        step: Step | None = None,
        outcome: Outcome | None = None,
        detail: Mapping[str, float] = {},
    ) -> Audit:
        request = run.request
        return Audit(
            stage="act",
            what=what,
            ingress_id=request.ingress_id,
            event_id=request.event_id,
            action_id=None if step is None else step.action_id,
            conversation_hash=conversation_hash(request.tenant, request.conversation_id),
            outcome=outcome,
            reason=reason,
            detail={
                "seconds": round(max(0.0, at - run.began), 6),
                "intent": request.decision.intent,
                "channel": request.channel,
                **_of_step(run, step),
                **detail,
            },
            received_at=request.received_at,
            at=at,
        )


def _of_step(run: Run, step: Step | None) -> dict[str, str | float]:
    """What the audit of a step says besides: its kind, and under which mode it was written."""
    if step is None:
        return {}
    said: dict[str, str | float] = {"action": step.kind}
    called = run.called.get(step.action_id)
    if called is not None:
        said |= {"mode": called.mode, "called_at": round(called.at, 3)}
    if step.action_id in run.ends and run.ends[step.action_id].is_repeated:
        said["repeated"] = True
    return said
