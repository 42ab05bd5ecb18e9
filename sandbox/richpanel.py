"""The fake helpdesk: Richpanel's calls (DOMAIN section 2) on tickets in memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.journal import Journal, double_replies

TEAMS = (
    "Email Support Team",
    "LiveChat Support",
    "Returns Admin",
    "Sales Team",
    "Social Media Team",
    "Technical Support Team",
    "Phone Support Team",
    "TikTok Support",
    "Chargebacks / Disputes Team",
    "Leadership Team",
)
BOT_AGENT = "agent-bot"
AGENTS = frozenset({BOT_AGENT, "agent-1", "agent-2"})
EMAIL = frozenset({"email", "email_widget"})
MAX_PAGE = 100


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


class Budget:
    """At most `limit` requests in any `window` seconds."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self._taken: deque[float] = deque()

    def take(self, now: float) -> tuple[bool, dict[str, str]]:
        """Whether a request may pass at `now`, and the headers that say what is left."""
        while self._taken and self._taken[0] <= now - self.window:
            self._taken.popleft()
        allowed = len(self._taken) < self.limit
        if allowed:
            self._taken.append(now)
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - len(self._taken))),
        }
        if not allowed:
            wait = self._taken[len(self._taken) - self.limit] + self.window - now
            headers["Retry-After"] = str(max(1, math.ceil(wait)))
        return allowed, headers


class Richpanel:
    """State and calls. `now` gives unix seconds, `monotonic` seconds."""

    def __init__(
        self,
        *,
        key: str,
        budget: Budget,
        journal: Journal,
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.tickets: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, int] = {}
        self.journal = journal
        self.requests: dict[str, int] = {}
        self.budget = budget
        self._key = key
        self._now = now
        self._monotonic = monotonic
        self._tags: dict[str, str] = {}
        self._teams = {f"team-{number}": name for number, name in enumerate(TEAMS, 1)}

    def app(self, extra: Iterable[Route]) -> Starlette:
        """The ASGI app; `extra` routes are the sandbox's own."""
        calls = {
            "/v1/tickets/number/{number}": ("GET", self.by_number),
            "/v1/tickets": ("GET", self.listed),
            "/v1/tickets/{id}": ("GET", self.get),
            "/v1/tickets/{kind}/{value}": ("GET", self.by_contact),
            "/v1/teams": ("GET", self.teams),
            "/v1/tags": ("GET", self.tags),
            "/v1/order/{id}": ("GET", self.linked_order),
            "/v1/order/{client}/{order}": ("GET", self.order),
        }
        routes = [Route(path, self._call(do), methods=[verb]) for path, (verb, do) in calls.items()]
        writes = {
            "/v1/tickets/{id}": self.update,
            "/v1/tickets/{id}/add-tags": self.add_tags,
            "/v1/tickets/{id}/remove-tags": self.remove_tags,
            "/v1/tickets/{id}/send-message": self.send_message,
        }
        routes += [Route(path, self._call(do), methods=["PUT"]) for path, do in writes.items()]
        sandbox = [
            Route("/_sandbox/tickets", self.seed, methods=["POST"]),
            Route("/_sandbox/comments", self.comment, methods=["POST"]),
            Route("/_sandbox/budget", self.set_budget, methods=["PUT"]),
            Route("/_sandbox/journal", self.show_journal),
            Route("/_sandbox/stats", self.show_stats),
        ]
        return Starlette(routes=[*sandbox, *extra, *routes])

    def _call(self, do: Callable[[Request, Any], Response]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            allowed, headers = self.budget.take(self._monotonic())
            if request.headers.get("x-richpanel-key") != self._key:
                response = answer(401, {"message": "unauthorized"})
            elif not allowed:
                response = answer(429, {"message": "rate limit"})
            else:
                response = self._answered(do, request, await request.body())
            response.headers.update(headers)
            code = str(response.status_code)
            self.requests[code] = self.requests.get(code, 0) + 1
            return response

        return endpoint

    def _answered(
        self, do: Callable[[Request, Any], Response], request: Request, raw: bytes
    ) -> Response:
        ticket_id = request.path_params.get("id")
        is_order = request.url.path.startswith("/v1/order")
        if ticket_id is not None and ticket_id not in self.tickets and not is_order:
            return answer(404, {"message": "no such ticket"})
        try:
            body = orjson.loads(raw) if raw else {}
        except orjson.JSONDecodeError:
            return answer(400, {"message": "not JSON"})
        return do(request, body)

    # -- reads --------------------------------------------------------------------------------

    def get(self, request: Request, _: Any) -> Response:
        """One ticket."""
        return answer(200, {"ticket": self.tickets[request.path_params["id"]]})

    def by_number(self, request: Request, _: Any) -> Response:
        """By the number that people read out."""
        return self._first("number", request.path_params["number"])

    def by_contact(self, request: Request, _: Any) -> Response:
        """By email or phone."""
        kind = request.path_params["kind"]
        if kind not in ("email", "phone"):
            return answer(404, {"message": "not found"})
        return self._first(kind, request.path_params["value"])

    def _first(self, field: str, value: str) -> Response:
        for ticket in self.tickets.values():
            if str(ticket.get(field)) == value:
                return answer(200, {"ticket": ticket})
        return answer(404, {"message": "no such ticket"})

    def listed(self, request: Request, _: Any) -> Response:
        """All tickets, newest first."""
        newest = sorted(self.tickets.values(), key=lambda each: str(each["created_at"]))
        return self._page(request, "ticket", newest[::-1])

    def teams(self, request: Request, _: Any) -> Response:
        """All teams."""
        return self._page(request, "team", [{"id": i, "name": n} for i, n in self._teams.items()])

    def tags(self, request: Request, _: Any) -> Response:
        """All tags."""
        return self._page(request, "tag", [{"id": i, "name": n} for i, n in self._tags.items()])

    def _page(self, request: Request, name: str, entries: list[Any]) -> Response:
        page = max(1, int(request.query_params.get("page", 1)))
        size = min(MAX_PAGE, max(1, int(request.query_params.get("per_page", 50))))
        more = page * size < len(entries)
        return answer(
            200,
            {
                name: entries[(page - 1) * size : page * size],
                "page": page,
                "per_page": size,
                "count": len(entries),
                "next_page": page + 1 if more else None,
                "previous_page": page - 1 if page > 1 else None,
            },
        )

    def linked_order(self, request: Request, _: Any) -> Response:
        """The order that is linked to a conversation, or {}."""
        order = self.orders.get(request.path_params["id"])
        if order is None:
            return answer(200, {})
        return answer(200, {"orderId": order["orderId"], "appClientId": order["appClientId"]})

    def order(self, request: Request, _: Any) -> Response:
        """An order by its ids."""
        for order in self.orders.values():
            if order["orderId"] == request.path_params["order"] and not order.get("onlyAtShop"):
                ours = {"orderNumber", "onlyAtShop"}
                return answer(200, {key: order[key] for key in order.keys() - ours})
        return answer(404, {"message": "no such order"})

    # -- writes -------------------------------------------------------------------------------

    def update(self, request: Request, body: Any) -> Response:
        """Changes what is sent and nothing else."""
        ticket = self.tickets[request.path_params["id"]]
        sent = body.get("ticket", {})
        if "assignee_id" in sent:
            ticket["assignee_id"] = sent["assignee_id"]
            self._note(ticket, "assign", str(sent["assignee_id"]))
        if "status" in sent:
            ticket["status"] = sent["status"]
            self._note(ticket, "status", str(sent["status"]))
        if "tags" in sent:
            self._set_tags(ticket, sent["tags"])
        if "comment" in sent:
            is_note = sent["comment"].get("public") is False
            body = str(sent["comment"].get("body", ""))
            self._reply(ticket, body, "note" if is_note else "comment")
        return answer(200, {"ticket": ticket})

    def add_tags(self, request: Request, body: Any) -> Response:
        """Adds tags by id or name."""
        ticket = self.tickets[request.path_params["id"]]
        self._set_tags(ticket, [*ticket["tags"], *body.get("tags", [])])
        return answer(200, {"ticket": ticket})

    def remove_tags(self, request: Request, body: Any) -> Response:
        """Removes tags by id or name."""
        ticket = self.tickets[request.path_params["id"]]
        gone = {self._tag_id(tag) for tag in body.get("tags", [])}
        self._set_tags(ticket, [tag for tag in ticket["tags"] if tag not in gone])
        return answer(200, {"ticket": ticket})

    def send_message(self, request: Request, body: Any) -> Response:
        """Writes to an email customer in the name of an agent."""
        ticket = self.tickets[request.path_params["id"]]
        if body.get("author_id") not in AGENTS or ticket["via"]["channel"] not in EMAIL:
            return answer(400, {"message": "unknown author, or not an email ticket"})
        self._reply(ticket, str(body.get("body", "")), "send-message")
        return answer(200, {"ticket": ticket})

    def _set_tags(self, ticket: dict[str, Any], tags: list[str]) -> None:
        before = list(ticket["tags"])
        ticket["tags"] = list(dict.fromkeys(self._tag_id(tag) for tag in tags))
        if ticket["tags"] != before:
            self._note(ticket, "tags", ",".join(self._tags[tag] for tag in ticket["tags"]))

    def _tag_id(self, tag: str) -> str:
        if tag in self._tags:
            return tag
        for known, name in self._tags.items():
            if name == tag:
                return known
        fresh = f"tag-{len(self._tags) + 1}"
        self._tags[fresh] = tag
        return fresh

    def _reply(self, ticket: dict[str, Any], body: str, how: str) -> None:
        ticket["comments"].append(
            {
                "id": f"{ticket['id']}-c{len(ticket['comments']) + 1}",
                "body": body,
                "plain_body": body,
                "author_id": BOT_AGENT,
                "created_at": self._now(),
                "type": "note" if how == "note" else "reply",
                "public": how != "note",
                "via": {"channel": ticket["via"]["channel"], "isOperator": True},
            }
        )
        self._note(ticket, "note" if how == "note" else "reply", how, body)

    def _note(self, ticket: dict[str, Any], kind: str, detail: str, body: str = "") -> None:
        ticket["updated_at"] = self._now()
        self.journal.add(ticket["id"], kind, at=self._now(), detail=detail, body=body)

    # -- sandbox ------------------------------------------------------------------------------

    async def seed(self, request: Request) -> Response:
        """Puts tickets: [{ticket, order or null, messages}]."""
        for each in orjson.loads(await request.body()):
            ticket = each["ticket"]
            ticket["tags"] = [self._tag_id(tag) for tag in ticket["tags"]]
            self.tickets[ticket["id"]] = ticket
            self.messages[ticket["id"]] = each["messages"]
            if each.get("order"):
                self.orders[ticket["id"]] = each["order"]
        return answer(200, {"tickets": len(self.tickets)})

    async def comment(self, request: Request) -> Response:
        """Lets somebody write on a ticket: {ticket_id, comment}."""
        sent = orjson.loads(await request.body())
        said, ticket = sent["comment"], self.tickets[sent["ticket_id"]]
        ticket["comments"].append(said)
        if not said["via"]["isOperator"]:
            self.messages[ticket["id"]] += 1
        return answer(200, {"comments": len(ticket["comments"])})

    async def set_budget(self, request: Request) -> Response:
        """Changes the budget from now on: {limit, window}."""
        sent = orjson.loads(await request.body())
        self.budget.limit, self.budget.window = int(sent["limit"]), float(sent["window"])
        return answer(200, sent)

    async def show_journal(self, request: Request) -> Response:
        """Applied effects from ``?since=`` on."""
        since = int(request.query_params.get("since", 0))
        return answer(200, {"effects": self.journal.effects[since:]})

    async def show_stats(self, _: Request) -> Response:
        """Requests by status, effects by kind, double replies."""
        kinds: dict[str, int] = {}
        for effect in self.journal.effects:
            kinds[effect.kind] = kinds.get(effect.kind, 0) + 1
        doubled = double_replies(self.journal.effects, self.messages)
        return answer(200, {"requests": self.requests, "effects": kinds, "double_replies": doubled})
