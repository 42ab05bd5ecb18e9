"""The whole system as processes on a real broker, judged by the fake helpdesk's journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.dev import STORM_REFUSALS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def own_environment() -> dict[str, str]:
    """Without what this shell says of another system."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}


def switchboard(*arguments: str, timeout: float = 170) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console", *arguments],
        cwd=ROOT, env=own_environment(), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def left_behind(folder: Path) -> list[str]:
    """Processes that name the folder: the stages do so in their environment only."""
    return [
        " ".join(process.info["cmdline"] or [])
        for process in psutil.process_iter(["cmdline", "environ"])
        if str(folder) in str((process.info["cmdline"], process.info["environ"]))
    ]


def judged(folder: Path, *arguments: str) -> dict[str, Any]:
    answer = switchboard("dev", *arguments, "-o", "json", "--folder", str(folder))
    assert answer.returncode == 0, answer.stderr[-2000:] + answer.stdout[-2000:]
    figures: dict[str, Any] = json.loads(answer.stdout)
    return figures


@pytest.mark.timeout(300)
def test_every_webhook_has_one_outcome_and_nothing_is_left_running(tmp_path: Path) -> None:
    figures = judged(tmp_path / "d", "--once", "120")
    assert figures["accepted"] == figures["sent"] == 120
    assert sum(figures["outcomes"].values()) == 120
    assert figures["lost"] == figures["double_replies"] == figures["contradictions"] == 0
    assert figures["duplicates_sent"] == figures["duplicates_found"] > 0
    assert figures["broken_sent"] == figures["quarantined"] > 0
    assert figures["vendor_requests"].get("429", 0) >= STORM_REFUSALS
    assert figures["replies_sent"] > 0
    assert 0 < figures["bare_read"] <= figures["bare_sent"]
    assert left_behind(tmp_path) == []


@pytest.mark.timeout(300)
def test_kill_9_of_every_stage_loses_and_doubles_nothing(tmp_path: Path) -> None:
    figures = judged(tmp_path / "d", "--once", "150", "--kill")
    assert figures["lost"] == figures["double_replies"] == figures["contradictions"] == 0
    assert {figures["restarts"][stage] for stage in ("dedup", "classify", "act", "observe")} == {3}
    assert left_behind(tmp_path) == []


@pytest.mark.timeout(200)
def test_ctrl_c_ends_everything_and_a_second_start_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    first = subprocess.Popen(
        [sys.executable, "-m", "console", "up", "--folder", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert first.stdout is not None
        assert json.loads(first.stdout.readline())["ready"]
        second = switchboard("up", "--folder", str(folder))
        assert second.returncode == 1
        assert "already runs" in second.stderr
        assert len(left_behind(folder)) > 0
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    assert first.returncode == 130
    assert left_behind(folder) == []


@pytest.mark.timeout(200)
@pytest.mark.parametrize("moment", ["while it starts", "while it runs"])
def test_ctrl_c_in_a_terminal_ends_dev_within_seconds(tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "d"
    # A terminal signals the whole process group, so the first process gets one of its own.
    first = subprocess.Popen(
        [sys.executable, "-m", "console", "dev", "--folder", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    journal = folder / "dev" / "journal.jsonl"
    dev = psutil.Process(first.pid)
    while not (
        dev.children(recursive=True)
        if moment == "while it starts"
        else journal.exists() and journal.stat().st_size
    ):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.1)
    children = dev.children(recursive=True)
    os.killpg(first.pid, signal.SIGINT)
    said, _ = first.communicate(timeout=20)
    assert first.returncode == 130
    assert "Traceback" not in said
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert left_behind(folder) == []
