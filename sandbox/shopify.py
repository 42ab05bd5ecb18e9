"""The fake shop: orders by id, behind Shopify's leaky bucket of 40 requests, 2 a second."""

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
    """`orders` by id; `monotonic` gives seconds."""

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
        order = self._orders.get(request.path_params["id"])
        if order is None:
            return answer(404, {"errors": "Not Found"}, headers)
        return answer(200, {"order": order}, headers)
