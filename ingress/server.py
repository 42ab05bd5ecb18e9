"""The HTTP edge: a raw ASGI app, so that a request costs what its webhook costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from ingress.openapi import OPENAPI
from ingress.webhooks import MAX_BODY, Answer, Request, Webhooks
from pipeline import telemetry

BODY_DEADLINE = 10.0
"""Seconds a sender has for its whole body: a slow one must not hold a connection for ever."""

MAX_DISCARDED = 16 << 20
"""Bytes of a body over the cap that are read and dropped. Answering in the middle of a body resets
the connection, and most senders then see that instead of the 413."""

READ_HEADERS = frozenset({
    b"content-length", b"expect", b"traceparent", b"webhook-id", b"webhook-signature",
    b"webhook-timestamp", b"x-middleware-token", b"x-signature", b"x-timestamp",
})  # fmt: skip
"""What anybody here looks at; a sender's dozen others are not decoded."""

PREFIX = "/webhooks/"
ALIASES = {"/richpanel/inbound": "richpanel"}

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class BodyError(Exception):
    """A body that was not read to its end; `answer` is None when nobody waits for one."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__(answer)
        self.answer = answer


TOO_LARGE = Answer(413, {"error": f"body over {MAX_BODY} bytes"}, "too_large")
TOO_SLOW = Answer(408, {"error": "body too slow"}, "too_slow")


class Server:
    """The ASGI app over `Webhooks`."""

    def __init__(self, webhooks: Webhooks, *, is_ready: Callable[[], bool]) -> None:
        self._webhooks = webhooks
        self._is_ready = is_ready

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        source = ALIASES.get(path, path[len(PREFIX) :] if path.startswith(PREFIX) else None)
        if source is None:
            await self._read_only(path, method, send)
        elif method != "POST":
            await _json(send, 405, {"error": "use POST"}, (b"allow", b"POST"))
        else:
            await self._webhook(source, scope, receive, send)

    async def _webhook(
        self, source: str, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> None:
        began = time.perf_counter()
        label = source
        answer = self._webhooks.admit(source)
        if answer is not None and answer.outcome == "unknown_source":
            label = "unknown"  # a label must not be what a stranger typed
        if answer is None:
            headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in scope["headers"]
                if name in READ_HEADERS
            }
            try:
                body = await read_body(headers, receive)
            except BodyError as error:
                if error.answer is None:
                    telemetry.count("ingress_requests", label, "disconnected")
                    return
                answer = error.answer
            else:
                answer = await self._webhooks.take(Request(source, headers, body))
        telemetry.count("ingress_requests", label, answer.outcome)
        telemetry.observe("ingress_request_seconds", time.perf_counter() - began)
        extra = []
        if answer.retry_after is not None:
            extra.append((b"retry-after", str(answer.retry_after).encode()))
        if answer is TOO_LARGE or answer is TOO_SLOW:
            # The rest of the body may be unread, so the connection cannot be used again.
            extra.append((b"connection", b"close"))
        await _json(send, answer.status, answer.body, *extra)

    async def _read_only(self, path: str, method: str, send: Send) -> None:
        if method not in ("GET", "HEAD"):
            await _json(send, 404, {"error": "not found"})
            return
        match path:
            case "/ping":
                await _json(send, 200, {"ok": True})
            case "/ready":
                ready = self._is_ready()
                await _json(send, 200 if ready else 503, {"ready": ready})
            case "/openapi.json":
                await _json(send, 200, OPENAPI)
            case "/metrics":
                await _bytes(send, 200, b"text/plain; version=0.0.4", telemetry.exposition())
            case _:
                await _json(send, 404, {"error": "not found"})


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body, at most `MAX_BODY` bytes within `BODY_DEADLINE` seconds.

    Raises:
        BodyError: too large, too slow, or the sender went away.
    """
    # Who asks before sending (``Expect``) hears it before sending.
    free = MAX_BODY if "expect" in headers else MAX_DISCARDED
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > free:
        raise BodyError(TOO_LARGE)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise BodyError(None)
                part = message.get("body", b"")
                size += len(part)
                if size <= MAX_BODY:
                    parts.append(part)
                elif size > MAX_DISCARDED or not message.get("more_body"):
                    raise BodyError(TOO_LARGE)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise BodyError(TOO_LARGE if size > MAX_BODY else TOO_SLOW) from None


async def _json(
    send: Send, status: int, body: Mapping[str, object], *headers: tuple[bytes, bytes]
) -> None:
    await _bytes(send, status, b"application/json", orjson.dumps(body), *headers)


async def _bytes(
    send: Send, status: int, kind: bytes, body: bytes, *headers: tuple[bytes, bytes]
) -> None:
    fixed = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
