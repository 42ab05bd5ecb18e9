"""The vendor clients against the sandbox: both sides were written from the vendors' papers."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from openai import AsyncOpenAI

from pipeline.clients.openai_classifier import OpenAIClassifier
from pipeline.clients.richpanel import Richpanel
from pipeline.clients.shopify import Shopify
from pipeline.domain.classification import classify
from pipeline.domain.events import AcceptedTicket
from pipeline.domain.templates import carries, marked
from pipeline.ports import (
    Ambiguous,
    LinkedOrder,
    ModelAnswer,
    Order,
    Permanent,
    RateLimited,
    TicketState,
    Transient,
    VendorError,
)
from sandbox.tickets import labelled_messages, sample_tickets

T = TypeVar("T")
ACTION = "0123456789abcdef"
CUSTOMER = {
    "id": "m1",
    "body": "Where is it?",
    "author_id": "customer",
    "created_at": 1_700_000_000.0,
    "via": {"channel": "email", "isOperator": False},
}


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "sandbox", "--budget", "10000", "--error-rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


class Sandbox:
    """The sandbox as one test sees it: a clean set of faults and a journal of its own."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self.clear()
        self._since = len(self._effects(0))

    def seed(self, ticket_id: str, *, channel: str = "email", **more: Any) -> str:
        ticket = {
            "id": ticket_id,
            "status": "OPEN",
            "assignee_id": None,
            "created_at": 1_700_000_000.0,
            "via": {"channel": channel},
            "tags": more.get("tags", []),
            "comments": [CUSTOMER],
        }
        seeds = [{"ticket": ticket, "order": more.get("order"), "messages": 1}]
        httpx.post(f"{self.addresses['richpanel']}/_sandbox/tickets", json=seeds).raise_for_status()
        return ticket_id

    def fail(self, vendor: str, **fault: Any) -> None:
        url = f"{self.addresses[vendor]}/_sandbox/faults"
        httpx.put(url, json=[fault]).raise_for_status()

    def clear(self) -> None:
        for vendor in ("richpanel", "openai", "shopify"):
            httpx.delete(f"{self.addresses[vendor]}/_sandbox/faults").raise_for_status()

    def effects(self) -> list[tuple[str, str]]:
        """(kind, detail) of what was applied since this test began."""
        return [(effect["kind"], effect["detail"]) for effect in self._effects(self._since)]

    def _effects(self, since: int) -> list[dict[str, Any]]:
        url = f"{self.addresses['richpanel']}/_sandbox/journal?since={since}"
        effects: list[dict[str, Any]] = httpx.get(url).json()["effects"]
        return effects

    def desk(self, act: Callable[[Richpanel], Awaitable[T]], *, timeout: float = 5.0) -> T:
        """What `act` returns with a client of the helpdesk."""

        async def play() -> T:
            desk = Richpanel(
                base_url=self.addresses["richpanel"],
                key=self.addresses["key"],
                bot_agent_id="agent-bot",
                timeout=timeout,
            )
            try:
                return await act(desk)
            finally:
                await desk.aclose()

        return asyncio.run(play())

    def model(self, text: str, *, deadline: float = 5.0) -> ModelAnswer | VendorError:
        """What the classifier says to `text`."""

        async def play() -> ModelAnswer | VendorError:
            url = f"{self.addresses['openai']}/v1"
            client = AsyncOpenAI(api_key=self.addresses["key"], base_url=url, max_retries=0)
            model = OpenAIClassifier(client, model="gpt-5-mini", deadline=deadline)
            try:
                return await model.classify(text, channel="email")
            except VendorError as error:
                return error
            finally:
                await model.aclose()

        return asyncio.run(play())


class Told:
    """What a client told of its requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.left: list[int] = []

    def spent(self) -> None:
        self.requests += 1

    def remaining(self, count: int) -> None:
        self.left.append(count)


def a_shop(sandbox: Sandbox, meter: Told | None = None) -> Shopify:
    return Shopify(
        base_url=sandbox.addresses["shopify"],
        token=sandbox.addresses["key"],
        version="2025-10",
        timeout=5.0,
        meter=meter,
    )


@pytest.fixture
def sandbox(addresses: dict[str, str]) -> Sandbox:
    return Sandbox(addresses)


def replying(ticket_id: str) -> Callable[[Richpanel], Awaitable[None]]:
    async def act(desk: Richpanel) -> None:
        await desk.send_reply(await desk.ticket(ticket_id), body=marked("Hello", ACTION))

    return act


def has_reply(sandbox: Sandbox, ticket_id: str) -> bool:
    comments = sandbox.desk(lambda desk: desk.ticket(ticket_id)).comments
    return any(comment.is_operator and carries(comment.body, ACTION) for comment in comments)


def test_a_ticket_is_routed_once_and_then_left_alone(sandbox: Sandbox) -> None:
    sandbox.seed("r1", tags=["vip"])

    async def act(desk: Richpanel) -> None:
        teams = await desk.team_ids()
        for _ in range(2):
            ticket = await desk.ticket("r1")
            tags = ("mw-processed", "route-sales")
            await desk.apply_route(ticket, team_id=teams["Sales Team"], tags=tags)

    sandbox.desk(act)
    ticket = sandbox.desk(lambda desk: desk.ticket("r1"))
    assert ticket.tags == {"vip", "mw-processed", "route-sales"}
    assert ticket.assignee_id == sandbox.desk(lambda desk: desk.team_ids())["Sales Team"]
    assert [kind for kind, _ in sandbox.effects()] == ["assign", "tags"]


def test_known_tags_go_out_with_the_assignee_and_the_old_ones_stay(sandbox: Sandbox) -> None:
    sandbox.seed("r2", tags=["known-one"])
    sandbox.seed("r3", tags=["known-two"])

    async def act(desk: Richpanel) -> None:
        ticket = await desk.ticket("r2")
        await desk.apply_route(ticket, team_id="team-1", tags=("Known-Two",))

    sandbox.desk(act)
    assert sandbox.effects() == [("assign", "team-1"), ("tags", "known-one,known-two")]


def test_a_tag_made_after_the_first_look_is_seen_by_name(sandbox: Sandbox) -> None:
    sandbox.seed("r4", tags=["old"])

    async def act(desk: Richpanel) -> frozenset[str]:
        await desk.ticket("r4")
        await asyncio.to_thread(sandbox.seed, "r5", tags=["brand-new"])
        return (await desk.ticket("r5")).tags

    assert sandbox.desk(act) == {"brand-new"}


@pytest.mark.parametrize(
    ("channel", "how"),
    [("email", "send-message"), ("email_widget", "send-message"), ("live_chat", "comment")],
)
def test_a_reply_reaches_the_customer_and_can_be_read_back(
    sandbox: Sandbox, channel: str, how: str
) -> None:
    ticket_id = sandbox.seed(f"reply-{channel}", channel=channel)
    assert not has_reply(sandbox, ticket_id)
    sandbox.desk(replying(ticket_id))
    assert sandbox.effects() == [("reply", how)]
    assert has_reply(sandbox, ticket_id)


def test_a_note_is_seen_by_agents_and_is_no_reply(sandbox: Sandbox) -> None:
    ticket_id = sandbox.seed("note")

    async def act(desk: Richpanel) -> TicketState:
        await desk.add_note(await desk.ticket(ticket_id), body="for a human")
        return await desk.ticket(ticket_id)

    ticket = sandbox.desk(act)
    assert sandbox.effects() == [("note", "note")]
    assert [(each.body, each.is_note) for each in ticket.comments][-1] == ("for a human", True)


def test_a_late_effect_is_not_there_when_the_answer_comes_and_there_later(
    sandbox: Sandbox,
) -> None:
    ticket_id = sandbox.seed("late")
    sandbox.fail("richpanel", kind="late", method="PUT", status=504, delay_s=0.2)
    with pytest.raises(Ambiguous):
        sandbox.desk(replying(ticket_id))
    assert not has_reply(sandbox, ticket_id)
    deadline = time.monotonic() + 10
    while not has_reply(sandbox, ticket_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(sandbox.effects()) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "reset"},
        {"kind": "hang"},
        {"kind": "slow_loris"},
    ],
    ids=lambda fault: fault["kind"],
)
@pytest.mark.parametrize("applied", [True, False])
def test_a_reply_whose_answer_is_lost_is_ambiguous_and_reading_back_tells(
    sandbox: Sandbox, fault: dict[str, Any], applied: bool
) -> None:
    ticket_id = sandbox.seed(f"lost-{fault['kind']}-{applied}")
    sandbox.fail("richpanel", method="PUT", after_effect=applied, **fault)
    with pytest.raises(Ambiguous):
        sandbox.desk(replying(ticket_id), timeout=1.5)
    assert has_reply(sandbox, ticket_id) is applied


@pytest.mark.parametrize("kind", ["status", "reset", "hang", "slow_loris", "garbage"])
def test_a_read_that_goes_wrong_is_transient(sandbox: Sandbox, kind: str) -> None:
    sandbox.seed("read")
    sandbox.fail("richpanel", kind=kind, method="GET")
    with pytest.raises(Transient):
        sandbox.desk(lambda desk: desk.ticket("read"), timeout=0.5)


def test_garbage_after_an_accepted_reply_is_no_failure(sandbox: Sandbox) -> None:
    sandbox.seed("garbage")
    sandbox.fail("richpanel", kind="garbage", method="PUT", after_effect=True)
    sandbox.desk(replying("garbage"))
    assert has_reply(sandbox, "garbage")


def test_a_429_says_when_to_come_back(sandbox: Sandbox) -> None:
    sandbox.fail("richpanel", kind="status", status=429, retry_after="17")
    with pytest.raises(RateLimited) as limited:
        sandbox.desk(lambda desk: desk.ticket("r1"))
    assert limited.value.retry_after == 17.0


def test_a_ticket_that_is_not_there_is_permanent(sandbox: Sandbox) -> None:
    with pytest.raises(Permanent, match="http_404"):
        sandbox.desk(lambda desk: desk.ticket("nowhere"))


@pytest.mark.parametrize("linked", [True, False])
def test_a_linked_order_is_seen(sandbox: Sandbox, linked: bool) -> None:
    order = {"orderId": "17", "appClientId": "shop-1"} if linked else None
    ticket_id = sandbox.seed(f"order-{linked}", order=order)
    found = sandbox.desk(lambda desk: desk.linked_order(ticket_id))
    assert found == (LinkedOrder("17", "shop-1") if linked else None)


def test_a_linked_order_is_told_by_the_helpdesk_or_by_the_shop_alone(sandbox: Sandbox) -> None:
    samples = sample_tickets(60, seed=4, run="orders", at=1.0)
    seeds = [{"ticket": each.ticket, "order": each.order, "messages": 1} for each in samples]
    url = f"{sandbox.addresses['richpanel']}/_sandbox/tickets"
    httpx.post(url, json=seeds).raise_for_status()
    linked = [each for each in samples if each.order is not None]
    at_shop_only = next(each for each in linked if each.order and each.order["onlyAtShop"])
    at_desk = next(each for each in linked if each.order and not each.order["onlyAtShop"])

    async def told(desk: Richpanel, ticket_id: str) -> tuple[Order | None, Order | None]:
        link = await desk.linked_order(ticket_id)
        assert link is not None
        shop = a_shop(sandbox)
        try:
            return await desk.order(link), await shop.order(link.order_id)
        finally:
            await shop.aclose()

    by_desk, by_shop = sandbox.desk(lambda desk: told(desk, at_desk.ticket["id"]))
    assert by_desk is not None
    assert by_shop is not None
    assert by_desk.status == by_shop.status == "fulfilled"
    assert by_desk.tracking_url == by_shop.tracking_url
    nothing, by_shop = sandbox.desk(lambda desk: told(desk, at_shop_only.ticket["id"]))
    assert nothing is None
    assert by_shop is not None
    assert by_shop.number is not None


@pytest.mark.parametrize(("text", "intent"), labelled_messages()[:200:40])
def test_the_model_sorts_what_redaction_leaves_of_a_message(
    sandbox: Sandbox, text: str, intent: str
) -> None:
    said = sandbox.model(text)
    assert isinstance(said, ModelAnswer)
    assert (said.intent, said.confidence) == (intent, "high")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "status", "status": 503}, "http_503"),
        ({"kind": "status", "status": 429, "retry_after": "60"}, "http_429"),
        ({"kind": "status", "status": 401}, "http_401"),
        ({"kind": "garbage"}, "garbage"),
        ({"kind": "refusal"}, "refusal"),
        ({"kind": "reset"}, "unreachable"),
        ({"kind": "hang"}, "timeout"),
        ({"kind": "slow_loris"}, "timeout"),
    ],
)
def test_a_model_that_fails_says_how(sandbox: Sandbox, fault: dict[str, Any], code: str) -> None:
    sandbox.fail("openai", **fault)
    said = sandbox.model("cancel it", deadline=0.5)
    assert isinstance(said, VendorError)
    assert said.code == code


def test_a_text_that_the_model_refuses_is_decided_by_the_rules(sandbox: Sandbox) -> None:
    sandbox.fail("openai", kind="refusal")
    ticket = AcceptedTicket(
        event_id="e1", tenant="default", source="richpanel", conversation_id="t1",
        channel="email", text="I want a refund", ingress_id="i1", received_at=1.0,
    )  # fmt: skip
    said = sandbox.model(ticket.text)
    assert isinstance(said, VendorError)
    decision = classify(ticket, None, said.code, prefix="mw")
    assert (decision.path, decision.intent) == ("rules", "refund_request")
    assert decision.reasons[0] == "model_refusal"


def test_an_order_of_the_shop_is_found_by_its_number(sandbox: Sandbox) -> None:
    order = {"orderId": "4711", "appClientId": "shop-1", "orderNumber": 1001}
    sandbox.seed("shop", order=order)
    meter = Told()

    async def play() -> tuple[Order | None, Order | None]:
        shop = a_shop(sandbox, meter)
        try:
            return await shop.order("4711"), await shop.order("4712")
        finally:
            await shop.aclose()

    found, missing = asyncio.run(play())
    assert found == Order("#1001", "unfulfilled", None)
    assert missing is None
    assert meter.requests == 2
    assert all(left in range(40) for left in meter.left)
