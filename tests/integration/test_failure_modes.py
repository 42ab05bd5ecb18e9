"""The five failure modes as a user plays them: minutes long, so with `./switchboard test --full` only."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_scenarios import played

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(500)]


def all_held(name: str, folder: Path) -> dict[str, object]:
    """The figures of a day on which every promise held."""
    result = played(name, folder)
    assert {each for each, held in result["promises"].items() if not held} == set()
    assert any(each.endswith("_fires_within_30_s") for each in result["promises"])
    assert any(each.endswith("_closes_after_recovery") for each in result["promises"])
    assert any(each.endswith("_agrees_with_the_journal") for each in result["promises"])
    assert result["promises"]["the_runbooks_query_shows_it"]
    figures: dict[str, object] = result["figures"]
    return figures


def test_ingress_down(tmp_path: Path) -> None:
    assert all_held("ingress-down", tmp_path)["ingress_silent_severity"] == "SEV1"


def test_duplicate_storm(tmp_path: Path) -> None:
    assert all_held("duplicate-storm", tmp_path)["duplicates_severity"] == "SEV2"


def test_throttled(tmp_path: Path) -> None:
    assert all_held("throttled", tmp_path)["gate_closed_severity"] == "SEV2"


def test_model_outage(tmp_path: Path) -> None:
    assert all_held("model-outage", tmp_path)["model_failing_severity"] == "SEV2"


def test_partial_effects(tmp_path: Path) -> None:
    assert all_held("partial-effects", tmp_path)["partial_effects_severity"] == "SEV2"
