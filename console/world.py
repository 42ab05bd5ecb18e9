"""What a scenario plays in: a running system, its customers, and what the helpdesk received."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from console.environment import Environment, Setup, Urls
from console.operating import Operator
from console.trail import Trail

Vendor = str
"""``richpanel``, ``openai`` or ``shopify``."""

QUESTION = "How do I send this jacket back? I would like a return label."
"""A message that is answered: the fake model knows it, and its intent has a template."""


@dataclass(frozen=True)
class Scenario:
    """A named bad day; `play` makes it happen and says which promises held."""

    name: str
    summary: str
    """One line for the list."""
    play: Callable[[World], Coroutine[Any, Any, None]]
    setup: Setup = field(default_factory=Setup)


@dataclass
class Sent:
    """A webhook that ingress took: its ticket, its id there and when, unix seconds."""

    ticket_id: str
    ingress_id: str
    at: float


class World:
    """The hands and eyes of a scenario; every judgement goes through `promise`."""

    def __init__(
        self,
        env: Environment,
        urls: Urls,
        operator: Operator,
        client: httpx.AsyncClient,
        *,
        trail: Trail,
        say: Callable[[str], None],
    ) -> None:
        self.env = env
        self.urls = urls
        self.operator = operator
        self.client = client
        self.trail = trail
        self.say = say
        self.promises: dict[str, bool] = {}
        self.figures: dict[str, Any] = {}
        self.sent: list[Sent] = []

    # -- judgement ----------------------------------------------------------------------------

    def promise(self, name: str, *, held: bool) -> None:
        """Notes whether a promise held; once broken it stays broken."""
        self.promises[name] = held and self.promises.get(name, True)
        self.say(f"{'held' if held else 'BROKEN'}: {name.replace('_', ' ')}")

    def figure(self, name: str, value: Any) -> None:
        """Notes a measured value."""
        self.figures[name] = value

    # -- the helpdesk -------------------------------------------------------------------------

    async def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """What the helpdesk applied, from number `since` on: seq, at, ticket_id, kind, detail."""
        url = f"{self.urls.richpanel}/_sandbox/journal"
        answer = await self.client.get(url, params={"since": since})
        effects: list[dict[str, Any]] = answer.json()["effects"]
        return effects

    async def replies(self, since: int = 0) -> list[dict[str, Any]]:
        """The replies among them."""
        return [effect for effect in await self.journal(since) if effect["kind"] == "reply"]

    async def stats(self) -> dict[str, Any]:
        """The helpdesk's own counts: requests by status, effects by kind, double replies."""
        answer = await self.client.get(f"{self.urls.richpanel}/_sandbox/stats")
        found: dict[str, Any] = answer.json()
        return found

    async def faults(self, vendor: Vendor, *rules: Mapping[str, Any]) -> None:
        """Replaces a vendor's faults (`sandbox.faults.Fault`); none clears them."""
        url = f"{getattr(self.urls, vendor)}/_sandbox/faults"
        (await self.client.put(url, json=list(rules))).raise_for_status()

    async def faulted(self, vendor: Vendor) -> dict[str, int]:
        """Requests that a vendor's faults have answered, by status or kind."""
        answer = await self.client.get(f"{getattr(self.urls, vendor)}/_sandbox/faults")
        served: dict[str, int] = answer.json()["served"]
        return served

    async def budget(self, limit: int, window: float) -> None:
        """Changes what the helpdesk allows from now on."""
        url = f"{self.urls.richpanel}/_sandbox/budget"
        (await self.client.put(url, json={"limit": limit, "window": window})).raise_for_status()

    # -- customers ----------------------------------------------------------------------------

    async def open_tickets(self, count: int, *, channel: str = "email") -> list[str]:
        """Puts `count` new tickets on the helpdesk; their ids."""
        first = len(self.sent) + time.time_ns() % 10**9 * 10**6
        ids = [f"t{first + number}" for number in range(count)]
        rows: list[dict[str, Any]] = [
            {
                "messages": 1,
                "order": None,
                "ticket": {
                    "id": each, "number": 1, "status": "OPEN", "created_at": time.time(),
                    "updated_at": time.time(), "assignee_id": None, "via": {"channel": channel},
                    "tags": [], "comments": [],
                },
            }
            for each in ids
        ]  # fmt: skip
        url = f"{self.urls.richpanel}/_sandbox/tickets"
        (await self.client.post(url, json=rows)).raise_for_status()
        return ids

    async def write(
        self,
        ticket_id: str,
        *,
        text: str = QUESTION,
        channel: str = "email",
        message: str = "m1",
        fields: Mapping[str, Any] | None = None,
    ) -> Sent:
        """A customer writes on a ticket: one webhook, with further `fields`, taken by ingress."""
        body = {
            "ticket_id": ticket_id, "message_id": f"{ticket_id}-{message}", "channel": channel,
            "message": text, "trigger": "customer_message",
            **(fields or {}),
        }  # fmt: skip
        answer = await self.client.post(
            f"{self.urls.ingress}/webhooks/richpanel",
            json=body,
            headers={"X-Middleware-Token": self.urls.token},
        )
        answer.raise_for_status()
        sent = Sent(ticket_id, answer.json()["ingress_id"], time.time())
        self.sent.append(sent)
        return sent

    @asynccontextmanager
    async def customers(self, rate: float) -> AsyncIterator[None]:
        """`rate` customers a second write, each on a new ticket, while the block runs."""
        task = asyncio.create_task(self._write_forever(rate))
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _write_forever(self, rate: float) -> None:
        began, written = time.monotonic(), 0
        while True:
            for ticket_id in await self.open_tickets(100):
                await asyncio.sleep(began + written / rate - time.monotonic())
                await self.write(ticket_id)
                written += 1

    # -- waiting ------------------------------------------------------------------------------

    async def until(
        self, holds: Callable[[], Awaitable[bool]], *, within: float, every: float = 0.05
    ) -> bool:
        """Whether `holds` becomes true within so many seconds."""
        ends = time.monotonic() + within
        while not await holds():
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(every)
        return True

    async def settled(self, *, within: float) -> bool:
        """Whether every webhook that was sent reaches its outcome within so many seconds."""

        async def none_missing() -> bool:
            return not self.trail.missing(sent.ingress_id for sent in self.sent)

        return await self.until(none_missing, within=within, every=0.2)
