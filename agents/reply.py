"""One reply, at most once: reserve it durably, send it, write that it is done.

What the ledger says decides every move (`pipeline.domain.ledger`). Between the fence and the
send there is no await, so no rebalance, pause or slow neighbour can come between them unseen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agents.calls import Calls, GivenUp
from pipeline.domain.events import ActionRequest, ReplyStep
from pipeline.domain.ledger import (
    AlreadyDone,
    Done,
    DoneOutcome,
    Intent,
    ReadBack,
    RecordDone,
    Send,
    Triage,
    Wait,
    next_move,
)
from pipeline.domain.outcomes import StepEnd, StepResult
from pipeline.domain.templates import carries
from pipeline.ports import Ambiguous, Helpdesk, Permanent, TicketState, VendorError
from pipeline.stream.batch import Assignment, AssignmentEnded
from tables.ledger import LedgerTable

READ_BACK_PAUSE = 1.0
"""Seconds between the two reads that must agree before a reply counts as not sent."""

ENDS = {
    DoneOutcome.SENT: StepResult(StepEnd.REPLIED),
    DoneOutcome.FOUND: StepResult(StepEnd.REPLIED, "found"),
    DoneOutcome.FAILED: StepResult(StepEnd.TRIAGED, "refused"),
    DoneOutcome.TRIAGED: StepResult(StepEnd.TRIAGED, "unknown"),
}


@dataclass(frozen=True)
class Sendable:
    """A reply that the permit allows, as it will be sent."""

    ticket: TicketState
    body: str


@dataclass(frozen=True)
class ReplyTask:
    """One reply step of one request, under one assignment."""

    request: ActionRequest
    step: ReplyStep
    assignment: Assignment
    permit: Callable[[TicketState], Sendable | StepResult]
    """Asked with the ticket as it was read just now."""


class Replier:
    """Runs reply steps through the ledger. `now` is unix seconds, `monotonic` seconds."""

    def __init__(
        self,
        ledger: LedgerTable,
        helpdesk: Helpdesk,
        calls: Calls,
        *,
        worker: str,
        lease: float,
        settle: float,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._helpdesk = helpdesk
        self._calls = calls
        self._worker = worker
        self._lease = lease
        self._settle = settle
        self._now = now
        self._monotonic = monotonic

    async def reply(self, task: ReplyTask) -> StepResult:
        """How the step ended.

        Raises:
            AssignmentEnded: the partition went away; the next owner goes on from the ledger.
            GivenUp: the helpdesk cannot be read, so nothing was decided.
        """
        action, partition = task.step.action_id, task.assignment.partition
        marker_found: bool | None = None
        started, attempt = self._monotonic(), 0
        while True:
            rows = await self._ledger.rows(partition, action)
            match next_move(
                rows.intent,
                rows.done,
                now=self._now(),
                settle=self._settle,
                marker_found=marker_found,
            ):
                case AlreadyDone(outcome=outcome):
                    return ENDS[outcome]
                case Send():
                    attempt += 1
                    ended = await self._send(task, attempt, started)
                    if ended is not None:
                        return ended
                case Wait(until=until):
                    await task.assignment.sleep(until - self._now())
                case ReadBack(times=times):
                    marker_found = await self._read_back(task, times)
                case RecordDone():
                    await self._done(task, DoneOutcome.FOUND)
                case Triage():
                    await self._done(task, DoneOutcome.TRIAGED)

    async def _send(self, task: ReplyTask, attempt: int, started: float) -> StepResult | None:
        """Reserves and sends; None when the ledger must be asked again."""
        ticket = await self._read(task)
        allowed = task.permit(ticket)
        if isinstance(allowed, StepResult):
            return allowed
        await self._calls.gate.enter(task.assignment.sleep)
        lease_ends = self._monotonic() + self._lease
        await self._ledger.reserve(
            task.assignment.partition,
            Intent(
                action_id=task.step.action_id,
                worker=self._worker,
                deadline_at=self._now() + self._lease,
                at=self._now(),
            ),
        )
        try:
            await self._send_fenced(task, allowed, lease_ends)
        except (Ambiguous, TimeoutError):
            return None
        except Permanent:
            await self._done(task, DoneOutcome.FAILED)
            return None
        except VendorError as error:
            # Nothing was written, and we are the only one who could have: the intent may go.
            await self._ledger.release(task.assignment.partition, task.step.action_id)
            await task.assignment.sleep(self._calls.wait_after(error, attempt, started))
            return None
        await self._done(task, DoneOutcome.SENT)
        return None

    async def _send_fenced(self, task: ReplyTask, allowed: Sendable, lease_ends: float) -> None:
        left = lease_ends - self._monotonic()
        if not task.assignment.is_current:
            raise AssignmentEnded
        if left <= 0:
            # This process slept through its lease; whether another one acts now is not known.
            raise TimeoutError
        async with asyncio.timeout(left):
            await self._helpdesk.send_reply(allowed.ticket, body=allowed.body)

    async def _read(self, task: ReplyTask) -> TicketState:
        ticket_id = task.request.conversation_id
        return await self._calls.repeatable(
            lambda: self._helpdesk.ticket(ticket_id), task.assignment.sleep
        )

    async def _read_back(self, task: ReplyTask, times: int) -> bool:
        for attempt in range(times):
            if attempt:
                await task.assignment.sleep(READ_BACK_PAUSE)
            ticket = await self._read(task)
            if any(carries(comment.body, task.step.action_id) for comment in ticket.comments):
                return True
        return False

    async def _done(self, task: ReplyTask, outcome: DoneOutcome) -> None:
        done = Done(action_id=task.step.action_id, outcome=outcome, at=self._now())
        await self._ledger.finish(task.assignment.partition, done)


__all__ = ["GivenUp", "Replier", "ReplyTask", "Sendable"]
