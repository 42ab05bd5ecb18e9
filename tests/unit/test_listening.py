from __future__ import annotations

import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline.settings import VERSION, Settings, SettingsError, address, listening

ROOT = Path(__file__).parents[2]


def test_a_free_port_is_bound_and_a_taken_one_is_one_line() -> None:
    with listening(Settings(port=0)) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"127\.0\.0\.1:{port}.*SWITCHBOARD_PORT to another"
        ):
            listening(Settings(port=port))


def test_the_address_that_others_are_told_is_one_that_they_can_reach() -> None:
    with listening(Settings(port=0)) as bound:
        assert address(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"
    with listening(Settings(host="0.0.0.0", port=0)) as bound:  # noqa: S104 - loopback is named
        assert address(bound) == f"http://{socket.gethostname()}:{bound.getsockname()[1]}"
    with listening(Settings(host="::1", port=0)) as bound:
        assert address(bound) == f"http://[::1]:{bound.getsockname()[1]}"


def test_the_version_that_processes_tell_is_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


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
