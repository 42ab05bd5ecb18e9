"""Prometheus' files on a real Prometheus that scrapes the running system: every query has series."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.deployed import DASHBOARDS, PROMETHEUS, metrics_in, panels, rules
from tests.integration import prometheus
from tests.integration.prometheus import ROOT, Server, Tools
from tests.integration.test_chain import own_environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

WEBHOOKS = 150
SCRAPES = 4
"""Enough for every rate, and for what is recorded from recorded series."""
RARE = {
    "switchboard_dead_lettered_total",
    "switchboard_worker_errors_total",
    "switchboard_parked_total",
    "switchboard_shed_total",
    "switchboard_timeout_count_total",
    "switchboard_withheld_total",
    "ALERTS",
}
"""What need not happen in a run of two minutes; that they exist is all that is asked of them."""


@pytest.fixture(scope="module")
def tools() -> Tools:
    return prometheus.tools()


@dataclass(frozen=True)
class Watched:
    server: Server
    urls: dict[str, str]
    """Process -> where it listens."""
    broker: str


@pytest.fixture(scope="module")
def watched(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The whole system with customers, a helpdesk that refuses and a model that fails."""
    folder = tmp_path_factory.mktemp("watched")
    system = subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--folder", str(folder / "up")],
        cwd=ROOT, env=own_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert system.stdout is not None
    try:
        with system.stdout:
            said = json.loads(system.stdout.readline())
        with _control_api(said["broker"]) as console:
            urls = {"ingress": said["ingress"], **said["stages"], "console": console}
            config = shutil.copytree(PROMETHEUS, folder / "config")
            (config / "targets.yml").write_text(yaml.safe_dump(_targets(urls)))
            with prometheus.running(tools, config / "prometheus.yml", folder) as server:
                _bad_minute(said)
                _wait_for_scrapes(server, len(urls))
                yield Watched(server, urls, said["broker"])
    finally:
        system.send_signal(signal.SIGINT)
        system.wait(timeout=60)


@contextmanager
def _control_api(broker: str) -> Iterator[str]:
    """`serve`, which `up` does not start; where it listens."""
    env = {"KAFKA_BOOTSTRAP_SERVERS": broker, "SWITCHBOARD_CONTROL_TOKENS": '{"ann": "token"}'}
    process = subprocess.Popen(
        [sys.executable, "-m", "console", "serve"],
        cwd=ROOT, env={**own_environment(), **env}, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        with process.stdout:
            yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _targets(urls: dict[str, str]) -> list[dict[str, Any]]:
    """The committed file with the processes' addresses here; it must name each of them."""
    committed = yaml.safe_load((PROMETHEUS / "targets.yml").read_text())
    assert {each["labels"]["service"] for each in committed} == set(urls)
    return [
        {**each, "targets": [urls[each["labels"]["service"]].removeprefix("http://")]}
        for each in committed
    ]


def _bad_minute(said: dict[str, Any]) -> None:
    """Customers write while the helpdesk refuses for a while and the model answers with errors."""
    httpx.put(
        f"{said['richpanel']}/_sandbox/faults",
        json=[{"kind": "status", "status": 429, "retry_after": "5", "times": 1}],
    )
    httpx.put(
        f"{said['openai']}/_sandbox/faults", json=[{"kind": "status", "status": 500, "times": 5}]
    )
    subprocess.run(
        [sys.executable, "-m", "sandbox.sender", "--count", str(WEBHOOKS), "--run", "d",
         "--ingress", said["ingress"], "--token", said["token"], "--richpanel", said["richpanel"]],
        cwd=ROOT, stdout=subprocess.DEVNULL, check=True, timeout=120,
    )  # fmt: skip


def _wait_for_scrapes(server: Server, count: int) -> None:
    """Returns when every process was scraped often enough after the last webhook."""
    begins, ends = time.time(), time.monotonic() + 120
    while True:
        found = server.series(f"count_over_time(up[{max(1, round(time.time() - begins))}s])")
        is_scraped = len(found) == count and all(int(each["value"][1]) >= SCRAPES for each in found)
        # Who was refused for a while is answered later than the rest.
        if is_scraped and server.series("switchboard_auto_reply_sent_total"):
            break
        assert time.monotonic() < ends, found
        time.sleep(1)


def test_the_files_are_valid_and_the_rules_do_what_their_tests_say(tools: Tools) -> None:
    for command in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "recording.rules.yml", "alerts.rules.yml"],
        ["test", "rules", "alerts.test.yml"],
    ):
        answer = subprocess.run(
            [tools.promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_process_is_scraped(watched: Watched) -> None:
    up = {each["metric"]["service"]: each["value"][1] for each in watched.server.series("up")}
    assert up == dict.fromkeys(watched.urls, "1")


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_query_of_every_panel_has_series(watched: Watched, dashboard: str) -> None:
    empty = [
        (panel["title"], target["expr"])
        for panel in panels(dashboard)
        for target in panel["targets"]
        if not watched.server.series(target["expr"])
    ]
    assert empty == []


def test_every_rule_is_evaluated_and_every_recorded_series_is_there(watched: Watched) -> None:
    groups = watched.server.ask("rules")["groups"]
    told = [rule for group in groups for rule in group["rules"]]
    assert len(told) == len(rules())
    assert [(rule["name"], rule["lastError"]) for rule in told if rule["health"] != "ok"] == []
    recorded = [rule["name"] for rule in told if rule["type"] == "recording"]
    assert [name for name in recorded if not watched.server.series(name)] == []


def test_every_series_that_a_query_or_rule_names_is_there(watched: Watched) -> None:
    asked = {name for rule in rules() for name in metrics_in(rule["expr"])}
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            asked |= {name for target in panel["targets"] for name in metrics_in(target["expr"])}
    there = set(watched.server.ask("label/__name__/values"))
    assert asked - there <= RARE
    known = set(watched.server.ask("metadata"))
    rare = {name for name in asked - there if name != "ALERTS"}
    assert {name.removesuffix("_total") for name in rare} <= known | {
        each.removesuffix("_total") for each in known
    }


def test_what_every_process_exposes_is_as_prometheus_asks(watched: Watched, tools: Tools) -> None:
    for name, url in watched.urls.items():
        text = httpx.get(f"{url}/metrics").content
        answer = subprocess.run(
            [tools.promtool, "check", "metrics"], input=text, capture_output=True, check=False
        )
        assert answer.returncode == 0, (name, answer.stdout + answer.stderr)


def status(broker: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", "status", "-o", "json"],
        cwd=ROOT, env={**own_environment(), "KAFKA_BOOTSTRAP_SERVERS": broker},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def test_status_tells_of_every_part_of_the_running_system(watched: Watched) -> None:
    answer = status(watched.broker)
    assert answer.returncode == 0, answer.stderr
    said = json.loads(answer.stdout)
    assert said["missing"] == {}
    assert said["lag_source"] == "observe-0"
    assert [each for each in said["doubts"] if "since" in each or "nobody" in each] == []
    assert said["modes"]["global"]["mode"] == "live", (said["modes"], said["alerts"])
    assert {each["name"] for each in said["processes"] if each["is_live"]} >= {
        "ingress-0", "dedup-0", "classify-0", "act-0", "observe-0", "parking-0"
    }  # fmt: skip
    assert sum(each["all"] for each in said["letters"].values()) > 0, "broken bodies were sent"
    levels = [section["level"] for section in said["sections"]]
    assert levels == sorted(levels, key=["BAD", "LOOK", "WELL"].index)
    assert len(levels) == 7


def test_status_without_a_broker_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = status(f"127.0.0.1:{taken.getsockname()[1]}")
    assert answer.returncode == 1
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith("error: no broker answers at 127.0.0.1:")
