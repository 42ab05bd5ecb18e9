"""`scenario burst-429`: minutes long, so with `./switchboard test --full` only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.full, pytest.mark.timeout(1000)]

ROOT = Path(__file__).parents[2]


def test_every_promise_of_the_burst_holds(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "console", "scenario", "burst-429", "-o", "json",
         "--folder", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=980, check=False,
    )  # fmt: skip
    assert answer.stdout, answer.stderr[-2000:]
    result = json.loads(answer.stdout)
    # A loaded machine may be slow to drain; everything else it must keep.
    broken = {name for name, held in result["promises"].items() if not held}
    assert broken <= {"the_drain_takes_what_the_budget_allows"}, answer.stderr[-2000:]
    assert result["name"] == "burst-429"
    assert len(result["promises"]) == 8
    assert result["figures"]["messages"] == 1000
    assert result["figures"]["tickets_with_two_teams"] > 0
