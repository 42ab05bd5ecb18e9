"""`./switchboard test`: the rules, then the tests; `--full` everything there is."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from console.check import failures

FAST = [
    "tests/unit", "tests/stream", "tests/test_architecture.py", "tests/test_names.py",
    "tests/test_docs.py", "tests/test_compose.py", "tests/test_deploy.py", "tests/test_runbook.py",
]  # fmt: skip
ON_KAFKA = ["tests/integration", "tests/guarantees"]
TWO_AT_A_TIME = ["-n", "2", "--dist", "loadfile"]
"""Two processes that take the next file when one is done. Those of the tests on Kafka have a broker
of their own each, and wait most of the time for others to die and to be missed."""
COVERAGE = ["--cov", "--cov-branch", "--cov-report=term-missing", "--cov-fail-under=100"]


def pytest(*arguments: str) -> int:
    """One pytest run's exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


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
    failed |= pytest("-q", *FAST, *TWO_AT_A_TIME, *COVERAGE) > 0
    typer.echo("-- integration tests and guarantees, two files at a time, on real brokers")
    failed |= pytest("-q", *ON_KAFKA, *TWO_AT_A_TIME, *([] if full else ["-m", "not full"])) > 0
    if failed:
        raise typer.Exit(1)
