"""`python -m ingress` as a process on a real broker: what it answers and what it keeps."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import pytest

from pipeline import topics
from pipeline.stream import admin
from sandbox.kafka import Broker, EmbeddedKafka

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
KEY = b"s" * 24
BODY = b'{"ticket_id": "t1", "message_id": "m1", "message": "hello"}'
TOKEN = {"X-Middleware-Token": "new"}


def environment(bootstrap: str, **settings: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
    fixed = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "SWITCHBOARD_PARTITIONS": "2",
        "SWITCHBOARD_WEBHOOK_TOKENS": '["old", "new"]',
        "SWITCHBOARD_WEBHOOK_HMAC_SECRETS": '["hm"]',
        "SWITCHBOARD_WEBHOOK_STANDARD_SECRETS": json.dumps(
            ["whsec_" + base64.b64encode(KEY).decode()]
        ),
        "SWITCHBOARD_INGRESS_ACK_TIMEOUT": "2",
    }
    return {**clean, **fixed, **settings}


@dataclass
class Ingress:
    url: str
    process: subprocess.Popen[str]
    bootstrap: str

    def post(
        self,
        body: bytes = BODY,
        headers: dict[str, str] | None = None,
        path: str = "/webhooks/richpanel",
    ) -> httpx.Response:
        sent = TOKEN if headers is None else headers
        return httpx.post(self.url + path, content=body, headers=sent, timeout=15)

    def stored(self) -> list[bytes]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "t", "enable.partition.eof": True}
        )
        name = topics.RECEIVED.name
        parts = list(consumer.list_topics(name, timeout=10).topics[name].partitions)
        consumer.assign([confluent_kafka.TopicPartition(name, p, 0) for p in parts])
        values, ended = [], 0
        while ended < len(parts):
            message = consumer.poll(10)
            assert message is not None
            if message.error() is None:
                values.append(message.value())
            else:
                ended += 1
        consumer.close()
        return values


def started(bootstrap: str, **settings: str) -> Ingress:
    process = subprocess.Popen(
        [sys.executable, "-m", "ingress"],
        cwd=ROOT,
        env=environment(bootstrap, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()  # it says no more than that
    return Ingress(json.loads(line)["url"], process, bootstrap)


def stopped(ingress: Ingress) -> int:
    ingress.process.send_signal(signal.SIGTERM)
    return ingress.process.wait(30)


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedKafka, Broker]]:
    with EmbeddedKafka(tmp_path_factory.mktemp("ingress-kafka")) as kafka:
        broker = kafka.start()
        admin.apply(broker.bootstrap, topics.plans(partitions=2, replication=1))
        yield kafka, broker


@pytest.fixture
def ingress(own_broker: tuple[EmbeddedKafka, Broker]) -> Iterator[Ingress]:
    running = started(own_broker[1].bootstrap)
    yield running
    if running.process.poll() is None:
        stopped(running)


def signed(secret: bytes, body: bytes = BODY, at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Signature": digest, "X-Timestamp": stamp}


def standard(key: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    digest = hmac.new(key, f"id1.{stamp}.".encode() + BODY, hashlib.sha256).digest()
    value = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": "id1", "webhook-timestamp": stamp, "webhook-signature": value}


def test_each_request_gets_its_answer_and_exactly_the_accepted_are_kept(ingress: Ingress) -> None:
    before = len(ingress.stored())
    odd: list[bytes] = [
        b"\xff\xfe\x00 not utf-8",
        b"[" * 50_000,
        b'{"ticket_id": ["wrong"], "message": 7}',
        json.dumps({"ticket_id": "t2", "message": "x" * 100_000}).encode(),
        b'{"message": "he said "hi""}',
    ]
    accepted: list[Any] = [
        ingress.post(headers={"X-Middleware-Token": "old"}),
        ingress.post(headers=signed(b"hm")),
        ingress.post(headers=standard(KEY)),
        ingress.post(path="/richpanel/inbound"),
        *(ingress.post(body) for body in odd),
    ]
    assert [each.status_code for each in accepted] == [202] * 9
    assert len({each.json()["ingress_id"] for each in accepted}) == 9
    refused = {
        "wrong signature": ingress.post(headers=signed(b"stranger")),
        "old timestamp": ingress.post(headers=signed(b"hm", at=time.time() - 600)),
        "no credentials": ingress.post(headers={}),
    }
    assert {name: each.status_code for name, each in refused.items()} == dict.fromkeys(refused, 401)
    assert len({each.content for each in refused.values()}) == 1
    assert ingress.post(b"").status_code == 400
    assert ingress.post(b"x" * 10_000_000).status_code == 413
    assert ingress.post(path="/webhooks/nobody").status_code == 404
    assert httpx.get(ingress.url + "/webhooks/richpanel").status_code == 405
    kept = ingress.stored()
    assert len(kept) - before == 9
    assert set(odd) <= set(kept)
    metrics = httpx.get(ingress.url + "/metrics").text
    for outcome in ("accepted", "unauthorized", "empty", "too_large", "unknown_source"):
        assert re.search(rf'ingress_requests_total\{{outcome="{outcome}"', metrics), outcome
    assert "nobody" not in metrics


def test_it_describes_itself(ingress: Ingress) -> None:
    assert httpx.get(ingress.url + "/ping").json() == {"ok": True}
    assert httpx.get(ingress.url + "/ready").json() == {"ready": True}
    paths = httpx.get(ingress.url + "/openapi.json").json()["paths"]
    assert {"/webhooks/{source}", "/richpanel/inbound", "/ping", "/ready", "/metrics"} <= set(paths)
    assert httpx.get(ingress.url + "/else").status_code == 404


def test_too_many_of_a_source_wait(own_broker: tuple[EmbeddedKafka, Broker]) -> None:
    running = started(
        own_broker[1].bootstrap, SWITCHBOARD_INGRESS_RATE="0.5", SWITCHBOARD_INGRESS_BURST="3"
    )
    answers = [running.post() for _ in range(5)]
    assert [each.status_code for each in answers[:3]] == [202] * 3
    assert answers[4].status_code == 429
    assert int(answers[4].headers["retry-after"]) >= 1
    stopped(running)


def test_a_broker_that_hangs_means_503_and_never_a_2xx(
    own_broker: tuple[EmbeddedKafka, Broker], ingress: Ingress
) -> None:
    kafka, _ = own_broker
    kafka.pause()
    try:
        answer = ingress.post()
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
    finally:
        kafka.resume()
    ends = time.monotonic() + 30
    while ingress.post().status_code != 202:
        assert time.monotonic() < ends


def test_a_stop_finishes_what_was_begun(ingress: Ingress) -> None:
    host, _, port = ingress.url.removeprefix("http://").partition(":")
    head = (
        f"POST /webhooks/richpanel HTTP/1.1\r\nHost: x\r\nX-Middleware-Token: new\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + BODY[:10])
        # An answer on another connection proves that the first one's bytes were read.
        assert ingress.post().status_code == 202
        ingress.process.send_signal(signal.SIGTERM)
        client.sendall(BODY[10:])
        assert client.recv(100).startswith(b"HTTP/1.1 202")
    assert ingress.process.wait(30) == 0


def refused_start(bootstrap: str, **settings: str) -> tuple[int, str]:
    answer = subprocess.run(
        [sys.executable, "-m", "ingress"],
        cwd=ROOT, env=environment(bootstrap, **settings), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return answer.returncode, answer.stderr


def test_a_wrong_set_up_refuses_to_start_and_says_what_mends_it(
    own_broker: tuple[EmbeddedKafka, Broker],
) -> None:
    bootstrap = own_broker[1].bootstrap
    none = dict.fromkeys(
        (f"SWITCHBOARD_WEBHOOK_{n}" for n in ("TOKENS", "HMAC_SECRETS", "STANDARD_SECRETS")), "[]"
    )
    code, text = refused_start(bootstrap, **none)
    assert code == 78
    assert "SWITCHBOARD_WEBHOOK_TOKENS" in text
    code, text = refused_start(bootstrap, SWITCHBOARD_PARTITIONS="3")
    assert code == 78
    assert "SWITCHBOARD_PARTITIONS=2" in text
    code, text = refused_start("127.0.0.1:1")
    assert code == 70  # it may come: a supervisor tries again
    assert "./switchboard kafka start" in text


@pytest.mark.parametrize("module", [("ingress",), ("agents", "dedup"), ("agents", "parking")])
def test_a_taken_port_ends_a_process_with_one_line(
    own_broker: tuple[EmbeddedKafka, Broker], module: tuple[str, ...], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        data = {"SWITCHBOARD_PORT": port, "SWITCHBOARD_DATA_DIR": str(tmp_path)}
        answer = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=ROOT, env=environment(own_broker[1].bootstrap, **data), capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
    assert answer.returncode == 78
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"error: SWITCHBOARD_PORT: cannot listen on 127.0.0.1:{port}")
