"""The compose file without an engine: what it names exists in the code."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from agents import parking
from agents.__main__ import BUILDERS, STOP_GRACE
from agents.status import status_routes
from console.cli import app
from console.processes import STOP_TIMEOUT
from ingress.__main__ import GRACE
from pipeline.settings import Settings
from sandbox.kafka_jars import KAFKA_VERSION

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WATCHING = {"prometheus", "grafana"}
OURS = {name: service for name, service in SERVICES.items() if name not in {"kafka", *WATCHING}}
VARIABLES = {f"SWITCHBOARD_{name.upper()}" for name in Settings.model_fields} | {
    "KAFKA_BOOTSTRAP_SERVERS"
}


def test_there_is_a_service_for_every_process() -> None:
    assert (
        set(BUILDERS) | {parking.NAME, "kafka", "topics", "ingress", "console"}
        == set(SERVICES) - WATCHING
    )


def test_watching_is_asked_for_reached_from_the_machine_alone_and_mounts_what_exists() -> None:
    for name in WATCHING:
        assert SERVICES[name]["profiles"] == ["watch"]
        assert all(each.startswith("127.0.0.1:") for each in SERVICES[name]["ports"])
        for mount in SERVICES[name]["volumes"]:
            if mount.startswith("./"):
                assert (ROOT / mount.split(":")[0]).is_dir()


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_a_module_of_ours(name: str) -> None:
    program, flag, module, *arguments = OURS[name]["command"]
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    if module == "agents":
        assert arguments == [name]
    if module == "console":
        assert arguments[0] in typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_the_control_api_alone_holds_its_tokens_and_is_reached_from_the_machine_alone() -> None:
    holders = [
        name
        for name, service in SERVICES.items()
        if "SWITCHBOARD_CONTROL_TOKENS" in service.get("environment", {})
    ]
    assert holders == ["console"]
    assert all(each.startswith("127.0.0.1:") for each in SERVICES["console"]["ports"])


def test_the_broker_is_of_the_version_that_everything_is_tested_on() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


@pytest.mark.parametrize(
    "name", ["WEBHOOK_TOKENS", "WEBHOOK_HMAC_SECRETS", "BOT_AGENT_ID", "RICHPANEL_KEY"]
)
def test_what_only_the_operator_knows_comes_from_outside(name: str) -> None:
    value = COMPOSE["x-switchboard"]["environment"][f"SWITCHBOARD_{name}"]
    assert value is None or f"SWITCHBOARD_{name}:-" in value


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(OURS[name]["environment"]) <= VARIABLES


def test_every_volume_is_declared_and_every_stage_keeps_its_tables_on_one() -> None:
    mounts = [each for service in SERVICES.values() for each in service.get("volumes", [])]
    used = {each.split(":")[0] for each in mounts if not each.startswith("./")}
    assert used == set(COMPOSE["volumes"])
    assert all(SERVICES[stage]["volumes"] == [f"{stage}:/data"] for stage in BUILDERS)


def test_health_checks_ask_a_path_that_exists_on_the_port_that_is_served() -> None:
    for name, service in OURS.items():
        if name == "topics":
            continue
        command = " ".join(service["healthcheck"]["test"])
        found = re.search(r"127\.0\.0\.1:(\d+)(/\w+)", command)
        assert found is not None
        assert found.group(1) == service["environment"]["SWITCHBOARD_PORT"]
        assert found.group(2) in status_routes(lambda: True)


def test_nobody_is_killed_before_it_may_have_given_its_attempt_back() -> None:
    for name in (*BUILDERS, parking.NAME, "ingress"):
        patience = OURS[name]["stop_grace_period"]
        assert float(patience.removesuffix("s")) > max(STOP_GRACE, GRACE)
    assert max(STOP_GRACE, GRACE) < STOP_TIMEOUT


def test_the_image_has_every_room_that_a_service_runs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for room in ("pipeline", "tables", "agents", "ingress", "console"):
        assert f"COPY {room} {room}" in dockerfile
    assert "--require-hashes" in dockerfile
    for variable in re.findall(r"SWITCHBOARD_\w+", dockerfile):
        assert variable in VARIABLES
