"""Bad days as a user plays them. What hangs on the speed of the machine is a figure here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def played(name: str, folder: Path) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
    answer = subprocess.run(
        [sys.executable, "-m", "console", "scenario", name, "-o", "json", "--folder", str(folder)],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.stdout, answer.stderr
    result: dict[str, Any] = json.loads(answer.stdout)
    assert answer.returncode == (0 if all(result["promises"].values()) else 1)
    return result


@pytest.mark.timeout(400)
@pytest.mark.full
def test_no_reply_leaves_after_the_lever_was_acknowledged(tmp_path: Path) -> None:
    result = played("kill-switch", tmp_path)
    flips = result["figures"]["flip_to_acknowledgement_seconds"]
    assert len(flips) == 20
    assert result["figures"]["replies"] >= 20 * 10
    # A loaded machine may be slow to confirm; that nobody is answered meanwhile is the promise.
    promises = {name for name, held in result["promises"].items() if held}
    assert set(result["promises"]) - promises <= {"acknowledged_within_1_s"}


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", ["effect-then-error", "zombie-worker", "delayed-apply", "bot-loop"]
)
def test_nobody_is_answered_twice_on_a_bad_day(name: str, tmp_path: Path) -> None:
    result = played(name, tmp_path)
    assert len(result["promises"]) >= 4
    assert {each for each, held in result["promises"].items() if not held} == set()
