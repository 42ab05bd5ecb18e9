from __future__ import annotations

from pipeline.domain.evaluation import Judged, evaluate
from pipeline.domain.taxonomy import Intent


def test_precision_is_of_what_was_decided_and_teams_may_be_right_where_intents_are_not() -> None:
    figures = evaluate(
        [
            Judged(Intent.REFUND_REQUEST, Intent.REFUND_REQUEST),
            Judged(Intent.REFUND_REQUEST, Intent.RETURN_REQUEST),
            Judged(Intent.REFUND_REQUEST, Intent.BILLING_ISSUE),
            Judged(Intent.REFUND_REQUEST, None),
        ]
    )
    assert figures["rows"] == 4
    assert figures["team"] == {"precision": 2 / 3, "share_decided": 0.75}
    assert figures["intent"] == {"precision": 1 / 3, "share_decided": 0.75}
    assert figures["per_intent"]["refund_request"]["recall"] == 0.25
    assert figures["per_intent"]["billing_issue"]["recall"] is None
    assert figures["team_confusion"] == [
        {"team": "Returns Admin", "decided": "Email Support Team", "count": 1}
    ]


def test_nothing_decided_has_no_precision() -> None:
    assert evaluate([])["team"] == {"precision": None, "share_decided": 0.0}
