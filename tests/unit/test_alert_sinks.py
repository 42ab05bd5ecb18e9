"""Sinks against a real HTTP server on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from agents.alert_sinks import LogSink, SinkFailed, SlackSink, WebhookSink, sinks_of
from ingress.signature import Secrets, Verdict, verify
from pipeline.domain.notices import Notice
from pipeline.settings import Settings, SettingsError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE = Notice(
    id="n1", kind="fired", severity="SEV2", rule="gate_closed", group="richpanel", title="closed",
    value=30.0, at=1_700_000_000.0, since=1_700_000_000.0, runbook="RUNBOOK.md#a", lever="./switchboard lag",
)  # fmt: skip


class Receiver:
    """Takes posts and answers with `status`."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.posts.append((headers, body))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Keeps the test's output clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.thread.join()
    receiver.server.server_close()


def test_a_webhook_is_signed_so_that_our_own_ingress_would_take_it(receiver: Receiver) -> None:
    sink = WebhookSink(receiver.url, SECRET, now=lambda: 1_700_000_000.9)
    asyncio.run(sink.send(NOTICE))
    asyncio.run(sink.send(NOTICE))
    (headers, body), (again, _) = receiver.posts
    secrets = Secrets.of([], [], [SECRET])
    assert verify(headers, body, secrets, now=1_700_000_001.0) is Verdict.OK
    assert headers["webhook-id"] == again["webhook-id"] == "n1"
    assert json.loads(body)["data"]["group"] == "richpanel"


def test_slack_gets_one_line(receiver: Receiver) -> None:
    asyncio.run(SlackSink(receiver.url).send(NOTICE))
    ((_, body),) = receiver.posts
    assert json.loads(body)["text"].startswith("[SEV2] closed (richpanel): fired")


@pytest.mark.parametrize(("status", "for_good"), [(500, False), (410, True), (302, False)])
def test_whatever_is_no_2xx_has_not_arrived(
    receiver: Receiver, status: int, for_good: bool
) -> None:
    receiver.status = status
    with pytest.raises(SinkFailed) as failed:
        asyncio.run(SlackSink(receiver.url).send(NOTICE))
    assert (failed.value.code, failed.value.for_good) == (f"http_{status}", for_good)


def test_a_sink_that_is_not_there_fails_without_naming_its_address() -> None:
    with pytest.raises(SinkFailed) as failed:
        asyncio.run(SlackSink("http://127.0.0.1:1/T000/secret").send(NOTICE))
    assert "secret" not in str(failed.value)


def test_the_log_has_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        asyncio.run(LogSink().send(NOTICE))
    (record,) = caplog.records
    assert record.fields["rule"] == "gate_closed"  # type: ignore[attr-defined]


def settings(**fields: str) -> Settings:
    return Settings().model_copy(update={name: SecretStr(value) for name, value in fields.items()})


def test_sinks_are_those_that_are_set_and_a_webhook_needs_its_secret() -> None:
    every = settings(
        alert_webhook_url="http://x", alert_webhook_secret=SECRET, alert_slack_url="http://y"
    )
    assert [sink.name for sink in sinks_of(every, now=lambda: 0.0)] == ["log", "webhook", "slack"]
    assert [sink.name for sink in sinks_of(settings(), now=lambda: 0.0)] == ["log"]
    for secret in ("", "whsec_!"):
        with pytest.raises(SettingsError, match="ALERT_WEBHOOK_SECRET"):
            sinks_of(
                settings(alert_webhook_url="http://x", alert_webhook_secret=secret),
                now=lambda: 0.0,
            )
