"""`./switchboard check`: format, lint, types, floors, spelling; under a minute."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer

BIN = Path(sys.executable).parent
TOOLS: dict[str, list[str]] = {
    "ruff format": ["ruff", "format", "--check", "."],
    "ruff check": ["ruff", "check", "."],
    "mypy": ["mypy"],
    "import-linter": ["lint-imports"],
    "codespell": ["codespell"],
}


def run_tool(name: str) -> tuple[str, int, float, str]:
    """(name, exit code, seconds, output) of one tool."""
    began = time.perf_counter()
    program, *arguments = TOOLS[name]
    answer = subprocess.run(
        [BIN / program, *arguments], capture_output=True, text=True, check=False
    )
    return name, answer.returncode, time.perf_counter() - began, answer.stdout + answer.stderr


def failures() -> int:
    """Runs every tool, two at a time; prints a line each and the words of those that failed."""
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for name, code, seconds, output in pool.map(run_tool, TOOLS):
            typer.echo(f"{'FAIL' if code else 'OK  '} {name} ({seconds:.1f} s)")
            if code:
                failed += 1
                typer.echo(output)
    return failed


def check() -> None:
    """Hold the code against its rules; exit 1 on any failure."""
    if failures():
        raise typer.Exit(1)
