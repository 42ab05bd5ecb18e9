"""A stage that is asked to stop ends, whatever became of the broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agents.__main__ import STOP_GRACE
from pipeline import topics
from pipeline.stream import admin
from pipeline.stream.guard import EXIT_CRASH
from sandbox.kafka import EmbeddedKafka

pytestmark = [pytest.mark.integration, pytest.mark.full]

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("said", ["TableManager]: Starting", '"ready":true'])
def test_a_stage_without_a_broker_ends_when_it_is_told_to(tmp_path: Path, said: str) -> None:
    """Also one whose broker went away in the middle of its start."""
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        bootstrap = kafka.start().bootstrap
        admin.apply(bootstrap, topics.plans(partitions=4, replication=1))
        stage = subprocess.Popen(
            [sys.executable, "-m", "agents", "dedup"],
            cwd=ROOT,
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
                "SWITCHBOARD_DATA_DIR": str(tmp_path / "data"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert stage.stdout is not None
            assert any(said in line for line in stage.stdout)
            kafka.kill()
            stage.send_signal(signal.SIGTERM)
            stage.communicate(timeout=STOP_GRACE + 10)
        finally:
            stage.kill()
        assert stage.returncode in (0, EXIT_CRASH)
