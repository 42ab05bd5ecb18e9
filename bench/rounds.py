"""Contestants in turn, round after round, on one broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.contestants import Contestant
from bench.figures import Round, result
from bench.process import ProcessError
from bench.venvs import MissingError

Say = Callable[[str], None]
Run = Callable[[Contestant, int], Round]
"""One contestant's turn in the round of that number."""
FIGURES = {"rate": "rate", "cpu": "cpu_us"}
"""Ratios and the figures that they divide."""


def alternate(
    contestants: Sequence[Contestant],
    rounds: int,
    run: Run,
    say: Say,
    *,
    figures: Mapping[str, str] = FIGURES,
) -> dict[str, Any]:
    """A B C, A B C ...: `result` of all rounds, and ``skipped`` with the reason of each.

    Whoever ends by itself has failed its round; whoever cannot take part here is left out.
    """
    done: dict[str, list[Round]] = {each.name: [] for each in contestants}
    skipped: dict[str, str] = {}
    for turn in range(rounds):
        for each in contestants:
            if each.name not in skipped:
                say(f"round {turn + 1} of {rounds}: {each.name}")
                _take_turn(each, turn, run, done, skipped)
                say(f"  {skipped.get(each.name) or done[each.name][-1]}")
    return {
        "skipped": skipped,
        **result(
            {name: each for name, each in done.items() if name not in skipped},
            guarantees={each.name: each.guarantee for each in contestants},
            figures=figures,
        ),
    }


def _take_turn(
    contestant: Contestant,
    turn: int,
    run: Run,
    done: Mapping[str, list[Round]],
    skipped: dict[str, str],
) -> None:
    try:
        done[contestant.name].append(run(contestant, turn))
    except MissingError as error:
        skipped[contestant.name] = str(error)
    except ProcessError as error:
        done[contestant.name].append({"failed": str(error)})
