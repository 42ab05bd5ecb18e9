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
import yaml

from pipeline import topics
from pipeline.domain.events import Audit
from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
PROCESSES = {"ingress-0", "dedup-0", "classify-0", "act-0", "observe-0", "parking-0"}
TOKENS = {"alice": "a-token", "bob": "b-token"}
ALICE = {"Authorization": "Bearer a-token"}


@dataclass
class System:
    urls: dict[str, Any]
    process: subprocess.Popen[str]

    @property
    def broker(self) -> str:
        return str(self.urls["broker"])

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
        yield System(json.loads(process.stdout.readline()), process)
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


def test_every_process_tells_its_mode_to_prometheus(system: System) -> None:
    # First of all: a worker that a later test pauses for too long starts anew, on another port.
    system.bring("route_only")
    system.run("mode", "set", "stop", "--scope", "intent=billing_issue", "--reason", "x")
    urls = [system.urls["ingress"], system.urls["console"], *system.urls["stages"].values()]
    assert len(urls) == 7
    expected = {
        'switchboard_mode{mode="route_only",scope="global"} 1.0',
        'switchboard_mode{mode="live",scope="global"} 0.0',
        'switchboard_mode{mode="stop",scope="intent"} 1.0',
    }
    for url in urls:
        # Those that call no vendor follow too, but nobody waits for them.
        while expected - set(httpx.get(f"{url}/metrics", timeout=30).text.splitlines()):
            time.sleep(0.1)
    system.run("mode", "set", "shadow", "--scope", "intent=billing_issue", "--reason", "x")


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


def vendor(system: System, name: str) -> dict[str, Any]:
    told = json.loads(system.run("limits", "show", "-o", "json"))
    return next(each for each in told["vendors"] if each["vendor"] == name)


def control_audits(system: System) -> set[tuple[str, str | None]]:
    return {(each.what, each.reason) for each in system.audits() if each.stage == "control"}


def test_a_gate_is_closed_and_opened_by_the_lever(system: System) -> None:
    said = system.run("limits", "close-until", "shopify", "+1h", "--reason", "they move")
    assert "confirmed by every process" in said
    closed = vendor(system, "shopify")
    assert 3500 < closed["closed_for"] <= 3600
    assert closed["reason"] == "they move"
    again = system.run("limits", "close-until", "shopify", "+1m", "--reason", "less", "-o", "json")
    (answer,) = json.loads(again)
    assert answer["acknowledged"]
    assert answer["closed_until"] == closed["closed_until"]
    assert "open, confirmed" in system.run(
        "limits", "reset", "shopify", "--reason", "they are back"
    )
    assert vendor(system, "shopify")["closed_for"] == 0
    assert control_audits(system) >= {
        ("gate_closed", "they move"), ("gate_acknowledged", "they move"),
        ("gate_opened", "they are back"), ("gate_acknowledged", "they are back"),
    }  # fmt: skip
    system.run("limits", "close-until", "shopify", "2020-01-01", "--reason", "x", exits=2)


def test_what_is_left_out_is_set_by_the_lever(system: System) -> None:
    shed = ("limits", "shed", "shop_lookups")
    assert "confirmed by every process" in system.run(*shed, "--reason", "scarce")
    assert json.loads(system.run("limits", "show", "-o", "json"))["shed"] == ["shop_lookups"]
    system.run(*shed, "--off", "--reason", "plenty")
    assert json.loads(system.run("limits", "show", "-o", "json"))["shed"] == []
    assert control_audits(system) >= {("shed_on", "scarce"), ("shed_off", "plenty")}


def test_limits_shows_who_may_use_how_much(system: System) -> None:
    (budget,) = vendor(system, "richpanel")["budgets"]
    # The running workers' own, which another shell's settings do not change.
    assert budget["limit"] == 3000
    assert budget["parts"] == {"acting": 2040, "reading": 360, "people": 600}
    assert vendor(system, "richpanel")["queued"] == 0
    assert "people" in system.run("limits", "show")
    assert "richpanel: act-0" in system.run("limits", "show")


def test_who_has_not_confirmed_a_gate_is_named(system: System) -> None:
    with system.paused("act"):
        said = system.run(
            "limits", "close-until", "shopify", "+1m", "--reason", "x", "--patience", "1", exits=3
        )
        assert "NOT CONFIRMED" in said
        assert "act-0" in said
    system.run("limits", "reset", "shopify", "--reason", "x")


def test_who_has_not_confirmed_is_named_and_confirms_when_it_is_back(system: System) -> None:
    system.bring("route_only")
    with system.paused("act"):
        said = system.run("panic", "--patience", "1", exits=3)
        assert "NOT CONFIRMED" in said
        assert "act-0" in said
        assert "dedup-0" not in said
    # Of those that live: a pause that lasted longer than a worker may stand still made a new one.
    while {"act-0"} - {
        each["name"]
        for each in system.state()["processes"]
        if each["is_live"] and each["has_confirmed"]
    }:
        time.sleep(0.1)
    assert system.mode() == "stop"


def test_a_drill_measures_every_process_and_gives_back_what_was(system: System) -> None:
    system.bring("route_only")
    result = json.loads(system.run("drill", "stop", "-o", "json"))
    assert set(result["seconds"]) == PROCESSES
    assert result["missing"] == []
    assert "the mode is route_only, as it was before" in system.run("drill", "stop")
    assert result["mode"] == system.mode() == "route_only"
    assert "mode_released" in {each.what for each in system.audits() if each.stage == "control"}


def test_a_drill_that_somebody_does_not_confirm_says_so_and_lets_go(system: System) -> None:
    system.bring("route_only")
    with system.paused("act"):
        said = system.run("drill", "stop", "--patience", "1", exits=3)
        assert "has not confirmed" in said
        assert "act-0" in said
    assert system.mode() == "route_only"


def post(api: httpx.Client, body: Any, to: str = "/control/mode", **headers: str) -> httpx.Response:
    return api.post(to, json=body, headers={**ALICE, **headers})


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


def test_the_api_closes_and_opens_a_gate_once_per_key(system: System, api: httpx.Client) -> None:
    closing = {"vendor": "shopify", "until": "2099-01-01T00:00:00Z", "reason": "by hand"}
    first = post(api, closing, "/control/limits/close-until", **{"Idempotency-Key": "g1"})
    assert first.status_code == 200
    assert vendor(system, "shopify")["by"] == "alice"
    opening = {"vendor": "shopify", "reason": "done"}
    opened = post(api, opening, "/control/limits/reset", **{"Idempotency-Key": "g2"})
    assert opened.json()["acknowledged"]
    again = post(api, closing, "/control/limits/close-until", **{"Idempotency-Key": "g1"})
    assert again.json() == first.json()
    assert vendor(system, "shopify")["closed_for"] == 0
    other = post(api, opening, "/control/limits/reset", **{"Idempotency-Key": "g1"})
    assert (other.status_code, other.json()["code"]) == (422, "other_payload")


def test_the_api_switches_templates_and_optional_calls(system: System, api: httpx.Client) -> None:
    name = "t_billing_issue_intake"
    off = {"template": name, "on": False, "reason": "typo"}
    assert post(api, off, "/control/template", **{"Idempotency-Key": "t1"}).status_code == 200
    assert '"on":false' in system.state()["switches"][f"template/{name}"]
    out = {"what": "shop_lookups", "reason": "scarce"}
    assert post(api, out, "/control/limits/shed", **{"Idempotency-Key": "s1"}).status_code == 200
    assert '"on":true' in system.state()["switches"]["shed/shop_lookups"]
    back = {**out, "on": False}
    assert post(api, back, "/control/limits/shed", **{"Idempotency-Key": "s2"}).status_code == 200


def test_the_api_takes_no_body_over_16_kib(api: httpx.Client) -> None:
    for size in (17_000, 500_000):
        key = {"Idempotency-Key": f"big-{size}"}
        answer = post(api, {"mode": "stop", "reason": "x" * size}, **key)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_api_lists_jobs_and_stops_none_that_does_not_run(api: httpx.Client) -> None:
    assert api.get("/control/jobs").status_code == 401
    assert api.get("/control/jobs", headers=ALICE).json() == {"jobs": []}
    stop = {"name": "nightly", "reason": "x"}
    answer = post(api, stop, "/control/jobs/stop", **{"Idempotency-Key": "j1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_running")
    assert "./switchboard jobs list" in answer.json()["error"]


@pytest.mark.parametrize(
    ("to", "body", "expected"),
    [
        ("limits/close-until", {"vendor": "x", "until": "2099-01-01T00:00:00Z"}, 400),
        ("limits/close-until", {"vendor": "openai", "until": "2099-01-01T00:00:00"}, 400),
        ("limits/close-until", {"vendor": "openai", "until": "2020-01-01T00:00:00Z"}, 409),
        ("limits/reset", {"vendor": "openai", "reason": ""}, 400),
        ("limits/shed", {"what": "everything"}, 400),
        ("template", {"template": "t_no_such", "on": True}, 400),
    ],
)
def test_the_api_refuses_what_it_cannot_mean(
    api: httpx.Client, to: str, body: dict[str, Any], expected: int
) -> None:
    answer = post(api, {"reason": "x", **body}, f"/control/{to}", **{"Idempotency-Key": "bad"})
    assert answer.status_code == expected
    assert answer.json()["code"]


def test_the_health_check_of_the_container_asks_a_running_api(api: httpx.Client) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    _, program, *rest = compose["services"]["console"]["healthcheck"]["test"]
    assert program == "python"
    here = [each.replace("127.0.0.1:8080", f"127.0.0.1:{api.base_url.port}") for each in rest]
    assert here != rest
    subprocess.run([sys.executable, *here], check=True, timeout=60)


def serve(**env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-m", "console", "serve"],
        cwd=ROOT, env={**clean, "SWITCHBOARD_CONTROL_TOKENS": json.dumps(TOKENS), **env},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_taken_port_ends_serve_with_one_line(api: httpx.Client) -> None:
    answer = serve(SWITCHBOARD_PORT=str(api.base_url.port))
    assert answer.returncode == EXIT_CONFIG
    (line,) = answer.stderr.splitlines()
    assert "SWITCHBOARD_PORT" in line


def test_serve_without_a_broker_ends_with_one_line() -> None:
    answer = serve(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert answer.returncode == EXIT_CRASH
    (line,) = answer.stderr.splitlines()
    assert "./switchboard kafka start" in line


@pytest.mark.parametrize(
    "verb", [("mode", "show"), ("panic",), ("limits", "show"), ("withheld", "list"),
             ("ledger", "show", "t1"), ("drill", "stop")],
)  # fmt: skip
def test_a_verb_without_a_broker_says_in_one_line_what_starts_one(verb: tuple[str, ...]) -> None:
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    answer = subprocess.run(
        [sys.executable, "-m", "console", *verb],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert "./switchboard kafka start" in line


def test_an_error_of_use_keeps_its_command_in_one_line() -> None:
    verb = ("limits", "close-until", "shopify", "2020-01-01", "--reason", "x")
    answer = subprocess.run(
        [sys.executable, "-m", "console", *verb],
        cwd=ROOT, env={**os.environ, "COLUMNS": "60"}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    last = answer.stderr.splitlines()[-1]
    assert last.endswith("./switchboard limits reset shopify --reason 'it is well again'")


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
