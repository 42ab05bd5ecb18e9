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

PANELS = {
    "rate": "per second (more is better)",
    "cpu_us": "CPU, us per event",
    "rss_mib": "memory, MiB",
    "resume_kept_s": "seconds, state kept",
    "resume_lost_s": "seconds, state lost",
}
OURS, THEIRS = "#c4372b", "#8a8f98"


def draw(result: dict[str, Any], path: Path) -> None:
    """One panel for each figure, with the range of the rounds on the rate."""
    rows = result["contestants"]
    panels = [key for key in PANELS if any(key in row for row in rows.values())]
    rows = {name: row for name, row in rows.items() if panels and panels[0] in row}
    names = list(rows)[::-1]
    colours = [OURS if name == "switchboard" else THEIRS for name in names]
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 1.2 + 0.45 * len(names)), sharey=True)
    for axis, key in zip(axes, panels, strict=True):
        values = [rows[name][key] for name in names]
        bars = axis.barh(names, values, color=colours)
        labels = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values]  # noqa: PLR2004
        axis.bar_label(bars, labels, padding=6, fontsize=8)
        axis.set_title(PANELS[key], fontsize=9)
        axis.margins(x=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    for height, name in enumerate(names):
        low_high = rows[name].get("rate_range", ())
        axes[0].plot(low_high, [height] * len(low_high), color="black", linewidth=1)
    where = result["environment"]
    figure.suptitle(f"bench {result['name']}, {where['cores']} cores, {where['at']}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
