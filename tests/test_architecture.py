"""The floors hold, and each contract fails when it is broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("pipeline", "tables", "agents", "ingress", "console", "sandbox", "bench")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_point_down_only() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("tables/seen.py", "import agents", "rooms"),
        ("sandbox/journal.py", "import console", "rooms"),
        ("pipeline/topics.py", "import pipeline.stream", "floors of the pipeline"),
        ("pipeline/topics.py", "import pipeline.settings", "floors of the pipeline"),
        ("pipeline/domain/retry.py", "import time", "the domain is pure"),
        ("pipeline/stream/lanes.py", "import pipeline.domain", "the stream layer knows nothing"),
        ("pipeline/stream/app.py", "import pipeline.telemetry", "the stream layer knows nothing"),
        ("ingress/signature.py", "import faust", "ingress has no table"),
        ("agents/gate.py", "import pipeline.clients.richpanel", "agents take ports"),
        ("agents/dedup.py", "import agents.act", "stages meet through topics"),
    ],
)
def test_a_broken_contract_is_seen(copy: Path, module: str, line: str, contract: str) -> None:
    file = copy / module
    file.write_text(file.read_text() + f"\n{line}\n")
    answer = lint_imports(copy)
    assert answer.returncode != 0
    broken = [each for each in answer.stdout.splitlines() if " BROKEN" in each]
    assert any(each.startswith(contract) for each in broken), answer.stdout


def test_the_stream_layer_names_no_command_and_no_setting_of_the_product() -> None:
    layer = ROOT / "pipeline/stream"
    assert [
        f"{file.name}: {line.strip()}"
        for file in [*layer.glob("*.py"), layer / "README.md"]
        for line in file.read_text().splitlines()
        if "switchboard" in line.lower() or "KAFKA_" in line
    ] == []


def test_every_file_has_its_row_in_the_map_and_no_row_is_dead() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    files = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if path.name != "__init__.py"
    }
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    rows = {row for row in rows if row.endswith(".py")}
    assert files - rows == set()
    assert rows - files == set()
