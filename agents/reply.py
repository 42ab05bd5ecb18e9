"""One reply, at most once: what the ledger says decides every move (`pipeline.domain.ledger`).

A reply that was reserved and is not known to be done is never sent again before the ticket, read
back, has told that it did not go out.
"""

from __future__ import annotations

from collections.abc import Callable

from agents.calls import Calls
from agents.sending import Lease, ReplyTask, Sending, mark_of
from pipeline.domain.ledger import (
    AlreadyDone,
    DoneOutcome,
    ReadBack,
    RecordDone,
    Send,
    Triage,
    Wait,
    next_move,
)
from pipeline.domain.permit import Withhold
from pipeline.ports import Helpdesk
from tables.ledger import LedgerTable, Rows

READ_BACK_PAUSE = 1.0
"""Seconds between the two reads that must agree before a reply counts as not sent."""


class Replier:
    """Runs reply steps through the ledger; `broker_now` is unix seconds by the broker's clock."""

    def __init__(
        self,
        ledger: LedgerTable,
        helpdesk: Helpdesk,
        calls: Calls,
        sending: Sending,
        *,
        lease: Lease,
        broker_now: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._helpdesk = helpdesk
        self._calls = calls
        self._sending = sending
        self._lease = lease
        self._broker_now = broker_now

    async def reply(self, task: ReplyTask) -> DoneOutcome | Withhold:
        """How the step ended.

        Raises:
            AssignmentEnded: the partition went away; the next owner goes on from the ledger.
            GivenUp: the helpdesk cannot be read, so nothing was decided.
            Later: it takes too long to wait for it here; the ledger tells how to go on.
            Stalled: the process must end.
        """
        marker_found: bool | None = None
        while True:
            rows = await self._rows(task)
            match next_move(
                rows.intent,
                rows.done,
                now=self._broker_now(),
                settle=self._lease.settle,
                marker_found=marker_found,
                unsettled=self._lease.unsettled,
            ):
                case AlreadyDone(outcome=outcome):
                    return outcome
                case Send(attempt=attempt):
                    marker_found = None
                    withheld = await self._sending.turn(task, rows, attempt)
                    if withheld is not None:
                        return withheld
                case Wait(until=until):
                    await task.patience.wait(until - self._broker_now(), "unsettled")
                case ReadBack(times=times):
                    marker_found = await self._read_back(task, times)
                case RecordDone(outcome=outcome):
                    await self._sending.done(task, outcome)
                case Triage():
                    await self._sending.done(task, DoneOutcome.TRIAGED)

    async def _rows(self, task: ReplyTask) -> Rows:
        return await self._ledger.rows(
            task.assignment.partition, task.step.action_id, task.request.conversation_id
        )

    async def _read_back(self, task: ReplyTask, times: int) -> bool:
        # Under `stop` too: what may have gone out must be known, and reading it back tells nobody.
        ticket_id = task.request.conversation_id
        for attempt in range(times):
            if attempt:
                await task.assignment.sleep(READ_BACK_PAUSE)
            ticket = await self._calls.repeatable(
                lambda: self._helpdesk.ticket(ticket_id), task.patience
            )
            if mark_of(ticket, task) is not None:
                return True
        return False
