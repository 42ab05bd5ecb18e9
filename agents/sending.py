"""One try at a reply: read the ticket, ask the permit, reserve the reply durably, send it.

All of it within one turn at the vendor's gate, so no wait for budget makes the permit old. Between
the fence and the send there is no await, so no rebalance, pause or slow neighbour can come between
them unseen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agents.calls import Calls
from agents.counts import CustomerCounts
from agents.patience import Patience
from agents.permits import Lowered, Permits
from pipeline.domain.events import ActionRequest, ReplyStep
from pipeline.domain.ledger import Breach, Done, DoneOutcome, Intent, Unsettled, fence
from pipeline.domain.permit import Allow, WithheldReason, Withhold, reply_form
from pipeline.domain.templates import carries
from pipeline.ports import Ambiguous, Helpdesk, Permanent, TicketState, VendorError
from pipeline.stream.batch import Assignment, AssignmentEnded
from pipeline.stream.stall import StallMonitor, StoodStill
from tables.ledger import LedgerTable, Rows

log = logging.getLogger(__name__)

READ_AND_SEND = 2
"""Requests of one reply that have their place in the budget before the first is made."""


class Stalled(StoodStill):
    """This process stood still while it had a reply in hand, so it may have been replaced.

    It must end: only a fresh start knows again what it owns.
    """


class _Forbidden(Exception):
    """The fence held the reply back because the mode was lowered."""


@dataclass(frozen=True)
class Lease:
    """How long a reserved reply may be on its way, in seconds.

    `settle` passes after `seconds` before reading back tells whether it went out.
    """

    seconds: float
    settle: float
    unsettled: Unsettled = Unsettled.TRIAGE


@dataclass(frozen=True)
class ReplyTask:
    """One reply step of one request, under one assignment."""

    request: ActionRequest
    step: ReplyStep
    body: str
    """The text with its mark."""
    assignment: Assignment
    patience: Patience
    began: float
    """Monotonic seconds at which the work on the request began."""
    keep: Callable[[Done], Awaitable[None]]
    """Makes the reply's end durable, with all that is to be said of it."""
    calling: Callable[[], None] = lambda: None
    """Called in the step that begins the send."""


class Sending:
    """Sends replies that the ledger allows to send.

    `now` is unix seconds; `broker_now` is the same by the broker's clock, which all workers share;
    `monotonic` is seconds.
    """

    def __init__(
        self,
        ledger: LedgerTable,
        helpdesk: Helpdesk,
        calls: Calls,
        permits: Permits,
        *,
        counts: CustomerCounts,
        stalls: StallMonitor,
        worker: str,
        lease: Lease,
        now: Callable[[], float],
        broker_now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._helpdesk = helpdesk
        self._calls = calls
        self._permits = permits
        self._counts = counts
        self._stalls = stalls
        self._worker = worker
        self._lease = lease
        self._now = now
        self._broker_now = broker_now
        self._monotonic = monotonic

    async def turn(self, task: ReplyTask, rows: Rows, attempt: int) -> Withhold | None:
        """One turn at the gate: reads, asks, reserves, sends. None = ask the ledger again."""
        await self._permits.refreshed(task.assignment.sleep)
        if reply_form(self._permits.mode(task.request, task.step.template)) is None:
            # What no mode allows needs nothing of the helpdesk, not even a read.
            await self._give_up_place(task, rows)
            return Withhold(WithheldReason.MODE)
        try:
            async with self._calls.gate.turn(task.patience, requests=READ_AND_SEND):
                return await self._send(task, rows, attempt)
        except Lowered:
            await self._give_up_place(task, rows)
            return Withhold(WithheldReason.MODE)
        except VendorError as error:
            # Nothing was written; whatever was reserved has been taken back.
            await self._calls.failed(error, task.patience)
            return None

    async def _send(self, task: ReplyTask, rows: Rows, attempt: int) -> Withhold | None:
        async with self._permits.reading(
            task.request, task.assignment.sleep, template=task.step.template
        ):
            ticket = await self._helpdesk.ticket(task.request.conversation_id)
        if (found := mark_of(ticket, task)) is not None:
            # Not even an intent stands here, and yet it was sent: the ledger was lost.
            await self.done(task, found)
            return None
        verdict = self._permits.reply(
            task.request, task.step, ticket, on_ticket=rows.ticket.others(task.step.action_id)
        )
        if isinstance(verdict, Withhold):
            await self._give_up_place(task, rows)
            return verdict
        lease_ends = self._monotonic() + self._lease.seconds
        intent = await self._reserve(task, rows, ticket, attempt, verdict)
        try:
            await self._send_fenced(task, ticket, verdict, lease_ends)
        except (Ambiguous, TimeoutError):
            return None
        except Permanent:
            await self.done(task, DoneOutcome.FAILED)
            return None
        except _Forbidden:
            await self._ledger.take_back(task.assignment.partition, intent)
            return None
        except VendorError:
            # Nothing was written, and we are the only one who could have: the intent may go.
            await self._ledger.take_back(task.assignment.partition, intent)
            raise
        await self.done(task, DoneOutcome.DRAFTED if verdict.as_note else DoneOutcome.SENT)
        return None

    async def _reserve(
        self, task: ReplyTask, rows: Rows, ticket: TicketState, attempt: int, form: Allow
    ) -> Intent:
        action_id, at = task.step.action_id, self._now()
        intent = Intent(
            action_id=action_id,
            worker=self._worker,
            deadline_at=self._broker_now() + self._lease.seconds,
            at=at,
            conversation_id=task.request.conversation_id,
            generation=task.assignment.generation,
            attempt=attempt,
            as_note=form.as_note,
        )
        customer = self._permits.customer(task.request, ticket)
        counted = self._counts.reserve(customer, action_id, at)
        counts = rows.ticket.plus(action_id, customer, at)
        await self._ledger.reserve(task.assignment.partition, intent, counts, [counted])
        return intent

    async def _give_up_place(self, task: ReplyTask, rows: Rows) -> None:
        """A reply that had its place in the caps, and lost its permit before it was sent."""
        action_id, places = task.step.action_id, rows.ticket.replies
        mine = next((each for each in places if each.action_id == action_id), None)
        if mine is not None:
            uncounted = self._counts.give_up(mine.customer, action_id)
            without = rows.ticket.minus(action_id)
            await self._ledger.give_up_place(task.assignment.partition, without, [uncounted])

    async def _send_fenced(
        self, task: ReplyTask, ticket: TicketState, form: Allow, lease_ends: float
    ) -> None:
        with self._permits.on_the_wire():
            left = lease_ends - self._monotonic()
            breach = fence(
                is_current=task.assignment.is_current,
                has_stalled=self._stalls.since(task.began),
                lease_left=left,
                is_allowed=self._permits.still(form, task.request, task.step),
            )
            if breach is not None:
                raise _BREACHES[breach]
            task.calling()
            async with asyncio.timeout(left):
                await self._written(task, ticket, form)

    async def _written(self, task: ReplyTask, ticket: TicketState, form: Allow) -> None:
        """The one write; whatever breaks in it tells nothing of what has reached the helpdesk."""
        write = self._helpdesk.add_note if form.as_note else self._helpdesk.send_reply
        try:
            await write(ticket, body=task.body)
        except (VendorError, TimeoutError, MemoryError):
            raise
        except Exception as error:
            # A bug of ours: as a dead letter the reply would stay unknown, so it is read back.
            log.exception("a send broke", extra={"fields": {"action_id": task.step.action_id}})
            raise Ambiguous("broken_send") from error

    async def done(self, task: ReplyTask, outcome: DoneOutcome) -> None:
        """Writes how a reply ended; durable when it returns."""
        done = Done(
            action_id=task.step.action_id,
            outcome=outcome,
            at=self._now(),
            conversation_id=task.request.conversation_id,
        )
        await task.keep(done)


_BREACHES: dict[Breach, type[Exception]] = {
    Breach.PARTITION_LOST: AssignmentEnded,
    Breach.STALLED: Stalled,
    Breach.LEASE_OVER: TimeoutError,
    Breach.FORBIDDEN: _Forbidden,
}
"""What each breach of the fence ends: the work, the process, the attempt, or only the permit."""


def mark_of(ticket: TicketState, task: ReplyTask) -> DoneOutcome | None:
    """What the ticket proves of the reply, None = nothing."""
    for comment in ticket.comments:
        if carries(comment.body, task.step.action_id):
            return DoneOutcome.DRAFTED if comment.is_note else DoneOutcome.FOUND
    return None
