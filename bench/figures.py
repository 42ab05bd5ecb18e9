"""From measured rounds to what is printed: medians, ratios of pairs, and the gate before both."""

from __future__ import annotations

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OURS = "switchboard"

Round = Mapping[str, Any]
"""One contestant's run: its figures by name, or ``failed`` with the reason and then no figure."""


def gate(found: Iterable[int], wanted: Iterable[int]) -> str | None:
    """Why `found` is not each of `wanted` exactly once; None when it is."""
    counts, expected = Counter(found), set(wanted)
    faults = {
        "missing": len(expected - counts.keys()),
        "repeated": sum(times - 1 for number, times in counts.items() if number in expected),
        "foreign": sum(times for number, times in counts.items() if number not in expected),
    }
    return ", ".join(f"{count} {what}" for what, count in faults.items() if count) or None


def quantile(values: Sequence[float], share: float) -> float:
    """The value at `share` (0 to 1) of `values`, by nearest rank; raises ValueError on none."""
    if not values:
        raise ValueError("no values, no quantile")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def at(samples: Sequence[tuple[float, float]], moment: float) -> float:
    """The value of a rising measure at `moment`, on the line between its two nearest samples.

    Args:
        samples: (time, value) in the order of time, at least one; outside of them the nearest.
        moment: a time on the same clock.
    """
    after = bisect_right(samples, moment, key=lambda sample: sample[0])
    if after == 0:
        return samples[0][1]
    if after == len(samples):
        return samples[-1][1]
    (t0, v0), (t1, v1) = samples[after - 1], samples[after]
    return v0 + (v1 - v0) * (moment - t0) / (t1 - t0)


def contestant(rounds: Sequence[Round]) -> dict[str, Any]:
    """One contestant's row: the median of each figure, lowest and highest rate, every round.

    A round that failed the gate has no figure and its reason stands in ``failed``.
    """
    good = [each for each in rounds if "failed" not in each]
    failed = [each["failed"] for each in rounds if "failed" in each]
    row: dict[str, Any] = {
        name: round(statistics.median(each[name] for each in good), 3)
        for name in (good[0] if good else ())
    }
    if "rate" in row:
        rates = [each["rate"] for each in good]
        row["rate_range"] = [min(rates), max(rates)]
    return {**row, "correct": not failed, "failed": failed, "rounds": list(rounds)}


def ratios(rounds: Mapping[str, Sequence[Round]], figure: str) -> dict[str, dict[str, float]]:
    """Ours divided by each peer, round by round: median, lowest and highest of these pairs.

    Pairs and not medians divided: what slows the machine down for a while slows both of a pair.
    A pair of which one failed has no ratio.
    """
    pairs = {
        peer: [
            _pair(a, b, figure)
            for a, b in zip(rounds.get(OURS, ()), theirs, strict=OURS in rounds)
            if "failed" not in a and "failed" not in b
        ]
        for peer, theirs in rounds.items()
        if peer != OURS
    }
    return {peer: _spread(values) for peer, values in pairs.items() if values}


def _pair(ours: Round, theirs: Round, figure: str) -> float:
    return float(ours[figure]) / float(theirs[figure])


def _spread(values: Sequence[float]) -> dict[str, float]:
    middle = statistics.median(values)
    return {"median": round(middle, 4), "min": round(min(values), 4), "max": round(max(values), 4)}


def _deciding(rounds: Mapping[str, Sequence[Round]]) -> Sequence[Round]:
    """Ours; where we did not run, everybody's: a gate is never open because nobody came."""
    return rounds[OURS] if OURS in rounds else [each for runs in rounds.values() for each in runs]


def result(
    rounds: Mapping[str, Sequence[Round]],
    *,
    guarantees: Mapping[str, str],
    figures: Mapping[str, str],
) -> dict[str, Any]:
    """`contestants`, `ratios` and `correct` as they are written down.

    Args:
        rounds: the rounds of each contestant; round n of all ran side by side in time.
        guarantees: what each contestant promises, in words.
        figures: name of a ratio -> name of the figure that it divides.
    """
    spreads = {name: ratios(rounds, figure) for name, figure in figures.items()}
    return {
        "contestants": {
            name: {"guarantee": guarantees[name], **contestant(each)}
            for name, each in rounds.items()
        },
        "ratios": {
            name: {peer: spread["median"] for peer, spread in each.items()}
            for name, each in spreads.items()
        },
        "ratios_spread": spreads,
        "correct": not any("failed" in each for each in _deciding(rounds)),
    }
