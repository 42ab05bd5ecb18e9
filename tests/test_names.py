"""Names are state: rooms do not clash with packages, and the tree speaks of itself alone."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = {"pipeline", "tables", "agents", "ingress", "console", "sandbox", "bench"}
CATCH_ALL = {"utils", "util", "helpers", "helper", "manager", "common", "base", "misc"}
REGISTRY = re.compile(
    r"(?:files\.pythonhosted|pypi|repo1?\.maven|registry\.npmjs|deb\.debian|proxy\.golang)\.(?:org|com|apache)"
)
MACHINE_PATH = re.compile(r"(?:^|[\s\"'=(])/(?:work|root|tmp)/")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [ROOT / line for line in listed.stdout.splitlines()]
    return [file for file in files if file.is_file()]


def test_no_installed_package_has_the_name_of_a_room() -> None:
    assert not ROOMS & set(packages_distributions())


def test_no_module_is_a_catch_all() -> None:
    assert not [path for path in tracked() if path.suffix == ".py" and path.stem in CATCH_ALL]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix == ".csv":
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.name}: {match.group()}" for match in REGISTRY.finditer(text)]
        found += [f"{path.name}: {match.group()}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    import tomllib

    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    locked = {
        re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"(?m)^([\w.-]+)==", lock)
    }
    names = {re.split(r"[=<>!~\[; ]", each)[0].lower() for each in wanted}
    assert {re.sub(r"[-_.]+", "-", name) for name in names} <= locked
    assert "://" not in lock
    assert lock.count("--hash=sha256:") > len(locked)
