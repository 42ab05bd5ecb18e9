"""The lever on a running system: every process, the command line and the control API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import psutil
import pytest

from pipeline import topics
from pipeline.domain.events import Audit

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PROCESSES = {"ingress-0", "dedup-0", "classify-0", "act-0", "observe-0"}
TOKENS = {"alice": "a-token", "bob": "b-token"}
ALICE = {"Authorization": "Bearer a-token"}


@dataclass
class System:
    broker: str
    process: subprocess.Popen[str]

    @property
    def env(self) -> dict[str, str]:
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))
        }
        return {
            **clean,
            "KAFKA_BOOTSTRAP_SERVERS": self.broker,
            "SWITCHBOARD_CONTROL_TOKENS": json.dumps(TOKENS),
        }

    def run(self, *arguments: str, exits: int = 0) -> str:
        answer = subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert answer.returncode == exits, answer.stdout + answer.stderr
        return answer.stdout if not exits else answer.stdout + answer.stderr

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.run("mode", "show", "-o", "json"))
        return state

    def mode(self, scope: str = "global") -> str:
        return str(self.state()["modes"][scope]["mode"])

    def bring(self, mode: str) -> None:
        while (now := self.mode()) != mode:
            order = ["stop", "shadow", "route_only", "draft", "live"]
            to = mode if order.index(mode) < order.index(now) else order[order.index(now) + 1]
            self.run("mode", "set", to, "--reason", "test")

    @contextmanager
    def paused(self, stage: str) -> Iterator[None]:
        """The stage's process is stopped as a machine would stop it."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        (worker,) = (each for each in children if each.cmdline()[1:] == ["-m", "agents", stage])
        worker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            worker.send_signal(signal.SIGCONT)

    def audits(self) -> list[Audit]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self.broker, "group.id": "t", "enable.partition.eof": True}
        )
        name = topics.AUDIT.name
        parts = list(consumer.list_topics(name, timeout=10).topics[name].partitions)
        consumer.assign([confluent_kafka.TopicPartition(name, each, 0) for each in parts])
        found, ended = [], 0
        while ended < len(parts):
            message = consumer.poll(10)
            assert message is not None
            if message.error() is None:
                found.append(Audit.parse(message.value()))
            else:
                ended += 1
        consumer.close()
        return found


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("modes")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--folder", str(folder), "--mode", "live"],
        cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield System(said["broker"], process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def api(system: System) -> Iterator[httpx.Client]:
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "serve"],
        cwd=ROOT, env=system.env, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, timeout=60) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_every_process_follows_and_says_so(system: System) -> None:
    system.bring("live")
    state = system.state()
    assert state["is_fresh"]
    assert {each["name"] for each in state["processes"]} == PROCESSES
    assert all(each["is_live"] and each["has_confirmed"] for each in state["processes"])


def test_down_at_once_up_by_one_step_and_each_with_a_reason(system: System) -> None:
    system.bring("live")
    assert "confirmed by every process" in system.run("panic", "drop everything")
    assert system.state()["modes"]["global"]["reason"] == "drop everything"
    assert "shadow is next" in system.run("mode", "set", "draft", "--reason", "x", exits=1)
    assert "--reason" in system.run("recover", exits=2)
    system.run("recover", "--reason", "mended")
    assert system.mode() == "shadow"
    system.run("mode", "set", "route_only", "--reason", "on with it")
    assert system.mode() == "route_only"
    what = [(each.what, each.detail["mode"]) for each in system.audits() if each.stage == "control"]
    assert ("mode_set", "stop") in what
    assert ("mode_acknowledged", "stop") in what
    by = {each.detail["by"] for each in system.audits() if each.stage == "control"}
    assert all(by)


def test_a_scope_is_set_by_itself(system: System) -> None:
    system.bring("route_only")
    system.run("mode", "set", "shadow", "--scope", "channel=email", "--scope", "tenant=t",
               "--reason", "too many mails")  # fmt: skip
    assert system.mode("channel=email") == system.mode("tenant=t") == "shadow"
    assert system.mode() == "route_only"
    system.run("mode", "set", "shadow", "--scope", "planet=mars", "--reason", "x", exits=2)


def test_a_template_is_switched_off_and_a_stranger_is_refused(system: System) -> None:
    said = system.run("mode", "template", "t_refund_request_intake", "off", "--reason", "typo")
    assert "confirmed by every process" in said
    assert '"on":false' in system.state()["switches"]["template/t_refund_request_intake"]
    system.run("mode", "template", "no_such_template", "off", "--reason", "x", exits=2)


def test_who_has_not_confirmed_is_named_and_confirms_when_it_is_back(system: System) -> None:
    system.bring("route_only")
    with system.paused("act"):
        said = system.run("panic", "--patience", "1", exits=3)
        assert "NOT CONFIRMED" in said
        assert "act-0" in said
        assert "dedup-0" not in said
    while not all(each["has_confirmed"] for each in system.state()["processes"]):
        time.sleep(0.1)
    assert system.mode() == "stop"


def test_a_drill_measures_every_process_and_gives_back_what_was(system: System) -> None:
    system.bring("route_only")
    result = json.loads(system.run("drill", "stop", "-o", "json"))
    assert set(result["seconds"]) == PROCESSES
    assert result["missing"] == []
    assert result["mode"] == system.mode() == "route_only"
    assert "mode_released" in {each.what for each in system.audits() if each.stage == "control"}


def post(api: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    return api.post("/control/mode", json=body, headers={**ALICE, **headers})


def test_the_api_lets_nobody_in_without_a_token(api: httpx.Client) -> None:
    assert api.get("/ping").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-token"}):
        assert api.get("/control/state", headers=headers).status_code == 401
        assert api.post("/control/mode", json={}, headers=headers).status_code == 401
    assert api.get("/control/state", headers=ALICE).json()["is_fresh"]


def test_the_api_sets_a_mode_once_per_key(system: System, api: httpx.Client) -> None:
    system.bring("route_only")
    change = {"mode": "shadow", "reason": "by hand"}
    first = post(api, change, **{"Idempotency-Key": "once"})
    assert first.status_code == 200
    assert first.json()["acknowledged"]
    system.bring("stop")
    again = post(api, change, **{"Idempotency-Key": "once"})
    assert again.json() == first.json()
    assert system.mode() == "stop"
    other = post(api, {**change, "mode": "stop"}, **{"Idempotency-Key": "once"})
    assert (other.status_code, other.json()["code"]) == (422, "other_payload")
    assert "alice" in {each.detail["by"] for each in system.audits() if each.stage == "control"}


@pytest.mark.parametrize(
    ("body", "key", "expected"),
    [
        ({"mode": "stop", "reason": "x"}, "", (400, "no_key")),
        ({"mode": "turbo", "reason": "x"}, "k1", (400, "malformed")),
        ({"mode": "stop"}, "k2", (400, "malformed")),
        ({"mode": "stop", "reason": "x", "scope": "planet=mars"}, "k3", (400, "malformed")),
        ({"mode": "stop", "reason": "x", "more": 1}, "k4", (400, "malformed")),
        ({"mode": "live", "reason": "x"}, "k5", (409, "one_step_at_a_time")),
    ],
)
def test_the_api_refuses_with_a_code(
    system: System, api: httpx.Client, body: Any, key: str, expected: tuple[int, str]
) -> None:
    if key == "k5":
        system.bring("stop")
    answer = post(api, body, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == expected


def test_a_key_in_flight_is_told_and_the_answer_names_who_has_not_confirmed(
    system: System, api: httpx.Client
) -> None:
    system.bring("shadow")
    change, key = {"mode": "stop", "reason": "now"}, {"Idempotency-Key": "slow"}
    answers: list[httpx.Response] = []
    with system.paused("act"):
        first = threading.Thread(target=lambda: answers.append(post(api, change, **key)))
        first.start()
        while api.get("/control/state", headers=ALICE).json()["modes"]["global"]["mode"] != "stop":
            time.sleep(0.02)
        second = post(api, change, **key)
        assert (second.status_code, second.json()["code"]) == (409, "in_flight")
    first.join(60)
    (answer,) = answers
    assert answer.status_code == (200 if answer.json()["acknowledged"] else 202)
    assert answer.json()["mode"] == "stop"
