"""Asking people to look at a ticket whose plan is a dead letter."""

from __future__ import annotations

import asyncio
import logging

from agents.calls import Calls
from agents.patience import Later, Patience
from agents.permits import Permits
from pipeline.domain.events import ActionRequest, UnreadableValue
from pipeline.domain.permit import may_route
from pipeline.ports import Helpdesk, VendorError
from pipeline.stream.batch import Record

log = logging.getLogger(__name__)

TAG = "middleware_error_needs_attention"
WITHIN = 10.0
"""Seconds that the tag may wait for its turn at the vendor's gate."""


class Attention:
    """Tags tickets, where that is possible: one try each, and none while the gate is closed.

    The dead letter is what counts; what the plan failed of may fail the tag too. Nothing is read
    of the ticket: its content may be what the work broke on, even what took the process down.
    """

    def __init__(self, helpdesk: Helpdesk, calls: Calls, permits: Permits) -> None:
        self._helpdesk = helpdesk
        self._calls = calls
        self._permits = permits

    async def ask(self, request: ActionRequest) -> None:
        """Tags the ticket of `request`; never fails."""

        async def tag() -> None:
            async with self._permits.writing():
                if may_route(self._permits.mode(request)):
                    await self._helpdesk.add_tags(request.conversation_id, (TAG,))

        try:
            await self._calls.once(tag, Patience(asyncio.sleep, inline=0.0), within=WITHIN)
        except (VendorError, Later) as error:
            log.warning("a ticket was not tagged", extra={"fields": {"code": error.code}})
        except Exception:
            # Raised, it would bury a record twice, or for ever.
            log.exception("a ticket was not tagged")

    async def ask_for(self, record: Record) -> None:
        """Tags the ticket of a buried plan; one that cannot be read names none for certain."""
        try:
            request = ActionRequest.parse(record.value)
        except UnreadableValue:
            return
        await self.ask(request)
