"""The fake shop: the helpdesk's linked orders as Shopify shows them, behind its leaky bucket.

40 requests at once, 2 a second in the long run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.richpanel import answer

BURST, RATE = 40, 2.0


class Shopify:
    """`orders` as the fake helpdesk holds them; `monotonic` gives seconds."""

    def __init__(
        self,
        orders: Mapping[str, Mapping[str, Any]],
        *,
        token: str,
        monotonic: Callable[[], float],
    ) -> None:
        self._orders = orders
        self._token = token
        self._monotonic = monotonic
        self._level, self._at = 0.0, 0.0

    def app(self, extra: Iterable[Route]) -> Starlette:
        """The ASGI app."""
        return Starlette(
            routes=[*extra, Route("/admin/api/{version}/orders/{id}.json", self.order)]
        )

    async def order(self, request: Request) -> Response:
        """GET one order."""
        now = self._monotonic()
        self._level = max(0.0, self._level - (now - self._at) * RATE)
        self._at = now
        if self._level + 1 > BURST:
            return answer(429, {"errors": "too many"}, {"Retry-After": "2.0"})
        self._level += 1
        headers = {"X-Shopify-Api-Call-Limit": f"{int(self._level)}/{BURST}"}
        headers["X-Shopify-Shop-Api-Call-Limit"] = headers["X-Shopify-Api-Call-Limit"]
        if request.headers.get("X-Shopify-Access-Token") != self._token:
            return answer(401, {"errors": "unauthorized"}, headers)
        for order in self._orders.values():
            if order["orderId"] == request.path_params["id"]:
                return answer(200, {"order": as_shopify_shows(order)}, headers)
        return answer(404, {"errors": "Not Found"}, headers)


def as_shopify_shows(order: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an order of Shopify's Admin API that anybody here reads, in its own shape."""
    number = order.get("orderNumber", 1000)
    parcels = [
        {
            "id": 255_858_046 + index,
            "status": "success",
            "tracking_number": tracking.get("trackingNumber"),
            "tracking_numbers": [tracking.get("trackingNumber")],
            "tracking_url": tracking.get("trackingUrl"),
            "tracking_urls": [tracking.get("trackingUrl")],
        }
        for fulfillment in order.get("fulfillment", [])
        for index, tracking in enumerate(fulfillment.get("tracking", []))
    ]
    status = order.get("fulfillmentStatus")
    return {
        "id": int(order["orderId"]),
        "name": f"#{number}",
        "order_number": number,
        "financial_status": "paid",
        # Shopify says null where nothing was sent yet.
        "fulfillment_status": None if status == "unfulfilled" else status,
        "order_status_url": order.get("statusUrl"),
        "fulfillments": parcels,
        "line_items": [],
    }
