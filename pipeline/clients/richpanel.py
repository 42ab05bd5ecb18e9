"""The helpdesk Richpanel (DOMAIN section 2) as `pipeline.ports.Helpdesk`.

Not known of Richpanel: whether it honours an idempotency key, and whether a read straight after
a write shows it. Nothing here relies on either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Self
from urllib.parse import quote

from pipeline.clients.richpanel_json import order_of, ticket_of, wrote_at
from pipeline.clients.vendor_http import VendorHttp
from pipeline.domain.permit import EMAIL_CHANNELS
from pipeline.ports import (
    LinkedOrder,
    Meter,
    Order,
    Permanent,
    TicketState,
    Transient,
    Unmetered,
)
from pipeline.settings import Settings

_DIRECTORY_SECONDS = 3600.0
_PER_PAGE = 100
_SAMPLE = 25
_MOST_PAGES = 50


class Richpanel:
    """One Richpanel account.

    `apply_route` replaces the whole set of tags where that saves a call, so a tag that somebody
    adds between `ticket` and `apply_route` can be lost: read just before writing.

    Args:
        base_url: ``https://host`` without path.
        key: of the API.
        bot_agent_id: the agent that messages are sent as; None = no email is answered.
        timeout: total seconds of one call.
        meter: is told of every request and of what the current window still allows.
        clock: monotonic seconds, for the age of the lists of teams and tags.
        now: unix seconds, for ``Retry-After`` as a date.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: str,
        bot_agent_id: str | None,
        timeout: float,
        meter: Meter | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bot_agent_id = bot_agent_id
        self._http = VendorHttp(
            vendor="richpanel",
            base_url=base_url,
            headers={"x-richpanel-key": key},
            timeout=timeout,
            remaining=_remaining,
            meter=meter or Unmetered(),
            now=now,
        )
        self._teams = _Directory(lambda: self._list("/v1/teams", "team"), clock)
        self._tags = _Directory(self._tag_ids, clock)

    @classmethod
    def from_settings(cls, settings: Settings, *, meter: Meter | None = None) -> Self:
        """The account that the settings name."""
        return cls(
            base_url=settings.richpanel_url,
            key=settings.richpanel_key.get_secret_value(),
            bot_agent_id=settings.bot_agent_id,
            timeout=settings.vendor_timeout,
            meter=meter,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def ticket(self, ticket_id: str) -> TicketState:
        """The ticket as it is now, comments oldest first, tags as lower-case names."""
        answer = await self._http.read(f"/v1/tickets/{_segment(ticket_id)}")
        words, ticket = ticket_of(answer)
        return replace(ticket, tags=await self._tag_names(words))

    async def customers_wrote(self) -> list[float]:
        """When the customers of the newest tickets wrote last; one call."""
        answer = await self._http.read("/v1/tickets", {"page": 1, "per_page": _SAMPLE})
        return wrote_at(answer)

    async def team_ids(self) -> dict[str, str]:
        """Team name -> id; read once an hour."""
        return dict(await self._teams.get())

    async def apply_route(
        self, ticket: TicketState, *, team_id: str | None, tags: tuple[str, ...]
    ) -> None:
        """Assigns the ticket to the team (None = to nobody else) and adds the tags it lacks.

        Both at once is one call where the ids of all its tags are known; nothing to change is
        no call.
        """
        missing = frozenset(tag.lower() for tag in tags) - ticket.tags
        assign = {} if team_id in {None, ticket.assignee_id} else {"assignee_id": team_id}
        ids = await self._tags.get() if missing else {}
        path = f"/v1/tickets/{_segment(ticket.id)}"
        wanted = ticket.tags | missing
        if assign and missing and wanted <= ids.keys():
            all_ids = [ids[name] for name in sorted(wanted)]
            await self._http.write(path, {"ticket": {**assign, "tags": all_ids}})
            return
        if assign:
            await self._http.write(path, {"ticket": assign})
        if missing:
            await self._add(path, missing, ids)

    async def add_tags(self, ticket_id: str, tags: tuple[str, ...]) -> None:
        """Adds tags in one call; those that the ticket has stay as they are."""
        names = frozenset(tag.lower() for tag in tags)
        await self._add(f"/v1/tickets/{_segment(ticket_id)}", names, await self._tags.get())

    async def _add(self, path: str, names: frozenset[str], ids: Mapping[str, str]) -> None:
        some = [ids.get(name, name) for name in sorted(names)]
        await self._http.write(f"{path}/add-tags", {"tags": some})

    async def send_reply(self, ticket: TicketState, *, body: str) -> None:
        """Sends `body`: to an email customer as a message of the bot agent, else as a comment."""
        path = f"/v1/tickets/{_segment(ticket.id)}"
        if ticket.channel not in EMAIL_CHANNELS:
            await self._http.write(path, {"ticket": {"comment": {"body": body}}})
        elif self._bot_agent_id is None:
            raise Permanent("no_bot_agent")
        else:
            message = {"author_id": self._bot_agent_id, "body": body}
            await self._http.write(f"{path}/send-message", message)

    async def add_note(self, ticket: TicketState, *, body: str) -> None:
        """Writes `body` as a comment that is not public."""
        comment = {"body": body, "public": False}
        await self._http.write(
            f"/v1/tickets/{_segment(ticket.id)}", {"ticket": {"comment": comment}}
        )

    async def linked_order(self, ticket_id: str) -> LinkedOrder | None:
        """The linked order; an answer without both of its ids counts as none."""
        link = await self._http.read(f"/v1/order/{_segment(ticket_id)}")
        order, client = link.get("orderId"), link.get("appClientId")
        return LinkedOrder(str(order), str(client)) if order and client else None

    async def order(self, linked: LinkedOrder) -> Order | None:
        """What is known of the order; its number is not among it."""
        path = f"/v1/order/{_segment(linked.app_client_id)}/{_segment(linked.order_id)}"
        try:
            return order_of(await self._http.read(path))
        except Permanent as error:
            if error.code == "http_404":
                return None
            raise

    async def _tag_names(self, words: frozenset[str]) -> frozenset[str]:
        """Names of tags that come as names or as ids."""
        if not words:
            return words
        names = {tag_id: name for name, tag_id in (await self._tags.get(words)).items()}
        return frozenset(names.get(word, word.lower()) for word in words)

    async def _tag_ids(self) -> dict[str, str]:
        tags = await self._list("/v1/tags", "tag")
        return {name.lower(): tag_id for name, tag_id in tags.items()}

    async def _list(self, path: str, key: str) -> dict[str, str]:
        """Name -> id of all entries of all pages."""
        entries: dict[str, str] = {}
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._http.read(path, {"page": page, "per_page": _PER_PAGE})
            try:
                entries |= {str(entry["name"]): str(entry["id"]) for entry in answer[key]}
            except (KeyError, TypeError):
                raise Transient(f"garbage_{key}") from None
            if not answer.get("next_page"):
                break
        return entries


class _Directory:
    """A list of names and ids that is read again once it is an hour old."""

    def __init__(
        self, read: Callable[[], Awaitable[dict[str, str]]], clock: Callable[[], float]
    ) -> None:
        self._read = read
        self._clock = clock
        self._entries: dict[str, str] | None = None
        self._stale_at = 0.0
        self._sought: frozenset[str] = frozenset()
        # Sixteen tickets at once must not spend sixteen requests of the budget on one list.
        self._reading = asyncio.Lock()

    async def get(self, wanted: frozenset[str] = frozenset()) -> dict[str, str]:
        """Name -> id, read anew if `wanted` holds a name or id that was never sought.

        A tag that is younger than the list comes as a bare id; taken for a name, ``vip`` would
        not be known as such for an hour. Seeking each word once bounds what that costs.
        """
        async with self._reading:
            entries = self._entries
            if entries is None or self._clock() >= self._stale_at or self._lacks(wanted, entries):
                self._entries = entries = await self._read()
                self._stale_at = self._clock() + _DIRECTORY_SECONDS
            self._sought |= wanted
            return entries

    def _lacks(self, wanted: frozenset[str], entries: dict[str, str]) -> bool:
        return bool(wanted - self._sought - entries.keys() - set(entries.values()))


def _remaining(headers: Mapping[str, str]) -> int | None:
    """What ``X-RateLimit-Remaining`` says; None where it says nothing usable."""
    said = headers.get("X-RateLimit-Remaining", "")
    return int(said) if said.isascii() and said.isdecimal() else None


def _segment(value: str) -> str:
    """`value` as one segment of a path; ids come from webhooks and may hold anything."""
    if value in {"", ".", ".."}:
        raise Permanent("unusable_id")
    return quote(value, safe="")
