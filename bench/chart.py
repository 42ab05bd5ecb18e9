"""`python bench/chart.py RESULT.json CHART.png`: rate, CPU and memory of each contestant as bars.

Runs in an environment of its own that has matplotlib; the project does not need it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

PANELS = {"rate": "per second (more is better)", "cpu_us": "CPU, us per event", "rss_mib": "MiB"}
OURS, THEIRS = "#c4372b", "#8a8f98"


def draw(result: dict[str, Any], path: Path) -> None:
    """One panel for each figure, with the range of the rounds on the rate."""
    rows = {name: row for name, row in result["contestants"].items() if "rate" in row}
    names = list(rows)[::-1]
    colours = [OURS if name == "switchboard" else THEIRS for name in names]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(13, 1.2 + 0.45 * len(names)), sharey=True)
    for axis, (key, title) in zip(axes, PANELS.items(), strict=True):
        values = [rows[name][key] for name in names]
        bars = axis.barh(names, values, color=colours)
        labels = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values]  # noqa: PLR2004
        axis.bar_label(bars, labels, padding=6, fontsize=8)
        axis.set_title(title, fontsize=9)
        axis.margins(x=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    for height, name in enumerate(names):
        axes[0].plot(rows[name]["rate_range"], [height, height], color="black", linewidth=1)
    where = result["environment"]
    figure.suptitle(f"bench {result['name']}, {where['cores']} cores, {where['at']}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
