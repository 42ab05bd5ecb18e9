"""The model behind the mode, its gate, its budget and a concurrency that follows what it can take.

Classification never waits for it: what does not get a turn at once is decided by the rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agents.gate import Gate
from agents.patience import Later, Patience
from agents.permits import until_fresh
from pipeline import telemetry
from pipeline.control import Control
from pipeline.domain.concurrency import AdaptiveLimit
from pipeline.domain.modes import Mode, Subject
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import (
    MODEL_ATTEMPTS,
    Classifier,
    ModelAnswer,
    RateLimited,
    Transient,
    VendorError,
)

_OVERLOADED = ("timeout", "unreachable", "http_5")
"""Beginnings of the codes that tell of the vendor's load; the others are about one text."""


class GatedClassifier:
    """`inner` as a `pipeline.ports.Classifier` that asks only when the model can take it.

    Args:
        inner: the model's client.
        gate: of its requests.
        tokens: of its tokens, which are known only afterwards: calls in hand may overdraw it by
            what they use, and the next ones wait until that has gone. This process's part of it
            is its part of the gate's requests.
        limit: how many calls may be in hand.
        control: the modes; `stop` calls nobody.
        tenant: whose messages they are.
        within: seconds to wait for a turn.
        monotonic: seconds.
    """

    def __init__(
        self,
        inner: Classifier,
        gate: Gate,
        tokens: WindowBucket,
        limit: AdaptiveLimit,
        *,
        control: Control,
        tenant: str,
        within: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._tokens = tokens
        self._share: float | None = 1.0
        self._limit = limit
        self._control = control
        self._tenant = tenant
        self._within = within
        self._monotonic = monotonic
        self._in_hand = 0
        self._room = asyncio.Condition()

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        """One intent of the taxonomy.

        Raises:
            VendorError: of `inner`; or `Transient` with ``gate_closed``, ``over_budget``, ``busy``
                or ``mode``, and nothing was asked.
        """
        await until_fresh(lambda: self._control.is_fresh, asyncio.sleep)
        if self._is_overdrawn():
            raise Transient("over_budget")
        async with self._place():
            try:
                patience = Patience(asyncio.sleep, inline=0.0)
                turn = self._gate.turn(patience, requests=MODEL_ATTEMPTS, within=self._within)
                async with turn:
                    return await self._asked(text, channel)
            except Later as later:
                raise Transient(later.code) from None

    def _is_overdrawn(self) -> bool:
        part = self._gate.part()
        if part is not None and part != self._share:
            self._share = part
            self._tokens.share(part)
        return self._tokens.take(self._monotonic(), 0) > 0

    async def _asked(self, text: str, channel: str) -> ModelAnswer:
        # Not held against the wire: a lowered mode is confirmed within a second, however long the
        # model thinks, and nothing goes to a customer from here.
        if self._control.effective(Subject(self._tenant, channel)) is Mode.STOP:
            raise Transient("mode")
        try:
            answer = await self._inner.classify(text, channel=channel)
        except VendorError as error:
            self._tokens.spend(self._monotonic(), error.tokens)
            if isinstance(error, RateLimited) or error.code.startswith(_OVERLOADED):
                self._limit.pushed_back(self._monotonic())
                telemetry.MODEL_CONCURRENCY.set(self._limit.limit)
            raise
        self._tokens.spend(self._monotonic(), answer.tokens)
        self._limit.answered()
        telemetry.MODEL_CONCURRENCY.set(self._limit.limit)
        return answer

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._within), self._room:
                await self._room.wait_for(lambda: self._in_hand < self._limit.limit)
                self._in_hand += 1
        except TimeoutError:
            raise Transient("busy") from None
        try:
            yield
        finally:
            async with self._room:
                self._in_hand -= 1
                self._room.notify_all()
