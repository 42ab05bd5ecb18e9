"""`./switchboard bench NAME`: measure, print, and write ``bench/results/NAME.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import chain, ingress, pace, pipe, restore, resume, windows
from bench.contestants import INGRESS, PIPE, RESTORE, RESUME, WINDOWS, Contestant
from bench.venvs import MissingError, venv

RESULTS = Path("bench/results")
MATPLOTLIB = "matplotlib==3.11.2"
WIDTH = 110
"""Columns that the figures need; a narrower terminal breaks lines, a pipe has none."""
PACKAGES = ("faust-streaming", "aiokafka", "confluent-kafka", "rocksdict")


def chosen(all_of_them: Sequence[Contestant], only: Sequence[str]) -> list[Contestant]:
    """The contestants that `only` names, or the usual ones.

    Raises:
        RuntimeError: there is none of that name.
    """
    names = {each.name for each in all_of_them}
    strangers = set(only) - names
    if strangers:
        raise RuntimeError(f"no contestant {', '.join(strangers)}: one of {', '.join(names)}")
    return [each for each in all_of_them if (each.name in only if only else each.is_default)]


MEASUREMENTS: dict[str, Callable[[argparse.Namespace, Callable[[str], None]], dict[str, Any]]] = {
    "chain": lambda _asked, _say: chain.measure(),
    "ingress": lambda asked, say: ingress.measure(
        rounds=asked.rounds or ingress.ROUNDS, contestants=chosen(INGRESS, asked.only), say=say
    ),
    "pace": lambda asked, say: pace.measure(
        rounds=asked.rounds or pace.ROUNDS, contestants=chosen(PIPE, asked.only), say=say
    ),
    "pipe": lambda asked, say: pipe.measure(
        events=asked.events or pipe.EVENTS,
        rounds=asked.rounds or pipe.ROUNDS,
        contestants=chosen(PIPE, asked.only),
        say=say,
    ),
    "restore": lambda asked, say: restore.measure(
        keys=asked.keys or restore.KEYS,
        rounds=asked.rounds or restore.ROUNDS,
        contestants=chosen(RESTORE, asked.only),
        say=say,
    ),
    "resume": lambda asked, say: resume.measure(
        keys=asked.keys or resume.KEYS,
        rounds=asked.rounds or resume.ROUNDS,
        contestants=chosen(RESUME, asked.only),
        say=say,
    ),
    "windows": lambda asked, say: windows.measure(
        events=asked.events or windows.EVENTS,
        rounds=asked.rounds or windows.ROUNDS,
        contestants=chosen(WINDOWS, asked.only),
        say=say,
    ),
}
"""Name -> the measurement, told the command line and how to report its progress."""


def environment() -> dict[str, Any]:
    """The machine and the versions, as far as they decide a figure."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def chart(result: Path) -> None:
    """Draws `result` beside itself; a figure without its chart is still a figure."""
    try:
        python = venv("chart", [MATPLOTLIB])
    except MissingError as error:
        sys.stderr.write(f"no chart: {error}\n")
        return
    subprocess.run([python, "bench/chart.py", result, result.with_suffix(".png")], check=True)


def table(result: dict[str, Any]) -> Table:
    """A column for each contestant: its figures, then ours divided by its."""
    rows = result["contestants"]
    figures = dict.fromkeys(name for row in rows.values() for name in row if _is_figure(row[name]))
    shown = Table("", *rows)
    for figure in figures:
        shown.add_row(
            figure, *(f"{row[figure]:,.6g}" if figure in row else "" for row in rows.values())
        )
    for name, ratios in result["ratios"].items():
        shown.add_row(f"ours / its {name}", *(f"{ratios.get(each, '')}" for each in rows))
    return shown


def faults(result: dict[str, Any]) -> list[str]:
    """Who was left out and which rounds failed, a line each."""
    skipped = [f"{name} is skipped: {why}" for name, why in result.get("skipped", {}).items()]
    failed = [
        f"{name} failed: {why}"
        for name, row in result["contestants"].items()
        for why in row["failed"]
    ]
    return skipped + failed


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> int:
    """Runs the named measurement; 1 when ours was not correct."""
    parser = argparse.ArgumentParser(prog="./switchboard bench")
    parser.add_argument("name", choices=list(MEASUREMENTS))
    parser.add_argument("--events", type=int, help="events of the backlog (pipe, windows)")
    parser.add_argument("--keys", type=int, help="keys of the changelog (restore, resume)")
    parser.add_argument("--rounds", type=int, help="rounds; contestants take turns in each")
    parser.add_argument("--only", action="append", default=[], help="a contestant; may be repeated")
    parser.add_argument("--png", action="store_true", help="draw bench/results/NAME.png as well")
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    console = Console(stderr=True)
    before = environment()
    try:
        measured = MEASUREMENTS[asked.name](
            asked, lambda text: console.print(text, highlight=False)
        )
    except RuntimeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    result = {"name": asked.name, "environment": before, **measured}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{asked.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    if asked.png:
        chart(RESULTS / f"{asked.name}.json")
    if asked.output == "json":
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        Console(width=max(WIDTH, Console().width)).print(table(result))
        if "week" in result:
            print(json.dumps({"questions about a week": result["week"]}, indent=2))
        sys.stderr.writelines(f"{line}\n" for line in faults(result))
    return 0 if result["correct"] else 1


if __name__ == "__main__":
    sys.exit(main())
