"""One HTTP call to a vendor: three deadlines, no retries, every failure told apart.

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
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from pipeline import telemetry
from pipeline.domain.retry import retry_after_seconds
from pipeline.ports import Ambiguous, Meter, Permanent, RateLimited, Transient, VendorError

# Below the five seconds after which common servers close an idle connection: a write that
# meets the server's close is ambiguous, and a human would have to settle it for nothing.
_KEEPALIVE_SECONDS = 4.0
# Share of the deadline for a connection, so that "no connection" is known as such and is not
# taken for a write whose outcome nobody knows.
_CONNECT_SHARE = 0.25
# Share of the deadline for which a connected vendor may be silent: a dead connection is not held for
# as long as an answer that keeps coming.
_READ_SHARE = 0.75

_SUCCESS = range(200, 300)
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Once:
    """Client middleware of one call: lets it onto the wire once.

    aiohttp repeats a GET or PUT by itself when the connection breaks, as RFC 9110 allows for what
    is idempotent by name. A PUT that sends a customer a message is not: it would arrive twice.
    """

    def __init__(self) -> None:
        self._failure: Exception | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._failure is not None:
            raise self._failure
        try:
            return await handler(request)
        except Exception as error:
            self._failure = error
            raise


class VendorHttp:
    """Calls to one vendor under one key.

    Args:
        vendor: the label in metrics.
        base_url: where the vendor is.
        headers: sent with every call; holds the key.
        timeout: total seconds of one call: connect, send and read together. A quarter of them is for
            the connection; three quarters of silence end it too.
        remaining: reads from a response's headers how many requests the vendor still allows.
        meter: is told of every request and of what remains.
        now: unix seconds, for ``Retry-After`` as a date.
    """

    def __init__(
        self,
        *,
        vendor: str,
        base_url: str,
        headers: Mapping[str, str],
        timeout: float,
        remaining: Callable[[Mapping[str, str]], int | None],
        meter: Meter,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._vendor = vendor
        self._timeout = timeout
        self._remaining = remaining
        self._meter = meter
        self._now = now
        self._base_url = base_url.rstrip("/")
        self._http = aiohttp.ClientSession(
            headers={**headers, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(
                total=timeout, connect=timeout * _CONNECT_SHARE, sock_read=timeout * _READ_SHARE
            ),
            connector=aiohttp.TCPConnector(limit=100, keepalive_timeout=_KEEPALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.close()

    async def read(
        self, path: str, params: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """The JSON object at `path`.

        Raises:
            Transient: no answer, no usable answer, or not now.
            Permanent: never.
        """
        body = await self._call("GET", path, lost=Transient, params=params)
        try:
            value = orjson.loads(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise self._counted("unusable", Transient("garbage"))
        telemetry.vendor_call(self._vendor, "2xx")
        return value

    async def write(self, path: str, body: Mapping[str, Any]) -> None:
        """Puts `body` as JSON at `path`.

        Raises:
            Transient: nothing was written.
            Permanent: nothing was written and never will be.
            Ambiguous: only reading back can tell.
        """
        await self._call("PUT", path, lost=Ambiguous, data=orjson.dumps(body))
        telemetry.vendor_call(self._vendor, "2xx")

    async def _call(
        self, method: str, path: str, *, lost: type[VendorError], **request: Any
    ) -> bytes:
        """The body of a 2xx, which the caller counts.

        `lost` is what a request is that may or may not have been acted on.
        """
        try:
            with telemetry.timed("vendor_request_seconds", self._vendor):
                answer = await self._exchange(method, path, **request)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._counted("unreachable", Transient("unreachable")) from error
        except TimeoutError as error:
            raise self._counted("timeout", lost("timeout")) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError) as error:
            raise self._counted("unsendable", Permanent("unsendable")) from error
        except aiohttp.ClientError as error:
            raise self._counted("broken", lost("broken")) from error
        finally:
            self._meter.spent()
        remaining = self._remaining(answer.headers)
        # A 429 closes the gate and says for how long; "0 left" would hold for a whole window more.
        if remaining is not None and answer.status != _TOO_MANY_REQUESTS:
            self._meter.remaining(remaining)
        failure = self._failure(answer, lost)
        if failure is not None:
            raise self._counted(status_class(answer.status), failure)
        return answer.body

    async def _exchange(self, method: str, path: str, **request: Any) -> _Answer:
        # Ids stand percent-encoded in the path; a second look at them could turn one into a slash.
        url = URL(self._base_url + path, encoded=True)
        async with (
            asyncio.timeout(self._timeout),
            self._http.request(
                method,
                url,
                headers={"Content-Type": "application/json"} if "data" in request else None,
                allow_redirects=False,
                middlewares=(_Once(),),
                **request,
            ) as response,
        ):
            return _Answer(response.status, response.headers, await response.read())

    def _failure(self, answer: _Answer, lost: type[VendorError]) -> VendorError | None:
        code = f"http_{answer.status}"
        if answer.status in _SUCCESS:
            return None
        if answer.status == _TOO_MANY_REQUESTS:
            header = answer.headers.get("Retry-After")
            return RateLimited(code, retry_after_seconds(header, now=self._now()))
        if answer.status >= _SERVER_ERROR or answer.status == _REQUEST_TIMEOUT:
            return lost(code)
        return Permanent(code)

    def _counted(self, what: str, error: VendorError) -> VendorError:
        telemetry.vendor_call(self._vendor, what)
        return error


def status_class(status: int) -> str:
    """``2xx``, ``4xx``, ``5xx`` ...; 429 stands for itself, it is the one that is steered by."""
    return "429" if status == _TOO_MANY_REQUESTS else f"{status // 100}xx"
