import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from pipeline import telemetry
from pipeline.clients.richpanel import Richpanel
from pipeline.clients.richpanel_json import wrote_at
from pipeline.clients.shopify import Shopify
from pipeline.ports import (
    Ambiguous,
    Comment,
    LinkedOrder,
    Order,
    Permanent,
    RateLimited,
    TicketState,
    Transient,
    VendorError,
)
from pipeline.settings import Settings
from tests.unit.loopback import Answer, Loopback, answer, answering, nobody, serving

NOW = 1_700_000_000.0
TAGS = answer({"tag": [{"id": "1", "name": "mw-Processed"}, {"id": "2", "name": "route-sales"}]})
TICKET = TicketState("T1", "OPEN", "email", frozenset({"mw-processed"}), "agent-1", ())

Act = Callable[[Richpanel], Awaitable[Any]]


async def read(desk: Richpanel) -> TicketState:
    return await desk.ticket("T1")


async def write(desk: Richpanel) -> None:
    await desk.send_reply(TICKET, body="Hello")


def richpanel(url: str, *, timeout: float = 5.0, **options: Any) -> Richpanel:
    options = {"bot_agent_id": "bot", "now": lambda: NOW, **options}
    return Richpanel(base_url=url, key="key", timeout=timeout, **options)


def acting(act: Act, *answers: Answer, timeout: float = 5.0, **options: Any) -> Loopback:
    """What arrives at a helpdesk that answers as scripted while `act` runs."""

    async def play() -> Loopback:
        async with answering(*answers) as server:
            desk = richpanel(server.url, timeout=timeout, **options)
            try:
                await act(desk)
            finally:
                await desk.aclose()
            return server

    return asyncio.run(play())


def failing(act: Act, *answers: Answer, timeout: float = 5.0) -> VendorError:
    with pytest.raises(VendorError) as failed:
        acting(act, *answers, timeout=timeout)
    return failed.value


def patience(trouble: Answer) -> float:
    """Seconds to wait for `trouble`: short where no answer comes, ample where one does."""
    return 0.3 if trouble in ("hang", "half") else 5.0


def ticket_json(**changes: Any) -> dict[str, Any]:
    ticket = {"id": "T1", "status": "OPEN", "via": {"channel": "email"}, "tags": [], "comments": []}
    return {"ticket": {**ticket, **changes}}


def reading(*answers: Answer) -> TicketState:
    states: list[TicketState] = []

    async def act(desk: Richpanel) -> None:
        states.append(await desk.ticket("T1"))

    acting(act, *answers)
    return states[0]


# --- reading -------------------------------------------------------------------------------


def test_a_ticket_is_read_with_comments_oldest_first_and_the_key_in_the_header() -> None:
    states: list[TicketState] = []

    async def act(desk: Richpanel) -> None:
        states.append(await desk.ticket("T1"))

    comments = [
        {"id": 2, "body": "<p>b</p>", "plain_body": "b", "created_at": "2026-01-02T00:00:00Z"},
        {"id": 1, "body": "a", "created_at": "2026-01-01T00:00:00", "via": {"isOperator": True}},
    ]
    server = acting(act, answer(ticket_json(comments=comments, assignee_id=7)))
    assert states == [
        TicketState(
            id="T1",
            status="OPEN",
            channel="email",
            tags=frozenset(),
            assignee_id="7",
            comments=(
                Comment("1", "a", is_operator=True, created_at=1_767_225_600.0),
                Comment("2", "b", is_operator=False, created_at=1_767_312_000.0),
            ),
        )
    ]
    assert server.requests[0].path == "/v1/tickets/T1"
    assert server.requests[0].headers["x-richpanel-key"] == "key"


@pytest.mark.parametrize(
    ("fields", "customer"),
    [
        ({"email": " Ann@Example.com ", "phone": "1"}, "ann@example.com"),
        ({"phone": "+1555"}, "+1555"),
        ({}, "c7"),
        ({"comments": []}, None),
    ],
)
def test_a_customer_is_known_by_address_number_or_the_last_message(
    fields: dict[str, Any], customer: str | None
) -> None:
    comments = [
        {"id": 1, "author_id": "C7"},
        {"id": 2, "author_id": "agent-1", "via": {"isOperator": True}},
    ]
    assert reading(answer(ticket_json(**{"comments": comments, **fields}))).customer == customer


@pytest.mark.parametrize("fields", [{"public": False}, {"type": "note"}])
def test_a_comment_for_agents_only_is_a_note(fields: dict[str, Any]) -> None:
    comments = [{"id": 1, "body": "b", **fields}, {"id": 2, "type": "message"}]
    state = reading(answer(ticket_json(comments=comments)))
    assert [comment.is_note for comment in state.comments] == [True, False]


def test_comments_without_a_readable_time_keep_the_helpdesks_order() -> None:
    comments = [{"id": "b", "created_at": "yesterday"}, {"id": "a", "created_at": 1.0}]
    state = reading(answer(ticket_json(comments=comments)))
    assert [comment.id for comment in state.comments] == ["b", "a"]


@pytest.mark.parametrize("tag", ["2", 2, "Route-Sales", {"id": "2", "name": "route-sales"}])
def test_tags_are_lower_case_names_however_the_helpdesk_writes_them(tag: object) -> None:
    assert reading(answer(ticket_json(tags=[tag])), TAGS).tags == {"route-sales"}


def test_a_tag_younger_than_the_list_of_tags_is_known_by_its_name_all_the_same() -> None:
    states: list[TicketState] = []

    async def act(desk: Richpanel) -> None:
        states.extend([await desk.ticket("T1") for _ in range(2)])

    with_vip = answer({"tag": [{"id": "2", "name": "route-sales"}, {"id": "3", "name": "VIP"}]})
    acting(act, answer(ticket_json(tags=["2"])), TAGS, answer(ticket_json(tags=["3"])), with_vip)
    assert [state.tags for state in states] == [{"route-sales"}, {"vip"}]


def test_a_tag_that_no_list_holds_is_sought_only_once() -> None:
    async def act(desk: Richpanel) -> None:
        for _ in range(3):
            await desk.ticket("T1")

    with_odd = answer(ticket_json(tags=["Odd"]))
    server = acting(act, with_odd, TAGS, with_odd, with_odd)
    paths = [request.path.partition("?")[0] for request in server.requests]
    assert paths == ["/v1/tickets/T1", "/v1/tags", "/v1/tickets/T1", "/v1/tickets/T1"]


def test_an_id_from_a_webhook_cannot_leave_its_path() -> None:
    server = acting(lambda desk: desk.ticket("../a?b"), answer(ticket_json()))
    assert server.requests[0].path == "/v1/tickets/..%2Fa%3Fb"


@pytest.mark.parametrize("ticket_id", ["", ".", ".."])
def test_an_id_that_is_no_path_segment_is_never_asked_for(ticket_id: str) -> None:
    failure = failing(lambda desk: desk.ticket(ticket_id), answer(ticket_json()))
    assert (type(failure), failure.code) == (Permanent, "unusable_id")


def test_teams_are_read_once_an_hour_over_all_pages() -> None:
    seen: list[tuple[dict[str, str], int]] = []
    clock = [0.0]

    async def play() -> None:
        first = answer({"team": [{"id": 1, "name": "Sales Team"}], "next_page": 2})
        second = answer({"team": [{"id": 2, "name": "Returns Admin"}], "next_page": None})
        renamed = answer({"team": [{"id": 1, "name": "Sales"}]})
        async with answering(first, second, renamed) as server:
            desk = richpanel(server.url, clock=lambda: clock[0])
            for clock[0] in (0.0, 3599.0, 3600.0):
                seen.append((await desk.team_ids(), len(server.requests)))
            await desk.aclose()
        assert server.requests[1].path == "/v1/teams?page=2&per_page=100"

    asyncio.run(play())
    both = {"Sales Team": "1", "Returns Admin": "2"}
    assert seen == [(both, 2), (both, 2), ({"Sales": "1"}, 3)]


def test_many_who_ask_for_teams_at_once_spend_one_request() -> None:
    async def act(desk: Richpanel) -> None:
        await asyncio.gather(*(desk.team_ids() for _ in range(16)))

    server = acting(act, answer({"team": [{"id": 1, "name": "Sales Team"}]}))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("order", "linked"), [({}, False), ({"orderId": "5", "appClientId": "shop"}, True)]
)
def test_an_order_counts_as_linked_only_with_its_ids(order: dict[str, str], linked: bool) -> None:
    said: list[bool] = []

    async def act(desk: Richpanel) -> None:
        said.append(await desk.linked_order("T1") is not None)

    server = acting(act, answer(order))
    assert said == [linked]
    assert server.requests[0].path == "/v1/order/T1"


# --- routing -------------------------------------------------------------------------------


def routing(
    ticket: TicketState, *answers: Answer, team_id: str | None, tags: tuple[str, ...]
) -> Any:
    server = acting(lambda desk: desk.apply_route(ticket, team_id=team_id, tags=tags), *answers)
    return [(request.path, request.json) for request in server.requests if request.body]


def test_assignee_and_tags_go_out_in_one_write_that_keeps_the_tags_there_are() -> None:
    sent = routing(TICKET, TAGS, answer({}), team_id="team-9", tags=("Route-Sales",))
    body = {"ticket": {"assignee_id": "team-9", "tags": ["1", "2"]}}
    assert sent == [("/v1/tickets/T1", body)]


def test_what_is_set_already_is_not_written() -> None:
    assert routing(TICKET, answer({}), team_id="agent-1", tags=("MW-Processed",)) == []


@pytest.mark.parametrize("team_id", ["agent-1", None])
def test_tags_alone_are_added_and_replace_nothing(team_id: str | None) -> None:
    sent = routing(TICKET, TAGS, answer({}), team_id=team_id, tags=("route-sales",))
    assert sent == [("/v1/tickets/T1/add-tags", {"tags": ["2"]})]


def test_tags_are_added_to_a_ticket_that_nobody_has_read() -> None:
    server = acting(lambda desk: desk.add_tags("T1", ("Route-Sales", "mw-new")), TAGS, answer({}))
    (sent,) = [(request.path, request.json) for request in server.requests if request.body]
    assert sent == ("/v1/tickets/T1/add-tags", {"tags": ["mw-new", "2"]})


def test_the_assignee_alone_is_one_write() -> None:
    sent = routing(TICKET, answer({}), team_id="team-9", tags=("mw-processed",))
    assert sent == [("/v1/tickets/T1", {"ticket": {"assignee_id": "team-9"}})]


def test_a_tag_that_the_helpdesk_does_not_know_is_added_by_name() -> None:
    sent = routing(TICKET, TAGS, answer({}), team_id="team-9", tags=("route-sales", "mw-new"))
    assert sent == [
        ("/v1/tickets/T1", {"ticket": {"assignee_id": "team-9"}}),
        ("/v1/tickets/T1/add-tags", {"tags": ["mw-new", "2"]}),
    ]


# --- replying ------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["email", "email_widget"])
def test_an_email_customer_gets_a_message_of_the_bot_agent(channel: str) -> None:
    ticket = TicketState("T1", "OPEN", channel, frozenset(), None, ())
    server = acting(lambda desk: desk.send_reply(ticket, body="Hello"), answer({}))
    assert [(request.path, request.json) for request in server.requests] == [
        ("/v1/tickets/T1/send-message", {"author_id": "bot", "body": "Hello"})
    ]


@pytest.mark.parametrize("channel", ["live_chat", "tiktok", "unknown"])
def test_any_other_customer_gets_a_comment(channel: str) -> None:
    ticket = TicketState("T1", "OPEN", channel, frozenset(), None, ())
    server = acting(lambda desk: desk.send_reply(ticket, body="Hello"), answer({}))
    request = server.requests[0]
    assert (request.method, request.path) == ("PUT", "/v1/tickets/T1")
    assert request.json["ticket"]["comment"]["body"] == "Hello"


def test_without_a_bot_agent_no_email_is_sent() -> None:
    async def act(desk: Richpanel) -> None:
        with pytest.raises(Permanent, match="no_bot_agent"):
            await desk.send_reply(TICKET, body="Hello")

    assert acting(act, answer({}), bot_agent_id=None).requests == []


# --- failures ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 413, 422])
@pytest.mark.parametrize("act", [read, write])
def test_a_refusal_is_permanent(act: Act, status: int) -> None:
    failure = failing(act, answer({}, status))
    assert (type(failure), failure.code) == (Permanent, f"http_{status}")


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_server_error_is_transient_on_a_read_and_ambiguous_on_a_write(status: int) -> None:
    failures = [failing(act, answer({}, status)) for act in (read, write)]
    assert [type(failure) for failure in failures] == [Transient, Ambiguous]
    assert {failure.code for failure in failures} == {f"http_{status}"}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("reset", "broken"), ("hang", "timeout"), ("half", "timeout"), (b"SMTP\r\n\r\n", "broken")],
)
def test_a_lost_answer_is_transient_on_a_read_and_ambiguous_on_a_write(
    trouble: Answer, code: str
) -> None:
    failures = [failing(act, trouble, timeout=patience(trouble)) for act in (read, write)]
    assert [type(failure) for failure in failures] == [Transient, Ambiguous]
    assert {failure.code for failure in failures} == {code}


@pytest.mark.parametrize("silence", ["hang", "half"])
@pytest.mark.parametrize(("act", "kind"), [(read, Transient), (write, Ambiguous)])
def test_a_vendor_that_falls_silent_is_left_before_the_total_deadline(
    act: Act, kind: type[VendorError], silence: Answer
) -> None:
    failure = failing(act, silence, timeout=1.0)
    assert (type(failure), failure.code) == (kind, "timeout")
    assert isinstance(failure.__cause__, aiohttp.SocketTimeoutError)


def test_an_answer_in_drops_does_not_outlast_the_total_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def play() -> float:
        async with serving(drip) as url:
            desk, began = richpanel(url, timeout=0.3), asyncio.get_running_loop().time()
            with pytest.raises(Transient, match="timeout"):
                await desk.ticket("T1")
            await desk.aclose()
            return asyncio.get_running_loop().time() - began

    assert asyncio.run(play()) < 3.0


@pytest.mark.parametrize("act", [read, write])
def test_a_refused_connection_is_transient_because_nothing_was_sent(act: Act) -> None:
    async def play() -> None:
        async with nobody() as url:
            desk = richpanel(url)
            try:
                await act(desk)
            finally:
                await desk.aclose()

    with pytest.raises(Transient, match="unreachable"):
        asyncio.run(play())


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """The address of a listener that takes no more connections and refuses none."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_write_that_never_got_a_connection_is_transient() -> None:
    async def play(url: str) -> None:
        desk = richpanel(url, timeout=0.8)
        try:
            await write(desk)
        finally:
            await desk.aclose()

    with full_backlog() as url, pytest.raises(Transient, match="unreachable"):
        asyncio.run(play(url))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tue, 14 Nov 2023 22:14:05 GMT", 45.0),
        ("0", 0.0),
        ("later", 30.0),
        ("999999", 600.0),
    ],
)
@pytest.mark.parametrize("act", [read, write])
def test_a_429_says_how_long_to_stay_away(act: Act, header: str, seconds: float) -> None:
    failure = failing(act, answer({}, 429, Retry_After=header))
    assert isinstance(failure, RateLimited)
    assert (failure.code, failure.retry_after) == ("http_429", seconds)


def test_a_429_without_a_delay_gets_a_bounded_one() -> None:
    failure = failing(read, answer({}, 429))
    assert isinstance(failure, RateLimited)
    assert failure.retry_after == 30.0


@pytest.mark.parametrize(
    "garbage", [b"<html>", b"", b"[1]", b"null", b"\xff", b'{"ticket": 5}', b'{"ticket": {}}']
)
def test_garbage_on_a_read_is_transient(garbage: bytes) -> None:
    assert type(failing(read, answer(garbage))) is Transient


@pytest.mark.parametrize("garbage", [b'{"team": 5}', b'{"team": [{"id": 1}]}', b"{}"])
def test_garbage_in_a_list_is_transient(garbage: bytes) -> None:
    assert type(failing(lambda desk: desk.team_ids(), answer(garbage))) is Transient


def test_garbage_after_a_write_that_was_accepted_is_fine() -> None:
    assert len(acting(write, answer(b"<html>")).requests) == 1


@pytest.mark.parametrize("trouble", [answer({}, 500), answer({}, 429), "reset", "hang"])
@pytest.mark.parametrize("act", [read, write])
def test_nothing_is_ever_tried_twice(act: Act, trouble: Answer) -> None:
    async def play() -> int:
        async with answering(trouble) as server:
            desk = richpanel(server.url, timeout=patience(trouble))
            with pytest.raises(VendorError):
                await act(desk)
            await desk.aclose()
            return len(server.requests)

    assert asyncio.run(play()) == 1


def test_no_failure_holds_the_customers_words_or_the_key() -> None:
    async def act(desk: Richpanel) -> None:
        await desk.send_reply(TICKET, body="my secret words")

    failure: BaseException | None = failing(act, answer(b"my secret words key", 500))
    while failure is not None:
        assert "secret" not in str(failure)
        assert "key" not in str(failure)
        failure = failure.__cause__ or failure.__context__


def test_no_log_line_holds_the_customers_words(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        acting(lambda desk: desk.send_reply(TICKET, body="my secret words"), answer({}))
    assert "secret" not in caplog.text


@pytest.mark.parametrize("act", [read, write])
def test_an_address_that_no_http_can_reach_is_permanent(act: Act) -> None:
    async def play() -> None:
        desk = richpanel("ftp://127.0.0.1")
        try:
            await act(desk)
        finally:
            await desk.aclose()

    with pytest.raises(Permanent, match="unsendable"):
        asyncio.run(play())


def test_settings_name_the_account_and_the_bot_agent() -> None:
    async def play() -> Loopback:
        async with answering(answer({})) as server:
            settings = Settings(
                richpanel_url=server.url, richpanel_key=SecretStr("k9"), bot_agent_id="bot-9"
            )
            desk = Richpanel.from_settings(settings)
            await write(desk)
            await desk.aclose()
            return server

    request = asyncio.run(play()).requests[0]
    assert request.headers["x-richpanel-key"] == "k9"
    assert request.json["author_id"] == "bot-9"


# --- who wrote -----------------------------------------------------------------------------


def comment_json(at: int, *, operator: bool = False, **more: Any) -> dict[str, Any]:
    return {"id": f"c{at}", "created_at": at, "via": {"isOperator": operator}, **more}


@pytest.mark.parametrize(
    ("comments", "at"),
    [
        pytest.param([comment_json(100)], [100.0], id="a customer opened it"),
        pytest.param([comment_json(100), comment_json(150)], [150.0], id="and wrote again"),
        pytest.param([comment_json(100), comment_json(150, operator=True)], [100.0], id="answered"),
        pytest.param([comment_json(100, operator=True)], [], id="an agent opened it"),
        pytest.param(
            [comment_json(100, operator=True), comment_json(150)], [150.0], id="and got an answer"
        ),
        pytest.param([comment_json(100, public=False)], [], id="an app opened it with a note"),
        pytest.param(None, [100.0], id="listed without comments"),
    ],
)
def test_a_ticket_that_an_agent_opens_is_no_customer_who_wrote(
    comments: list[dict[str, Any]] | None, at: list[float]
) -> None:
    ticket = {"id": "T1", "status": "OPEN", "created_at": 100, "comments": comments}
    assert wrote_at({"ticket": [ticket]}) == at


# --- reports -------------------------------------------------------------------------------


@dataclass
class Told:
    """What a client told of its requests."""

    requests: int = 0
    left: list[int] = field(default_factory=list)

    def spent(self) -> None:
        self.requests += 1

    def remaining(self, count: int) -> None:
        self.left.append(count)


def test_every_request_is_counted_and_what_remains_is_told_unless_a_429_says_when() -> None:
    told = Told()

    async def act(desk: Richpanel) -> None:
        await desk.ticket("T1")
        with pytest.raises(RateLimited):
            await desk.ticket("T1")
        with pytest.raises(Permanent):
            await desk.ticket("T1")

    acting(
        act,
        answer(ticket_json(), X_RateLimit_Remaining="49"),
        answer({}, 429, X_RateLimit_Remaining="0"),
        answer({}, 404, X_RateLimit_Remaining="many"),
        meter=told,
    )
    assert told == Told(3, [49])


@pytest.mark.parametrize(
    ("trouble", "label"),
    [
        (answer({}, 503), "5xx"),
        (answer({}, 429), "429"),
        (answer({}, 404), "4xx"),
        ("hang", "timeout"),
        (answer(b"<html>"), "unusable"),
    ],
)
def test_each_call_is_counted_by_what_became_of_it(trouble: Answer, label: str) -> None:
    series = f"vendor_requests|richpanel|{label}"
    before = telemetry.MEASURED.counts.get(series, 0)
    failing(read, trouble, timeout=patience(trouble))
    assert telemetry.MEASURED.counts[series] == before + 1


# --- the shop ------------------------------------------------------------------------------


def shopping(*answers: Answer, order_id: str = "42") -> tuple[Any, Loopback, list[int]]:
    told = Told()

    async def play() -> tuple[Any, Loopback, list[int]]:
        async with answering(*answers) as server:
            shop = Shopify(
                base_url=server.url,
                token="token",
                version="2025-10",
                timeout=5.0,
                meter=told,
            )
            try:
                return await shop.order(order_id), server, told.left
            finally:
                await shop.aclose()

    return asyncio.run(play())


def test_an_order_of_the_shop_is_read_with_its_tracking() -> None:
    order = {
        "id": 42,
        "name": "#1001",
        "fulfillment_status": "fulfilled",
        "fulfillments": [{"tracking_url": "https://track/1"}, {"tracking_url": None}],
    }
    read, server, remaining = shopping(
        answer({"order": order}, X_Shopify_Shop_Api_Call_Limit="32/40")
    )
    assert read == Order("#1001", "fulfilled", "https://track/1")
    assert server.requests[0].path == "/admin/api/2025-10/orders/42.json"
    assert server.requests[0].headers["x-shopify-access-token"] == "token"
    assert remaining == [8]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer({}, 403), Permanent),
        (answer({}, 429), RateLimited),
        (answer({}, 500), Transient),
        (answer({"order": None}), Transient),
        (answer(b"<html>"), Transient),
        ("reset", Transient),
    ],
)
def test_the_shops_failures_are_told_apart_too(reply: Answer, kind: type[VendorError]) -> None:
    with pytest.raises(VendorError) as failed:
        shopping(reply)
    assert type(failed.value) is kind


@pytest.mark.parametrize("order_id", ["", "#1001", "1/../2", "1 2"])
def test_only_a_number_is_asked_for_at_the_shop(order_id: str) -> None:
    read, server, _ = shopping(answer({}), order_id=order_id)
    assert read is None
    assert server.requests == []


def test_an_order_that_the_shop_does_not_know_is_none() -> None:
    assert shopping(answer({}, 404))[0] is None


# --- linked orders -------------------------------------------------------------------------

LINKED = LinkedOrder("5", "shop 1")


def telling(*answers: Answer) -> tuple[Order | None, Loopback]:
    said: list[Order | None] = []

    async def act(desk: Richpanel) -> None:
        said.append(await desk.order(LINKED))

    server = acting(act, *answers)
    return said[0], server


def test_a_linked_order_is_read_with_its_first_tracking_link() -> None:
    tracking = [{"trackingNumber": "1"}, {"trackingUrl": "https://track/2"}]
    order = {"fulfillmentStatus": "fulfilled", "fulfillment": [{}, {"tracking": tracking}]}
    said, server = telling(answer(order))
    assert said == Order(None, "fulfilled", "https://track/2")
    assert server.requests[0].path == "/v1/order/shop%201/5"


def test_an_order_without_tracking_has_the_shops_own_page() -> None:
    said, _ = telling(answer({"fulfillmentStatus": "unfulfilled", "statusUrl": "https://s/5"}))
    assert said == Order(None, "unfulfilled", "https://s/5")


def test_an_order_that_the_helpdesk_does_not_know_is_none() -> None:
    assert telling(answer({}, 404))[0] is None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(answer({}, 403), Permanent), (answer({"fulfillment": "none"}), Transient)],
)
def test_an_order_that_cannot_be_read_is_told_apart(reply: Answer, kind: type[VendorError]) -> None:
    assert type(failing(lambda desk: desk.order(LINKED), reply)) is kind
