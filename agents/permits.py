"""What the permit is asked with: modes and switches, counts, and the ticket as it is now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager

from agents.counts import CustomerCounts
from pipeline.control import Control
from pipeline.domain.conversation import TicketView, view
from pipeline.domain.events import ActionRequest, ReplyStep, customer_hash
from pipeline.domain.modes import Mode, Subject
from pipeline.domain.permit import (
    Allow,
    Asked,
    Earlier,
    Policy,
    Verdict,
    permit_reply,
    permit_route,
    still_allowed,
)
from pipeline.domain.taxonomy import Intent, tier_of
from pipeline.ports import Ambiguous, TicketState, Transient, VendorError

PATIENCE = 10.0
"""Seconds that a step waits for state that has gone stale, before it is withheld for that."""
_LOOK = 0.1

Sleep = Callable[[float], Awaitable[None]]


async def until_fresh(is_fresh: Callable[[], bool], sleep: Sleep) -> None:
    """Returns when `is_fresh`, or after `PATIENCE` seconds without."""
    for _ in range(round(PATIENCE / _LOOK)):
        if is_fresh():
            return
        await sleep(_LOOK)


@asynccontextmanager
async def on_the_wire(
    control: Control, seconds: float, late: type[VendorError]
) -> AsyncIterator[None]:
    """Around a call that a mode allows, with one deadline over all its requests.

    A worker that is not heard of counts as gone after its longest call. A call of several requests,
    each within its own time, could outlast that and land under a mode that forbids it. Nothing is
    awaited on the way in.

    Raises:
        VendorError: it is not over after `seconds`; of the class `late`.
    """
    with control.on_the_wire():
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise late("timeout") from error


class Lowered(Exception):
    """The mode does not allow a call now that it allowed when the step was begun."""


class Permits:
    """Asks for steps of one tenant's requests.

    `longest_call` is how many seconds a call may be on the wire, `now` gives unix seconds.
    """

    def __init__(
        self,
        control: Control,
        counts: CustomerCounts,
        *,
        policy: Policy,
        tag_prefix: str,
        longest_call: float,
        now: Callable[[], float],
    ) -> None:
        self._control = control
        self._counts = counts
        self._policy = policy
        self.replied_tag = f"{tag_prefix}-auto-replied"
        self._longest_call = longest_call
        self._now = now

    async def refreshed(self, sleep: Sleep) -> None:
        """Returns when modes and counts are fresh, or after `PATIENCE` seconds without.

        A broker that changes its leader must not turn every ticket of these seconds into a
        withheld one; nothing is sent meanwhile. Asked for before a ticket is read, not after:
        what was read must not grow old.
        """
        await until_fresh(lambda: self._control.is_fresh and self._counts.is_fresh, sleep)

    def mode(self, request: ActionRequest, template: str | None = None) -> Mode:
        """The effective mode for a step of `request`."""
        return self._control.effective(
            Subject(
                tenant=request.tenant,
                channel=request.channel,
                intent=request.decision.intent,
                template=template,
            )
        )

    def route(self, request: ActionRequest, ticket: TicketState) -> Verdict:
        """Asks for team and tags."""
        return permit_route(self.mode(request), self._view(request, ticket))

    def reply(
        self,
        request: ActionRequest,
        step: ReplyStep,
        ticket: TicketState,
        *,
        on_ticket: Sequence[float],
    ) -> Verdict:
        """Asks for a reply; `on_ticket` tells when the ticket's other replies were reserved."""
        to_customer = self._counts.others(self.customer(request, ticket), step.action_id)
        return permit_reply(
            Asked(
                channel=request.channel,
                ticket_id=request.conversation_id,
                customer=ticket.customer,
                template_is_on=self._control.template_is_on(step.template),
                tier=tier_of(Intent(request.decision.intent)),
                has_text=request.has_text,
                received_at=request.received_at,
                confidence=request.decision.confidence,
            ),
            mode=self.mode(request, step.template),
            policy=self._policy,
            ticket=self._view(request, ticket),
            earlier=Earlier(on_ticket, to_customer),
            now=self._now(),
        )

    def still(self, form: Allow, request: ActionRequest, step: ReplyStep) -> bool:
        """Whether the mode and the template's switch allow now what was allowed before."""
        mode = self.mode(request, step.template)
        return still_allowed(form, mode) and self._control.template_is_on(step.template)

    def on_the_wire(self) -> AbstractContextManager[None]:
        """Around a send: a lowered mode is not confirmed before it has ended."""
        return self._control.on_the_wire()

    @asynccontextmanager
    async def reading(
        self, request: ActionRequest, sleep: Sleep, *, template: str | None = None
    ) -> AsyncIterator[None]:
        """Around a read for `request`; waits for fresh modes first, as `refreshed` does.

        Raises:
            Lowered: the mode is `stop`.
            Transient: it is not over after `longest_call` seconds.
        """
        await self.refreshed(sleep)
        async with on_the_wire(self._control, self._longest_call, Transient):
            if self.mode(request, template) is Mode.STOP:
                raise Lowered
            yield

    def writing(self) -> AbstractAsyncContextManager[None]:
        """Around a write that may be repeated; nothing is awaited on the way in.

        Raises:
            Ambiguous: it is not over after `longest_call` seconds; some of it may be written.
        """
        return on_the_wire(self._control, self._longest_call, Ambiguous)

    def customer(self, request: ActionRequest, ticket: TicketState) -> str:
        """The customer's hash; where the helpdesk names none, the ticket stands for one."""
        return customer_hash(request.tenant, ticket.customer or f"ticket:{ticket.id}")

    def _view(self, request: ActionRequest, ticket: TicketState) -> TicketView:
        return view(
            ticket.comments,
            is_open=ticket.is_open,
            tags=ticket.tags,
            replied_tag=self.replied_tag,
            message_id=request.message_id,
            received_at=request.received_at,
        )
