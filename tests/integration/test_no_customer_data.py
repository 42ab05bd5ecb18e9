"""What customers write, and who they are, stays out of metrics, logs, audit and exceptions."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from console.topic_log import TopicLog
from pipeline import topics
from tests.integration.test_chain import ROOT, own_environment

pytestmark = pytest.mark.integration

MARK = "qzmark"
"""Stands in every text, name, address, tag and header that a customer or a stranger chose."""
TICKET = "T9"
"""What the ids of tickets begin with: they may stand in the audit, never in a label."""
QUESTIONS = (
    "How do I send this jacket back? I would like a return label.",
    "I will sue you, my lawyer writes tomorrow",
    "cancel my subscription",
    "Hm",
)


@pytest.fixture
def system(tmp_path: Path) -> Iterator[dict[str, Any]]:
    with (tmp_path / "up.err").open("w") as errors:
        up = subprocess.Popen(
            [sys.executable, "-m", "console", "up", "--folder", str(tmp_path)],
            cwd=ROOT, env=own_environment(), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        try:
            assert up.stdout is not None
            line = up.stdout.readline()
            assert line, (tmp_path / "up.err").read_text()
            yield json.loads(line)
        finally:
            up.terminate()
            up.communicate(timeout=60)


def open_ticket(system: dict[str, Any], ticket_id: str) -> None:
    marked = {
        "id": ticket_id, "number": 1, "status": "OPEN", "created_at": time.time(),
        "updated_at": time.time(), "assignee_id": None, "via": {"channel": "email"},
        "subject": MARK, "customer": {"email": f"{MARK}@example.com", "name": MARK}, "tags": [MARK],
        "comments": [],
    }  # fmt: skip
    rows = [{"messages": 1, "order": None, "ticket": marked}]
    httpx.post(f"{system['richpanel']}/_sandbox/tickets", json=rows).raise_for_status()


def bodies(number: int) -> Iterator[bytes]:
    """The same customer in every shape that a webhook may have."""
    whole = {
        "ticket_id": f"{TICKET}{number}", "message_id": f"{MARK}-{number}", "channel": "email",
        "message": f"{QUESTIONS[number % len(QUESTIONS)]} {MARK} {MARK}@example.com",
        "subject": MARK, "customer_name": MARK, "customer_email": f"{MARK}@example.com",
        "trigger": MARK, "tags": [MARK], MARK: MARK,
    }  # fmt: skip
    yield orjson.dumps(whole)
    yield orjson.dumps({**whole, "message": f"{MARK} again"})  # the same id, another body
    yield orjson.dumps({**whole, "channel": MARK, "message_id": f"{MARK}-{number}-b"})
    yield orjson.dumps({**whole, "message_id": {MARK: MARK}})
    yield orjson.dumps({**whole, "ticket_id": [MARK]})
    yield orjson.dumps({**whole, "author": MARK, "sender_type": MARK, "message_id": f"{number}-c"})
    yield orjson.dumps(whole)[:-20]
    yield f"{MARK} is no JSON".encode()


def send(system: dict[str, Any], body: bytes, source: str = "richpanel", **headers: str) -> int:
    known = {"X-Middleware-Token": system["token"], "webhook-id": MARK, "traceparent": MARK}
    address = f"{system['ingress']}/webhooks/{source}"
    return httpx.post(address, content=body, headers={**known, **headers}, timeout=20).status_code


def fail(system: dict[str, Any], vendor: str, *rules: dict[str, Any]) -> None:
    httpx.put(f"{system[vendor]}/_sandbox/faults", json=list(rules)).raise_for_status()


def metrics(system: dict[str, Any]) -> dict[str, str]:
    addresses = {"ingress": system["ingress"], **system["stages"]}
    return {name: httpx.get(f"{url}/metrics").text for name, url in addresses.items()}


def records(bootstrap: str, topic: str) -> list[Any]:
    with TopicLog(bootstrap, topic) as log:
        return list(log.records())


def outcomes(bootstrap: str) -> int:
    found = (orjson.loads(each.value()) for each in records(bootstrap, topics.AUDIT.name))
    return sum("outcome" in each for each in found)


@pytest.mark.timeout(300)
def test_a_marked_customer_is_in_no_metric_log_audit_or_exception(
    system: dict[str, Any], tmp_path: Path
) -> None:
    sent = everything_sent(system)
    bootstrap = system["broker"]
    ends = time.monotonic() + 120
    while outcomes(bootstrap) < sent and time.monotonic() < ends:
        time.sleep(1)
    assert outcomes(bootstrap) >= sent
    time.sleep(1.5)  # the last reports of what was measured
    # The mark went all the way: what may hold it does.
    for may in (topics.RECEIVED, topics.ACCEPTED, topics.QUARANTINED):
        assert any(MARK.encode() in each.value() for each in records(bootstrap, may.name)), may.name
    assert_labels_are_clean(system)
    assert_logs_are_clean(tmp_path / "log")
    assert_topics_are_clean(bootstrap)


def everything_sent(system: dict[str, Any]) -> int:
    """How many webhooks were taken."""
    sent = 0
    for number in range(12):
        open_ticket(system, f"{TICKET}{number}")
        if number == 4:
            fail(system, "openai", {"kind": "garbage", "times": 3})
            fail(system, "richpanel", {"kind": "status", "status": 500, "times": 3})
        for body in bodies(number):
            assert send(system, body) == 202
            sent += 1
    assert send(system, MARK.encode(), source=MARK) == 404
    assert send(system, MARK.encode(), **{"X-Middleware-Token": MARK}) == 401
    return sent


def assert_labels_are_clean(system: dict[str, Any]) -> None:
    for name, text in metrics(system).items():
        assert "switchboard_stage_records_total" in text
        assert MARK not in text.lower(), name
        assert TICKET not in text, name
    windows = httpx.get(f"{system['stages']['observe']}/windows").json()
    assert windows["counts"]["received|accepted"] > 0
    assert MARK not in json.dumps(windows)
    assert TICKET not in json.dumps(windows)


def assert_logs_are_clean(folder: Path) -> None:
    logs = {log.stem: log.read_text().lower() for log in folder.glob("*.log")}
    assert {"ingress", "dedup", "classify", "act", "observe"} <= set(logs)
    for name, text in logs.items():
        if name not in {"vendors", "kafka"}:  # the world outside, and the broker's own
            assert MARK not in text, name


def assert_topics_are_clean(bootstrap: str) -> None:
    for spec in (topics.AUDIT, topics.CONTROL, topics.WINDOWS, topics.ALERTS, topics.COUNTED):
        found = records(bootstrap, spec.name)
        assert found, spec.name
        for each in found:
            assert words_of(each) == [], (spec.name, each.value())
    keys = [each.key() or b"" for each in records(bootstrap, topics.ALERTS.name)]
    assert any(key.startswith(b"alert/") for key in keys), "broken bodies raise an alert"
    assert not any(TICKET.encode() in key for key in keys)
    for spec in (topics.RECEIVED, topics.ACCEPTED, topics.REQUESTED):
        for each in records(bootstrap, f"{spec.name}.dlq"):
            reasons = [value for key, value in each.headers() if key in REASONS]
            assert not any(MARK.encode() in value.lower() for value in reasons)


REASONS = {"sb-reason", "kafka_dlt-exception-message", "sb-stage", "sb-fingerprint"}


def words_of(record: Any) -> list[bytes]:
    """Values of a record in which the mark stands, but for the names of events."""
    value = orjson.loads(record.value() or b"{}")
    value.pop("event_id", None)  # an id of the provider's, which the trail may hold
    headers = [
        each for name, each in record.headers() or () if name not in {"ce_id", "traceparent"}
    ]
    parts = [orjson.dumps(value), record.key() or b"", *headers]
    return [part for part in parts if MARK.encode() in part.lower()]
