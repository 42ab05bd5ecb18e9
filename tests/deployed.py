"""What stands in deploy/, read for the tests of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
GRAFANA = DEPLOY / "grafana"
DASHBOARDS = ("overview", "lag", "vendors", "safety")
_NAME = re.compile(r"\bswitchboard[:_][a-z0-9_:]+|\bup\b|\bALERTS\b")


def dashboard(name: str) -> dict[str, Any]:
    text = (GRAFANA / "dashboards" / f"{name}.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def panels(name: str) -> list[dict[str, Any]]:
    return list(dashboard(name)["panels"])


def rules() -> list[dict[str, Any]]:
    return [
        rule
        for file in ("recording.rules.yml", "alerts.rules.yml")
        for group in yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
        for rule in group["rules"]
    ]


def metrics_in(expr: str) -> set[str]:
    """The names of series that an expression asks for."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expr)))
