"""How well a classifier routes: precision of what it decided, and how much it decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.domain.routing import route
from pipeline.domain.taxonomy import Intent


@dataclass(frozen=True)
class Judged:
    """One message: what it is, and what was decided (None = undecided)."""

    truth: Intent
    decided: Intent | None


def team_of(intent: Intent) -> str:
    """The team that an email with this intent goes to."""
    return route(intent, channel="email").team


def evaluate(judged: Sequence[Judged]) -> dict[str, Any]:
    """`rows`, and for `team` and `intent` each `precision` and `share_decided` (0 to 1).

    Precision is of what was decided; None where nothing was. `per_intent` has precision and
    recall and counts; `team_confusion` counts (true team -> decided team) where they differ.
    """
    decided = [each for each in judged if each.decided is not None]
    share = len(decided) / len(judged) if judged else 0.0
    right_team = sum(team_of(each.truth) == _team(each) for each in decided)
    right_intent = sum(each.truth is each.decided for each in decided)
    confusion = Counter(
        (team_of(each.truth), _team(each)) for each in decided if team_of(each.truth) != _team(each)
    )
    return {
        "rows": len(judged),
        "team": {"precision": _ratio(right_team, len(decided)), "share_decided": share},
        "intent": {"precision": _ratio(right_intent, len(decided)), "share_decided": share},
        "per_intent": {
            intent.value: _per_intent(judged, intent)
            for intent in Intent
            if any(intent in (each.truth, each.decided) for each in judged)
        },
        "team_confusion": [
            {"team": true, "decided": wrong, "count": count}
            for (true, wrong), count in confusion.most_common()
        ],
    }


def _team(each: Judged) -> str:
    return "" if each.decided is None else team_of(each.decided)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _per_intent(judged: Sequence[Judged], intent: Intent) -> dict[str, Any]:
    mine = [each for each in judged if each.truth is intent]
    said = [each for each in judged if each.decided is intent]
    right = sum(each.truth is intent for each in said)
    return {
        "messages": len(mine),
        "decided": sum(each.decided is not None for each in mine),
        "precision": _ratio(right, len(said)),
        "recall": _ratio(right, len(mine)),
    }
