"""The ingress without a broker: what is refused, and at whose cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ingress.server import MAX_DISCARDED, TOO_LARGE, BodyError, read_body
from ingress.signature import Secrets
from ingress.webhooks import MAX_BODY, Request, Webhooks
from pipeline.stream.producer import Changes, Outgoing


class Log:
    """Acknowledges everything."""

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        return 0

    async def close(self) -> None:
        pass


def webhooks(*, burst: int) -> Webhooks:
    return Webhooks(
        Log(), Secrets.of(["good"], [], []), sources=("richpanel",), rate=0.001, burst=burst,
        ack_timeout=5, now=lambda: 1_700_000_000.0, monotonic=lambda: 7.0, new_id=lambda: "0" * 32,
    )  # fmt: skip


def test_a_stranger_does_not_use_up_what_the_helpdesk_may_send() -> None:
    async def scenario() -> list[int]:
        edge = webhooks(burst=2)
        tokens = ["bad"] * 5 + ["good"] * 3
        return [
            (await edge.take(Request("richpanel", {"x-middleware-token": token}, b"{}"))).status
            for token in tokens
        ]

    assert asyncio.run(scenario()) == [401] * 5 + [202, 202, 429]


class Body:
    """A body in parts; counts how many were read."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = list(parts)
        self.read = 0

    async def __call__(self) -> Mapping[str, Any]:
        part = self._parts[self.read]
        self.read += 1
        more = self.read < len(self._parts)
        return {"type": "http.request", "body": part, "more_body": more}


def refused(body: Body, headers: Mapping[str, str]) -> bool:
    with pytest.raises(BodyError) as caught:
        asyncio.run(read_body(headers, body))
    return caught.value.answer is TOO_LARGE


def test_a_body_of_exactly_the_cap_is_taken() -> None:
    whole = asyncio.run(read_body({}, Body([b"a" * (MAX_BODY - 1), b"b"])))
    assert len(whole) == MAX_BODY


@pytest.mark.parametrize("headers", [{}, {"content-length": "10000000"}])
def test_a_body_over_the_cap_is_read_to_its_end_so_that_its_sender_hears_why(
    headers: dict[str, str],
) -> None:
    body = Body([b"a" * 1_000_000] * 10)
    assert refused(body, headers)
    assert body.read == 10


def test_nobody_can_keep_us_reading() -> None:
    body = Body([b"a" * (1 << 20)] * 100)
    assert refused(body, {})
    assert body.read == (MAX_DISCARDED >> 20) + 1


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": str(MAX_DISCARDED + 1)},
        {"content-length": str(MAX_BODY + 1), "expect": "100-continue"},
    ],
)
def test_a_length_that_is_told_first_may_be_refused_unread(headers: dict[str, str]) -> None:
    body = Body([b"a"])
    assert refused(body, headers)
    assert body.read == 0
