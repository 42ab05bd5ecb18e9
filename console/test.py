"""`./switchboard test`: the rules, then the tests; `--full` everything there is."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from console.check import failures

FAST = [
    "tests/unit", "tests/stream", "tests/test_architecture.py", "tests/test_names.py",
    "tests/test_docs.py", "tests/test_compose.py",
]  # fmt: skip
COVERAGE = ["--cov", "--cov-branch", "--cov-report=term-missing", "--cov-fail-under=100"]


def pytest(*arguments: str) -> int:
    """One pytest run's exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def side_by_side(*folders: str, full: bool) -> bool:
    """Runs the tests of each folder at the same time; whether any failed.

    They wait for processes to die and to be missed most of the time. Each one's words are printed
    when it has ended.
    """
    marks = [] if full else ["-m", "not full"]
    with ThreadPoolExecutor(len(folders)) as pool:
        runs = [pool.submit(quiet_pytest, "-q", folder, *marks) for folder in folders]
        codes = []
        for folder, run in zip(folders, runs, strict=True):
            answer = run.result()
            typer.echo(f"-- {folder}")
            typer.echo(answer.stdout)
            codes.append(answer.returncode)
    return any(codes)


def quiet_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One pytest run with its words."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def run_tests(
    full: Annotated[bool, typer.Option("--full", help="Run everything there is.")] = False,
    only: Annotated[str | None, typer.Option("-k", help="Only tests that match.")] = None,
) -> None:
    """Check the code, then run the tests: fast ones first, then those on a real broker."""
    if only is not None:
        raise typer.Exit(pytest("-k", only))
    typer.echo("-- check")
    failed = failures() > 0
    typer.echo("-- unit and stream tests, 100 % branch coverage of pipeline/domain")
    failed |= pytest("-q", *FAST, *COVERAGE) > 0
    typer.echo("-- integration tests and guarantees, side by side, each on a broker of its own")
    failed |= side_by_side("tests/integration", "tests/guarantees", full=full)
    if failed:
        raise typer.Exit(1)
