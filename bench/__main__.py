"""`./switchboard bench NAME [-o json]`: measure, print, and write ``bench/results/NAME.json``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import chain

RESULTS = Path("bench/results")
NAMES = {"chain": chain.measure}


def main() -> int:
    """Runs the named measurement."""
    parser = argparse.ArgumentParser(prog="./switchboard bench")
    parser.add_argument("name", choices=sorted(NAMES))
    parser.add_argument("-o", dest="output", choices=["table", "json"], default="table")
    asked = parser.parse_args()
    try:
        figures = asyncio.run(NAMES[asked.name]())
    except RuntimeError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    result = {
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "correct": True,
        "figures": figures,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{asked.name}.json").write_text(json.dumps(result, indent=2) + "\n")
    if asked.output == "json":
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return 0
    names = list(next(iter(figures.values())))
    table = Table("", *names, title=f"bench {asked.name}")
    for label, row in figures.items():
        table.add_row(label, *(str(row[name]) for name in names))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
