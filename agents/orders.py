"""Looking up the order that a customer asks about. All calls in here are optional.

Each is made once; when it fails, is shed or would have to wait, the reply asks for the order
number instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeVar

from agents.calls import Calls
from agents.patience import Later, Patience
from agents.permits import Lowered
from pipeline import telemetry
from pipeline.domain.order_replies import OrderFacts
from pipeline.domain.shedding import ORDER_LOOKUPS, SHOP_LOOKUPS, why_shed
from pipeline.ports import Helpdesk, LinkedOrder, Order, Shop, VendorError

T = TypeVar("T")
Reading = Callable[[], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Orders:
    """What the helpdesk and the shop know of orders.

    `is_shed` tells whether an operator has switched a kind of call off, by its name.
    """

    helpdesk: Helpdesk
    calls: Calls
    shop: Shop | None
    shop_calls: Calls
    is_shed: Callable[[str], bool]

    async def linked_to(
        self, ticket_id: str, patience: Patience, *, mode: str, reading: Reading
    ) -> OrderFacts | None:
        """The facts of the order that is linked to a ticket; None = ask the customer.

        `reading` is around each call, see `Permits.reading`.
        """
        if self._is_off(ORDER_LOOKUPS, self.calls, mode):
            return None
        try:
            linked = await self.calls.once(
                _within(reading, lambda: self.helpdesk.linked_order(ticket_id)), patience
            )
            if linked is None:
                return None
            order = await self.calls.once(
                _within(reading, lambda: self.helpdesk.order(linked)), patience
            )
            if order is None or order.status is None:
                order = await self._at_the_shop(linked, patience, mode, reading)
        except Lowered:
            telemetry.SHED.labels(ORDER_LOOKUPS, "mode").inc()
            return None
        except (VendorError, Later):
            telemetry.SHED.labels(ORDER_LOOKUPS, "failed").inc()
            return None
        if order is None:
            return None
        return OrderFacts(order.number or linked.order_id, order.status, order.tracking_url)

    async def _at_the_shop(
        self, linked: LinkedOrder, patience: Patience, mode: str, reading: Reading
    ) -> Order | None:
        shop = self.shop
        if shop is None or self._is_off(SHOP_LOOKUPS, self.shop_calls, mode):
            return None
        return await self.shop_calls.once(
            _within(reading, lambda: shop.order(linked.order_id)), patience
        )

    def _is_off(self, what: str, calls: Calls, mode: str) -> bool:
        closed = calls.gate.closed_for > 0
        why = why_shed(mode=mode, is_flagged=self.is_shed(what), is_closed=closed)
        if why is not None:
            telemetry.SHED.labels(what, why).inc()
        return why is not None


def _within(reading: Reading, call: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    async def guarded() -> T:
        async with reading():
            return await call()

    return guarded
