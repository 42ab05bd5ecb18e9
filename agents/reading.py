"""The words of a message that its webhook did not bring, read at the helpdesk.

Short waits are sat out, longer ones are the ticket's: it is put aside (`Later`) and tried again.
That ends, because a ticket that a human sees late is worse than one that a human sorts by hand.
"""

from __future__ import annotations

from agents.calls import Calls, GivenUp
from agents.patience import Later, Patience
from agents.permits import on_the_wire, until_fresh
from pipeline.control import Control
from pipeline.domain.bare_webhook import completed
from pipeline.domain.events import AcceptedTicket
from pipeline.domain.modes import Mode, Subject
from pipeline.ports import Helpdesk, TicketState, Transient


class Unread(Exception):
    """The words are not to be had; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Reading:
    """Reads tickets unless the mode is `stop`, which calls nobody.

    `rate` is how many all workers together may read in a second; `longest_read` is how many
    seconds one read may be on the wire.
    """

    def __init__(
        self,
        helpdesk: Helpdesk,
        calls: Calls,
        control: Control,
        *,
        rate: float,
        longest_read: float,
    ) -> None:
        self._helpdesk = helpdesk
        self._calls = calls
        self._control = control
        self._rate = rate
        self._longest_read = longest_read

    async def complete(self, ticket: AcceptedTicket, patience: Patience) -> AcceptedTicket:
        """`ticket` with the words, message id and channel that the helpdesk shows.

        Raises:
            Unread: the mode, the helpdesk or the ticket has none, or it took too long.
            Later: gate, budget or helpdesk let nobody read for longer than one waits in line.
        """
        await self._refreshed(patience)
        self._refuse_at_stop(ticket)

        async def read() -> TicketState:
            await self._refreshed(patience)  # the wait in line may be long
            # It may wait for another's list of tags, or fetch that list, page by page.
            async with on_the_wire(self._control, self._longest_read, Transient):
                self._refuse_at_stop(ticket)
                return await self._helpdesk.ticket(ticket.conversation_id)

        try:
            self._refuse_a_long_line(patience.inline)
            state = await self._calls.repeatable(read, patience, within=patience.inline)
        except GivenUp as error:
            raise Unread(error.code) from None
        except Later as later:
            if (in_time := self._calls.in_time(later, patience)) is not None:
                raise in_time from None
            raise Unread(later.code) from None
        found = completed(ticket, state.comments, channel=state.channel)
        if found is None:
            raise Unread("no_words")
        return found

    async def _refreshed(self, patience: Patience) -> None:
        await until_fresh(lambda: self._control.is_fresh, patience.sleep)

    def _refuse_at_stop(self, ticket: AcceptedTicket) -> None:
        subject = Subject(tenant=ticket.tenant, channel=ticket.channel)
        if self._control.effective(subject) is Mode.STOP:
            raise Unread("mode")

    def _refuse_a_long_line(self, seconds: float) -> None:
        # Whoever waits holds a place that a ticket whose words are here could have: no more of
        # them than the budget lets through in the time that one waits in line.
        gate = self._calls.gate
        if gate.waiting >= max(1.0, self._rate * (gate.part() or 0.0) * seconds):
            raise Later(seconds, "over_budget")
