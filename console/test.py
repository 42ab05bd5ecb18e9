"""`./switchboard test`: the rules, then the tests; `--full` everything there is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from console.check import failures

FAST = [
    "tests/unit", "tests/stream", "tests/test_architecture.py", "tests/test_names.py",
    "tests/test_docs.py", "tests/test_compose.py", "tests/test_deploy.py",
]  # fmt: skip
CHAIN = "tests/integration/test_chain.py"
ON_KAFKA = (("tests/integration", f"--ignore={CHAIN}"), ("tests/guarantees", CHAIN))
"""Two groups that take about as long as each other."""
COVERAGE = ["--cov", "--cov-branch", "--cov-report=term-missing", "--cov-fail-under=100"]


def pytest(*arguments: str) -> int:
    """One pytest run's exit code."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def side_by_side(groups: Sequence[Sequence[str]], *, full: bool) -> bool:
    """Runs each group of tests at the same time; whether any failed.

    They wait for processes to die and to be missed most of the time. Each one's words are printed
    when it has ended.
    """
    marks = [] if full else ["-m", "not full"]
    with ThreadPoolExecutor(len(groups)) as pool:
        runs = [pool.submit(quiet_pytest, "-q", *group, *marks) for group in groups]
        codes = []
        for group, run in zip(groups, runs, strict=True):
            answer = run.result()
            typer.echo(f"-- {' '.join(group)}")
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
    failed |= side_by_side(ON_KAFKA, full=full)
    if failed:
        raise typer.Exit(1)
