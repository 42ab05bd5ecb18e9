"""Shopify, read only: the fallback when the helpdesk knows of no order (DOMAIN section 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.clients.vendor_http import VendorHttp
from pipeline.ports import Meter, Order, Permanent, Transient, Unmetered
from pipeline.settings import Settings


class _Wire(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", hide_input_in_errors=True)


class _Fulfillment(_Wire):
    tracking_url: str | None = None


class _Order(_Wire):
    name: str | None = None
    fulfillment_status: str | None = None
    order_status_url: str | None = None
    fulfillments: list[_Fulfillment] = []


class Shopify:
    """One shop as `pipeline.ports.Shop`.

    Args:
        base_url: ``https://shop.example`` without path.
        token: of the Admin API.
        version: of the Admin API, e.g. ``2025-10``.
        timeout: total seconds of one call.
        meter: is told of every request and of how many the leaky bucket still takes.
    """

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        version: str,
        timeout: float,
        meter: Meter | None = None,
    ) -> None:
        self._version = version
        self._http = VendorHttp(
            vendor="shopify",
            base_url=base_url,
            headers={"X-Shopify-Access-Token": token},
            timeout=timeout,
            remaining=_remaining,
            meter=meter or Unmetered(),
        )

    @classmethod
    def from_settings(cls, settings: Settings, *, meter: Meter | None = None) -> Self | None:
        """The shop that the settings name, None where they name none."""
        if settings.shopify_url is None:
            return None
        return cls(
            base_url=settings.shopify_url,
            token=settings.shopify_token.get_secret_value(),
            version=settings.shopify_version,
            timeout=settings.vendor_timeout,
            meter=meter,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def order(self, order_id: str) -> Order | None:
        """The order with this numeric id; None where there is none, or the id is no number.

        Raises:
            Transient: no answer or no usable one.
            Permanent: no access.
        """
        if re.fullmatch(r"[0-9]{1,20}", order_id) is None:
            return None
        try:
            answer = await self._http.read(f"/admin/api/{self._version}/orders/{order_id}.json")
        except Permanent as error:
            if error.code == "http_404":
                return None
            raise
        order = _parsed(answer.get("order"))
        tracked = (part.tracking_url for part in order.fulfillments)
        # Shopify says nothing, not "unfulfilled", of an order that nothing was sent of yet.
        return Order(
            number=order.name,
            status=order.fulfillment_status or "unfulfilled",
            tracking_url=next((url for url in tracked if url), order.order_status_url),
        )


def _remaining(headers: Mapping[str, str]) -> int | None:
    """Reads ``X-Shopify-Shop-Api-Call-Limit: 32/40``, used of size."""
    said = headers.get("X-Shopify-Shop-Api-Call-Limit", "")
    limit = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", said)
    return None if limit is None else max(0, int(limit[2]) - int(limit[1]))


def _parsed(order: Any) -> _Order:
    try:
        return _Order.model_validate(order)
    except ValidationError:
        raise Transient("garbage_order") from None
