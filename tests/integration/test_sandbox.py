"""The fake vendors over real HTTP: budget, journal, faults, the model's answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.clients.openai_classifier import OpenAIClassifier
from pipeline.settings import Settings
from sandbox.journal import Effect, double_replies
from sandbox.messages import OWN
from sandbox.tickets import sample_tickets
from sandbox.traffic import traffic

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def vendors() -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--error-rate", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def desk(vendors: dict[str, Any]) -> Iterator[httpx.Client]:
    headers = {"x-richpanel-key": vendors["key"]}
    with httpx.Client(base_url=vendors["richpanel"], headers=headers) as client:
        client.put("/_sandbox/budget", json={"limit": 1000, "window": 30})
        samples = sample_tickets(30, seed=1, run="s", at=1.0)
        rows = [{"ticket": s.ticket, "order": s.order, "messages": 1} for s in samples]
        client.post("/_sandbox/tickets", json=rows)
        yield client
        client.delete("/_sandbox/faults")


def email_ticket(desk: httpx.Client) -> str:
    tickets = desk.get("/v1/tickets", params={"per_page": 100}).json()["ticket"]
    return next(str(t["id"]) for t in tickets if t["via"]["channel"] == "email")


def test_reads_have_the_helpdesks_shapes(desk: httpx.Client) -> None:
    page = desk.get("/v1/tickets", params={"per_page": 10, "page": 2}).json()
    assert (len(page["ticket"]), page["count"], page["previous_page"], page["next_page"]) == (
        10, 30, 1, 3,
    )  # fmt: skip
    ticket = desk.get(f"/v1/tickets/{page['ticket'][0]['id']}").json()["ticket"]
    assert {"id", "status", "tags", "comments", "via", "assignee_id"} <= set(ticket)
    assert desk.get(f"/v1/tickets/number/{ticket['number']}").json()["ticket"]["id"] == ticket["id"]
    assert desk.get(f"/v1/tickets/email/{ticket['email']}").status_code == 200
    assert len(desk.get("/v1/teams").json()["team"]) == 10
    assert desk.get("/v1/tickets/nobody").status_code == 404
    assert desk.get("/v1/tags", headers={"x-richpanel-key": "no"}).status_code == 401


def test_a_linked_order_is_told_and_none_is_an_empty_object(
    desk: httpx.Client, vendors: dict[str, Any]
) -> None:
    samples = sample_tickets(30, seed=1, run="s", at=1.0)
    linked = next(s for s in samples if s.order)
    without = next(s for s in samples if not s.order)
    assert desk.get(f"/v1/order/{without.ticket['id']}").json() == {}
    ids = desk.get(f"/v1/order/{linked.ticket['id']}").json()
    order = desk.get(f"/v1/order/{ids['appClientId']}/{ids['orderId']}").json()
    assert order["fulfillment"][0]["tracking"][0]["trackingNumber"]
    shop = httpx.get(
        f"{vendors['shopify']}/admin/api/2026-01/orders/{ids['orderId']}.json",
        headers={"X-Shopify-Access-Token": vendors["key"]},
    )
    assert shop.status_code == 200
    assert shop.headers["X-Shopify-Shop-Api-Call-Limit"].endswith("/40")


def test_writes_change_what_is_sent_and_stand_in_the_journal(desk: httpx.Client) -> None:
    ticket = email_ticket(desk)
    before = len(desk.get("/_sandbox/journal").json()["effects"])
    desk.put(f"/v1/tickets/{ticket}", json={"ticket": {"assignee_id": "team-1"}})
    desk.put(f"/v1/tickets/{ticket}/add-tags", json={"tags": ["a", "b"]})
    desk.put(f"/v1/tickets/{ticket}/remove-tags", json={"tags": ["a"]})
    sent = {"author_id": "agent-bot", "body": "hello"}
    assert desk.put(f"/v1/tickets/{ticket}/send-message", json=sent).status_code == 200
    stranger = {"author_id": "stranger", "body": "hello"}
    assert desk.put(f"/v1/tickets/{ticket}/send-message", json=stranger).status_code == 400
    effects = desk.get("/_sandbox/journal", params={"since": before}).json()["effects"]
    assert [each["kind"] for each in effects] == ["assign", "tags", "tags", "reply"]
    last = desk.get(f"/v1/tickets/{ticket}").json()["ticket"]["comments"][-1]
    assert last["via"]["isOperator"] is True


def test_the_budget_answers_429_with_what_is_left_and_when_to_come_back(
    desk: httpx.Client,
) -> None:
    desk.put("/_sandbox/budget", json={"limit": 1, "window": 30})
    answer = desk.get("/v1/teams")
    assert answer.status_code == 429
    assert (answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]) == (
        "1", "0",
    )  # fmt: skip
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    desk.put("/_sandbox/budget", json={"limit": 1000, "window": 30})


@pytest.mark.parametrize("kind", ["status", "reset", "garbage"])
def test_a_fault_after_the_effect_hides_an_effect_that_happened(
    desk: httpx.Client, kind: str
) -> None:
    ticket = email_ticket(desk)
    before = len(desk.get("/_sandbox/journal").json()["effects"])
    rule = {"kind": kind, "method": "PUT", "match": "add-tags", "after_effect": True, "times": 1}
    desk.put("/_sandbox/faults", json=[rule])
    path, tags = f"/v1/tickets/{ticket}/add-tags", {"tags": [f"after-{kind}"]}
    if kind == "reset":
        with pytest.raises(httpx.TransportError):
            desk.put(path, json=tags)
    else:
        assert not desk.put(path, json=tags).text.startswith('{"ticket"')
    assert len(desk.get("/_sandbox/journal").json()["effects"]) == before + 1
    assert desk.put(path, json={"tags": ["later"]}).status_code == 200


def test_the_model_answers_our_client_from_the_known_label(vendors: dict[str, Any]) -> None:
    async def ask(text: str) -> tuple[str, str]:
        settings = Settings(
            openai_base_url=f"{vendors['openai']}/v1", openai_api_key=vendors["key"]
        )
        classifier = OpenAIClassifier.from_settings(settings)
        answer = await classifier.classify(text, channel="email")
        await classifier.aclose()
        return answer.intent, answer.confidence

    for text, intent in OWN[:5]:
        assert asyncio.run(ask(text)) == (intent, "high")
    assert asyncio.run(ask("words that nobody labelled")) == ("unknown_other", "low")


def test_traffic_has_exactly_what_it_says(vendors: dict[str, Any]) -> None:
    samples = sample_tickets(200, seed=3, run="x", at=1.0)
    deliveries = traffic(samples, 200, seed=3)
    kinds = [each.kind for each in deliveries]
    assert len(deliveries) == 200
    assert (kinds.count("duplicate"), kinds.count("conflict")) == (10, 2)
    assert kinds.count("bare") == round(0.2 * (kinds.count("message") + kinds.count("bare")))
    bare = [json.loads(each.body) for each in deliveries if each.kind == "bare"]
    assert all(each.keys() == {"ticket_id", "ticket_url", "trigger"} for each in bare)
    assert {each.kind for each in traffic(samples, 10, seed=1)} == set(kinds)
    originals: dict[bytes, int] = {}
    for index, each in enumerate(deliveries):
        if each.kind == "message":
            originals[each.body] = index
        elif each.kind == "duplicate":
            assert originals[each.body] < index
        elif each.kind == "broken":
            with pytest.raises(json.JSONDecodeError):
                json.loads(each.body)
    with pytest.raises(ValueError, match="at least 10"):
        traffic(samples, 5, seed=1)


def test_double_replies_are_counted_from_effects_alone() -> None:
    def reply(ticket: str, body: str) -> Effect:
        return Effect(0, 0.0, ticket, "reply", "", body)

    once = [reply("a", "1"), reply("b", "1")]
    assert double_replies(once, {"a": 1, "b": 1}) == 0
    assert double_replies([*once, reply("a", "2")], {"a": 1, "b": 1}) == 1
    assert double_replies([*once, reply("a", "1")], {"a": 5, "b": 1}) == 1
