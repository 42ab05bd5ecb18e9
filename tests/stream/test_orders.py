"""Order-status replies: what is told, what is asked, and which calls are left out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from agents.calls import Calls
from agents.gate import Gate
from agents.orders import Orders, Reading
from agents.patience import Patience
from agents.permits import Lowered
from pipeline.app import Stage
from pipeline.domain.order_replies import OrderFacts
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import LinkedOrder, Order, RateLimited, Transient, VendorError
from tests.stream.memory_broker import MemoryBroker, batch_of, run_batch
from tests.stream.test_act_agent import Desk, acting, recorded, request_for

LINKED = LinkedOrder("17", "shop-1")
KNOWN = Order(None, "fulfilled", "https://track.example.com/17")
AT_SHOP = Order("#1017", "unfulfilled", "https://shop.example.com/17")


@dataclass
class Shop:
    known: Order | None = AT_SHOP
    asked: list[str] = field(default_factory=list)

    async def order(self, order_id: str) -> Order | None:
        self.asked.append(order_id)
        return self.known


@dataclass
class CountingDesk(Desk):
    """Counts what is asked about orders, and fails where it is told to."""

    asked: int = 0
    failure: VendorError | None = None

    async def linked_order(self, ticket_id: str) -> LinkedOrder | None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.linked


def found(
    desk: CountingDesk,
    shop: Shop | None = None,
    *,
    mode: str = "live",
    shed: frozenset[str] = frozenset(),
    closed: str = "",
    reading: Reading = contextlib.nullcontext,
) -> OrderFacts | None:
    """What is known of the ticket's order; `closed` names the vendor whose gate is closed."""

    async def play() -> OrderFacts | None:
        def calls(vendor: str) -> Calls:
            bucket = WindowBucket(limit=1000, window=1)
            gate = Gate(vendor, bucket, monotonic=lambda: 0.0, now=lambda: 0.0)
            if vendor == closed:
                gate.close(60)
            return Calls(gate, deadline=1, now=lambda: 0.0, uniform=lambda low, _: low)

        orders = Orders(desk, calls("richpanel"), shop, calls("shopify"), lambda what: what in shed)
        return await orders.linked_to("t1", Patience(asyncio.sleep), mode=mode, reading=reading)

    return asyncio.run(play())


def test_what_the_helpdesk_knows_is_enough() -> None:
    shop = Shop()
    facts = found(CountingDesk(linked=LINKED, known_order=KNOWN), shop)
    assert facts == OrderFacts("17", "fulfilled", "https://track.example.com/17")
    assert shop.asked == []


def test_the_shop_is_asked_for_a_linked_order_that_the_helpdesk_does_not_know() -> None:
    shop = Shop()
    facts = found(CountingDesk(linked=LINKED), shop)
    assert facts == OrderFacts("#1017", "unfulfilled", "https://shop.example.com/17")
    assert shop.asked == ["17"]


def test_without_a_link_nothing_is_looked_up() -> None:
    shop = Shop()
    assert found(CountingDesk(known_order=KNOWN), shop) is None
    assert shop.asked == []


@pytest.mark.parametrize("error", [Transient("http_503"), RateLimited("http_429", 60.0)])
def test_a_look_up_that_fails_is_not_tried_again(error: VendorError) -> None:
    desk = CountingDesk(linked=LINKED, failure=error)
    assert found(desk) is None
    assert desk.asked == 1


@pytest.mark.parametrize("calls", range(4))
def test_a_mode_that_falls_to_stop_between_two_look_ups_ends_them(calls: int) -> None:
    entered: list[int] = []

    @contextlib.asynccontextmanager
    async def reading() -> AsyncIterator[None]:
        if len(entered) == calls:
            raise Lowered
        entered.append(1)
        yield

    desk, shop = CountingDesk(linked=LINKED), Shop()
    facts = found(desk, shop, reading=reading)
    assert (facts is None, desk.asked, len(shop.asked)) == (calls < 3, min(calls, 1), calls // 3)


def test_look_ups_are_left_out_first() -> None:
    for mode in ("stop", "shadow", "route_only"):
        desk = CountingDesk(linked=LINKED, known_order=KNOWN)
        assert found(desk, mode=mode) is None
        assert desk.asked == 0
    flagged = CountingDesk(linked=LINKED, known_order=KNOWN)
    assert found(flagged, shed=frozenset({"order_lookups"})) is None
    assert flagged.asked == 0
    closed = CountingDesk(linked=LINKED, known_order=KNOWN)
    assert found(closed, closed="richpanel") is None
    assert closed.asked == 0


def test_the_shop_is_left_out_by_itself() -> None:
    for options in ({"shed": frozenset({"shop_lookups"})}, {"closed": "shopify"}):
        shop = Shop()
        assert found(CountingDesk(linked=LINKED), shop, **options) is None
        assert shop.asked == []


@pytest.mark.parametrize(("linked", "tells"), [(LINKED, True), (None, False)])
def test_a_reply_tells_the_tracking_of_a_linked_order_and_of_no_other(
    make_stage: Callable[[str], Stage],
    memory_broker: MemoryBroker,
    linked: LinkedOrder | None,
    *,
    tells: bool,
) -> None:
    desk = Desk(linked=linked, known_order=KNOWN)

    async def play() -> None:
        stage = make_stage("act")
        request = request_for("Where is my order?", "order_status_tracking")
        await run_batch(acting(stage, desk), batch_of([recorded(request)]))
        await stage.table.close()

    asyncio.run(play())
    (reply,) = desk.replies
    assert ("https://track.example.com/17" in reply) is tells
    assert ("reply with your order number" in reply) is not tells
