"""Shopify, read only: the fallback when the helpdesk knows of no order (DOMAIN section 2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.clients.vendor_http import VendorHttp
from pipeline.ports import Permanent, Transient


@dataclass(frozen=True)
class ShopifyOrder:
    """What a reply may need of an order; `name` is the number that the customer knows."""

    id: str
    name: str
    fulfillment_status: str | None
    tracking_urls: tuple[str, ...]


class _Fulfillment(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    tracking_url: str | None = None


class _Order(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", hide_input_in_errors=True)

    id: str
    name: str
    fulfillment_status: str | None = None
    fulfillments: list[_Fulfillment] = []


class Shopify:
    """One shop.

    Args:
        base_url: ``https://shop.example`` without path.
        token: of the Admin API.
        version: of the Admin API, e.g. ``2025-10``.
        timeout: total seconds of one call.
        on_remaining: is told how many requests the leaky bucket still takes.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        version: str,
        timeout: float,
        on_remaining: Callable[[int], None] | None = None,
    ) -> None:
        self._version = version
        self._on_remaining = on_remaining
        self._http = VendorHttp(
            vendor="shopify",
            base_url=base_url,
            headers={"X-Shopify-Access-Token": token},
            timeout=timeout,
            on_response=self._tell_remaining,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def order(self, order_id: str) -> ShopifyOrder:
        """The order with this numeric id.

        Raises:
            Transient: no answer or no usable one.
            Permanent: no such order, no access, or an id that is no number.
        """
        if re.fullmatch(r"[0-9]{1,20}", order_id) is None:
            raise Permanent("unusable_id")
        answer = await self._http.read(f"/admin/api/{self._version}/orders/{order_id}.json")
        order = _parsed(answer.get("order"))
        urls = (part.tracking_url for part in order.fulfillments)
        return ShopifyOrder(
            id=order.id,
            name=order.name,
            fulfillment_status=order.fulfillment_status,
            tracking_urls=tuple(url for url in urls if url),
        )

    def _tell_remaining(self, headers: Mapping[str, str]) -> None:
        """Reads ``X-Shopify-Shop-Api-Call-Limit: 32/40``, used of size."""
        limit = re.fullmatch(
            r"([0-9]{1,6})/([0-9]{1,6})", headers.get("X-Shopify-Shop-Api-Call-Limit", "")
        )
        if limit is not None and self._on_remaining is not None:
            self._on_remaining(max(0, int(limit[2]) - int(limit[1])))


def _parsed(order: Any) -> _Order:
    try:
        return _Order.model_validate(order)
    except ValidationError:
        raise Transient("garbage_order") from None
