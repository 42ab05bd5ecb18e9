from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import Settings, SettingsError, listening

ROOT = Path(__file__).parents[2]


def test_a_free_port_is_bound_and_a_taken_one_is_one_line() -> None:
    with listening(Settings(port=0)) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"127\.0\.0\.1:{port}.*SWITCHBOARD_PORT to another"
        ):
            listening(Settings(port=port))


def test_kafka_status_advises_the_folder_that_was_asked_for(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "console",
        "kafka",
        "status",
        "--folder",
        str(tmp_path / "a b"),
    ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert f"./switchboard kafka start --folder '{tmp_path / 'a b'}'" in answer.stdout
