"""The words of a message that its webhook did not bring, read at the helpdesk.

Waiting holds up nobody who could go on: what a plan asks of the helpdesk passes the same gate. But
it ends, because a ticket that a human sees late is worse than one that a human sorts by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agents.calls import Calls, GivenUp
from agents.patience import Later, Patience
from agents.permits import until_fresh
from pipeline.control import Control
from pipeline.domain.bare_webhook import completed
from pipeline.domain.events import AcceptedTicket
from pipeline.domain.modes import Mode, Subject
from pipeline.ports import Helpdesk, TicketState

READ_WITHIN = 45.0
"""Seconds for all tries together; a gate that closed at the real budget opens within 30."""

Sleep = Callable[[float], Awaitable[None]]


class Unread(Exception):
    """The words are not to be had now; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Reading:
    """Reads tickets unless the mode is `stop`, which calls nobody; `within` is in seconds."""

    def __init__(
        self, helpdesk: Helpdesk, calls: Calls, control: Control, *, within: float = READ_WITHIN
    ) -> None:
        self._helpdesk = helpdesk
        self._calls = calls
        self._control = control
        self._within = within

    async def complete(self, ticket: AcceptedTicket, sleep: Sleep) -> AcceptedTicket:
        """`ticket` with the words, message id and channel that the helpdesk shows.

        Raises:
            Unread: the mode, the gate, the budget, the helpdesk or the ticket has none.
        """
        await until_fresh(lambda: self._control.is_fresh, sleep)

        async def read() -> TicketState:
            with self._control.on_the_wire():
                if self._mode(ticket) is Mode.STOP:
                    raise Unread("mode")
                return await self._helpdesk.ticket(ticket.conversation_id)

        try:
            async with asyncio.timeout(self._within):
                state = await self._calls.repeatable(read, Patience(sleep, inline=self._within))
        except TimeoutError:
            raise Unread("timeout") from None
        except (GivenUp, Later) as error:
            raise Unread(error.code) from None
        found = completed(ticket, state.comments, channel=state.channel)
        if found is None:
            raise Unread("no_words")
        return found

    def _mode(self, ticket: AcceptedTicket) -> Mode:
        return self._control.effective(Subject(tenant=ticket.tenant, channel=ticket.channel))
