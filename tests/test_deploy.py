"""Prometheus' and Grafana's files without either of them: what they name exists."""

from __future__ import annotations

import shlex
from itertools import combinations

import pytest
import typer
import yaml

from console.cli import app
from console.runbook import sections
from tests.deployed import DASHBOARDS, GRAFANA, PROMETHEUS, dashboard, metrics_in, panels, rules
from tests.test_docs import METRICS

RECORDED = {rule["record"] for rule in rules() if "record" in rule}
ALERTS = [rule for rule in rules() if "alert" in rule]
OF_PROMETHEUS = {"up", "ALERTS"}
VERBS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def exists(name: str) -> bool:
    return name in RECORDED | METRICS | OF_PROMETHEUS or name.removesuffix("_bucket") in METRICS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_asks_for_series_that_exist(rule: dict[str, str]) -> None:
    asked = metrics_in(rule["expr"])
    assert asked
    assert [name for name in asked if not exists(name)] == []


def test_every_process_of_the_compose_file_is_watched_where_it_serves_its_metrics() -> None:
    services = yaml.safe_load((PROMETHEUS.parents[1] / "docker-compose.yml").read_text())[
        "services"
    ]
    serving = {
        name: f"{name}:{each['environment']['SWITCHBOARD_PORT']}"
        for name, each in services.items()
        if "SWITCHBOARD_PORT" in each.get("environment", {}) and name != "topics"
    }
    told = yaml.safe_load((PROMETHEUS / "targets.yml").read_text())
    assert {each["labels"]["service"]: each["targets"] for each in told} == {
        name: [address] for name, address in serving.items()
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_summary_its_section_and_a_lever_that_is_a_command(
    alert: dict[str, dict[str, str]],
) -> None:
    assert alert["labels"]["severity"] in {"SEV0", "SEV1", "SEV2"}
    assert alert["annotations"]["summary"]
    file, _, section = alert["annotations"]["runbook_url"].partition("#")
    assert (file, section in sections()) == ("RUNBOOK.md", True)
    program, verb, *_ = shlex.split(alert["annotations"]["lever"])
    assert program == "./switchboard"
    assert verb in VERBS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_asks_its_datasource_for_series_that_exist(name: str) -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    for panel in panels(name):
        assert panel["datasource"]["uid"] == source["uid"]
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == source["uid"]
            assert metrics_in(target["expr"])
            assert [each for each in metrics_in(target["expr"]) if not exists(each)] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_ids_of_their_own_and_do_not_cover_each_other(name: str) -> None:
    found = panels(name)
    assert len({panel["id"] for panel in found}) == len(found)
    cells = [
        {
            (column, line)
            for column in range(at["x"], at["x"] + at["w"])
            for line in range(at["y"], at["y"] + at["h"])
        }
        for at in (panel["gridPos"] for panel in found)
    ]
    assert all(not one & other for one, other in combinations(cells, 2))
    assert max(column for each in cells for column, _ in each) < 24


def test_dashboards_are_those_that_stand_in_the_folder_and_link_to_each_other() -> None:
    assert {each.stem for each in (GRAFANA / "dashboards").iterdir()} == set(DASHBOARDS)
    assert len({dashboard(name)["uid"] for name in DASHBOARDS}) == len(DASHBOARDS)
    assert all(dashboard(name)["links"][0]["tags"] == ["switchboard"] for name in DASHBOARDS)


def test_every_recorded_series_is_used() -> None:
    asked = {name for rule in rules() for name in metrics_in(rule["expr"])}
    for name in DASHBOARDS:
        for panel in panels(name):
            asked |= {each for target in panel["targets"] for each in metrics_in(target["expr"])}
    assert asked >= RECORDED
