"""What exists stands in the README, and the README names nothing that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from console.cli import app
from pipeline import topics
from pipeline.control_metrics import METRICS as CONTROL_METRICS
from pipeline.domain.metrics import CATALOGUE, Metric
from pipeline.lag import METRICS as LAG_METRICS
from pipeline.settings import Settings
from pipeline.stream.metrics import METRICS as STREAM_METRICS
from pipeline.telemetry import PREFIX, REGISTRY

README = (Path(__file__).parents[1] / "README.md").read_text()
SETTINGS = {
    "KAFKA_BOOTSTRAP_SERVERS" if name == "kafka_addresses" else f"SWITCHBOARD_{name.upper()}"
    for name in Settings.model_fields
}
METRICS = {
    f"{metric.name}_total" if metric.type == "counter" else metric.name
    for metric in REGISTRY.collect()
} | {PREFIX + name for name in (*STREAM_METRICS, *LAG_METRICS, *CONTROL_METRICS)}
VERBS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_told(name: str) -> None:
    assert f"`{name}`" in README


def test_no_setting_is_told_that_does_not_exist() -> None:
    assert set(re.findall(r"`(SWITCHBOARD_\w+)`", README)) <= SETTINGS


@pytest.mark.parametrize("name", [spec.name for spec in topics.ALL])
def test_every_topic_is_told(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_is_told(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=lambda metric: metric.name)
def test_every_metric_of_the_windows_is_told_or_exposed(metric: Metric) -> None:
    exposed = {f"{PREFIX}{metric.name}", f"{PREFIX}{metric.name}_total"}
    assert f"`{metric.name}`" in README or exposed & METRICS


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_is_told(name: str) -> None:
    assert f"`./switchboard {name}" in README


def test_no_verb_is_told_that_does_not_exist() -> None:
    assert set(re.findall(r"`\./switchboard (\w+)", README)) <= VERBS
