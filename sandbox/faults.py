"""Faults that a vendor can have, set over HTTP: ``PUT /_sandbox/faults`` with a list of rules.

The first rule that matches a request and fires decides. ``after_effect`` lets the server do its
work first and then fail, which is the fault that makes double replies.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
HANG_SECONDS = 300.0
REFUSED = "sandbox.refused"
"""In the scope of a request that the model is to refuse."""


class Fault(BaseModel):
    """One rule. Seconds where a name ends in ``_s``; `times` and `for_s` end it by themselves.

    ``refusal`` is the model's alone: it answers in good form that it will not. ``late`` answers with `status` at once and applies the request `delay_s` later.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["status", "reset", "hang", "delay", "slow_loris", "garbage", "late", "refusal"]
    match: str = ".*"
    method: str | None = None
    status: int = 503
    retry_after: str | None = None
    after_effect: bool = False
    delay_s: float = 1.0
    probability: float = 1.0
    times: int | None = None
    for_s: float | None = None


class Faults:
    """An ASGI app around a vendor's app."""

    def __init__(self, app: App, *, seed: int, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._random = random.Random(seed)
        self._monotonic = monotonic
        self._rules: list[tuple[Fault, float]] = []
        self.served: Counter[str] = Counter()
        """Requests that a fault answered, by its status or else its kind."""
        self._late: set[asyncio.Task[None]] = set()

    def set(self, rules: list[Fault]) -> None:
        """Replaces all rules."""
        now = self._monotonic()
        self._rules = [(rule, now) for rule in rules]

    def _choose(self, scope: Scope) -> Fault | None:
        now = self._monotonic()
        for rule, since in self._rules:
            is_over = rule.for_s is not None and now - since > rule.for_s
            is_used = rule.times is not None and rule.times <= 0
            if is_over or is_used or rule.method not in (None, scope["method"]):
                continue
            if re.search(rule.match, scope["path"]) and self._random.random() < rule.probability:
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serves a request, or fails it as the rules say."""
        fault = None
        if scope["type"] == "http" and not scope["path"].startswith("/_sandbox"):
            fault = self._choose(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        self.served[str(fault.status) if fault.kind == "status" else fault.kind] += 1
        if fault.kind == "refusal":
            await self._app({**scope, REFUSED: True}, receive, send)
            return
        if fault.after_effect:
            await self._app(scope, receive, _swallow)
        await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Any, send: Any) -> None:
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.delay_s)
                await self._app(scope, receive, send)
            case "hang":
                await asyncio.sleep(HANG_SECONDS)
            case "status":
                extra = []
                if fault.retry_after is not None:
                    extra.append((b"retry-after", fault.retry_after.encode()))
                await _answer(send, fault.status, b'{"message": "fault"}', extra)
            case "late":
                await self._apply_late(fault, scope, receive)
                await _answer(send, fault.status, b'{"message": "fault"}', [])
            case "garbage":
                await _answer(send, 200, b"<html>{not json", [])
            case "reset":
                _reset(scope)
            case "slow_loris":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                for _ in range(600):
                    await send({"type": "http.response.body", "body": b" ", "more_body": True})
                    await asyncio.sleep(0.5)

    async def _apply_late(self, fault: Fault, scope: Scope, receive: Any) -> None:
        """Lets the effect come `delay_s` after the answer, as a vendor's own queue would."""
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())

        async def replay() -> Any:
            return messages.pop(0)

        async def apply() -> None:
            await asyncio.sleep(fault.delay_s)
            await self._app(scope, replay, _swallow)

        task = asyncio.create_task(apply())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


async def _swallow(_: Any) -> None:
    return None


async def _answer(send: Any, status: int, body: bytes, extra: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", b"application/json"), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _reset(scope: Scope) -> None:
    """Cuts the connection with RST: the state's transport is put there by the server."""
    transport = scope["extensions"]["sandbox.transport"]
    raw = transport.get_extra_info("socket")
    # A linger of zero seconds makes close() send RST instead of FIN.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()
