"""Charts of an answer about a metric: in the terminal, and as a PNG."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

QUANTILES = ("p50", "p95", "p99")
INCHES = (11.0, 5.0)

Curve = tuple[str, list[int], list[float | None]]
"""A name, unix seconds, and a value for each; None = unknown, a gap."""


def curves(answer: Mapping[str, Any]) -> Iterator[Curve]:
    """What is drawn: a curve for each line, for each quantile of a histogram's."""
    shown = QUANTILES if answer["kind"] == "histogram" else ("value",)
    for line in answer["lines"]:
        name = " ".join(line["labels"].values())
        times = [point["start"] for point in line["points"]]
        for each in shown:
            words = (name, each if each in QUANTILES else "")
            values = [point[each] for point in line["points"]]
            yield " ".join(filter(None, words)) or answer["metric"], times, values


def title(answer: Mapping[str, Any]) -> str:
    """What the chart shows, and in what steps."""
    return f"{answer['metric']} ({answer['unit']}), {covered(answer)}"


def covered(answer: Mapping[str, Any]) -> str:
    """What a point stands for."""
    seconds = answer["to"] - answer["from"]
    return f"steps of {answer['step']} s" if answer["step"] < seconds else f"all {seconds} s"


def show(answer: Mapping[str, Any]) -> None:
    """Draws `answer` in the terminal."""
    import plotext as plot

    plot.clear_figure()
    plot.theme("pro")
    plot.title(title(answer))
    plot.date_form("d/m H:M:S")
    for name, times, values in curves(answer):
        known = [(at, value) for at, value in zip(times, values, strict=True) if value is not None]
        if known:
            clocks = [datetime.fromtimestamp(at, UTC).strftime("%d/%m %H:%M:%S") for at, _ in known]
            plot.plot(clocks, [value for _, value in known], label=name)
    drawn = plot.build()
    # Colours tell the curves apart; in a file or a pipe they would be noise.
    sys.stdout.write((drawn if sys.stdout.isatty() else plot.uncolorize(drawn)) + "\n")


def draw(answer: Mapping[str, Any], path: Path) -> None:
    """Draws `answer` into `path`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import dates, ticker
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=INCHES, layout="constrained")
    for name, times, values in curves(answer):
        clocks = [datetime.fromtimestamp(at, UTC) for at in times]
        known = [float("nan") if value is None else value for value in values]
        axes.plot(clocks, known, label=name, marker="." if len(known) < 100 else None)  # noqa: PLR2004
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.set_title(f"{answer['meaning']}\n{title(answer)}", loc="left")
    axes.set_xlabel("UTC", loc="left")
    axes.set_ylabel(answer["unit"])
    axes.set_ylim(bottom=0)
    if answer["kind"] == "ratio":
        axes.yaxis.set_major_formatter(ticker.PercentFormatter(xmax=1))
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=120)
    plt.close(figure)
