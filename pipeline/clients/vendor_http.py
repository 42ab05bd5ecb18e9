"""One HTTP call to a vendor: a total deadline, no retries, every failure told apart.

What a failure means depends on whether something may have been written (tree in `pipeline.ports`):

    failure                               read         write
    no connection                         Transient    Transient
    timeout, reset, broken HTTP           Transient    Ambiguous
    5xx, 408                              Transient    Ambiguous
    429                                   RateLimited  RateLimited
    any other status but 2xx              Permanent    Permanent
    2xx that is no JSON object            Transient    fine
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from pipeline.domain.retry import retry_after_seconds
from pipeline.ports import Ambiguous, Permanent, RateLimited, Transient, VendorError
from pipeline.telemetry import VENDOR_REQUESTS, VENDOR_SECONDS

# Below the five seconds after which common servers close an idle connection: a write that
# meets the server's close is ambiguous, and a human would have to settle it for nothing.
_KEEPALIVE_SECONDS = 4.0
# Share of the deadline for a connection, so that "no connection" is known as such and is not
# taken for a write whose outcome nobody knows.
_CONNECT_SHARE = 0.25

_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_SERVER_ERROR = 500


class VendorHttp:
    """Calls to one vendor under one key.

    Args:
        vendor: the label in metrics.
        base_url: where the vendor is.
        headers: sent with every call; holds the key.
        timeout: total seconds of one call: connect, send and read together.
        on_response: is given the headers of every response.
        now: unix seconds, for ``Retry-After`` as a date.
    """

    def __init__(
        self,
        *,
        vendor: str,
        base_url: str,
        headers: Mapping[str, str],
        timeout: float,
        on_response: Callable[[httpx.Headers], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._vendor = vendor
        self._timeout = timeout
        self._on_response = on_response
        self._now = now
        connect = timeout * _CONNECT_SHARE
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=dict(headers),
            timeout=httpx.Timeout(timeout, connect=connect, pool=connect),
            limits=httpx.Limits(max_connections=100, keepalive_expiry=_KEEPALIVE_SECONDS),
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def read(
        self, path: str, params: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """The JSON object at `path`.

        Raises:
            Transient: no answer, no usable answer, or not now.
            Permanent: never.
        """
        response = await self._call("GET", path, lost=Transient, params=params)
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Transient("garbage")
        return value

    async def write(self, path: str, body: Mapping[str, Any]) -> None:
        """Puts `body` as JSON at `path`.

        Raises:
            Transient: nothing was written.
            Permanent: nothing was written and never will be.
            Ambiguous: only reading back can tell.
        """
        await self._call("PUT", path, lost=Ambiguous, json=body)

    async def _call(
        self, method: str, path: str, *, lost: type[VendorError], **request: Any
    ) -> httpx.Response:
        """One exchange; `lost` is what a request is that may or may not have been acted on."""
        try:
            with VENDOR_SECONDS.labels(self._vendor).time():
                async with asyncio.timeout(self._timeout):
                    response = await self._http.request(method, path, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._counted("unreachable", Transient("unreachable")) from error
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise self._counted("unsendable", Permanent("unsendable")) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise self._counted("timeout", lost("timeout")) from error
        except httpx.HTTPError as error:
            raise self._counted("broken", lost("broken")) from error
        self._on_response(response.headers)
        failure = self._failure(response, lost)
        if failure is not None:
            raise self._counted(status_class(response.status_code), failure)
        VENDOR_REQUESTS.labels(self._vendor, "2xx").inc()
        return response

    def _failure(self, response: httpx.Response, lost: type[VendorError]) -> VendorError | None:
        status = response.status_code
        code = f"http_{status}"
        if response.is_success:
            return None
        if status == _TOO_MANY_REQUESTS:
            header = response.headers.get("Retry-After")
            return RateLimited(code, retry_after_seconds(header, now=self._now()))
        if status >= _SERVER_ERROR or status == _REQUEST_TIMEOUT:
            return lost(code)
        return Permanent(code)

    def _counted(self, what: str, error: VendorError) -> VendorError:
        VENDOR_REQUESTS.labels(self._vendor, what).inc()
        return error


def status_class(status: int) -> str:
    """``2xx``, ``4xx``, ``5xx`` ...; 429 stands for itself, it is the one that is steered by."""
    return "429" if status == _TOO_MANY_REQUESTS else f"{status // 100}xx"
