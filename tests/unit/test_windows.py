from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.events import Audit, Outcome
from pipeline.domain.windows import (
    Window,
    bucket,
    bucket_value,
    fold,
    merge,
    quantile,
    window_start,
)


def audit(what: str = "routed", **fields: object) -> Audit:
    return Audit.model_validate(
        {"stage": "act", "what": what, "ingress_id": "i", "at": 12.5, "received_at": 12.0, **fields}
    )


def test_a_window_is_ten_seconds() -> None:
    assert (window_start(19.99), window_start(20.0)) == (10, 20)


def test_a_record_is_folded_once_however_often_it_comes() -> None:
    records = [(3, audit()), (4, audit(outcome=Outcome.ACTED))]
    once = fold(None, 10, records)
    assert fold(once, 10, records) == once
    assert once.counts == {"act.routed": 2, "outcome.acted": 1}
    assert once.offset == 4


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (audit("withheld", reason="vip"), "withheld.vip"),
        (audit("duplicated", reason="conflict"), "duplicated.conflict"),
        (audit("classified", detail={"path": "rules"}), "path.rules"),
        (audit("classified"), "path.unknown"),
    ],
)
def test_reasons_and_paths_are_counted(record: Audit, name: str) -> None:
    assert fold(None, 0, [(0, record)]).counts[name] == 1


@pytest.mark.parametrize(
    ("outcome", "detail", "counted"),
    [
        (Outcome.ACTED, {}, "actions_success"),
        (Outcome.WITHHELD, {}, "actions_success"),
        (Outcome.DEAD_LETTERED, {"partial": True}, "actions_partial"),
        (Outcome.DEAD_LETTERED, {}, None),
        (Outcome.ACTED, {"released": True}, None),
    ],
)
def test_decisions_less_successes_are_the_plans_that_did_not_come_through(
    outcome: Outcome, detail: dict[str, bool], counted: str | None
) -> None:
    decided = audit("classified")
    ended = audit("ended", outcome=outcome, detail=detail)
    counts = fold(None, 0, [(0, decided), (1, ended)]).counts
    assert counts["decisions"] == 1
    assert {name for name in counts if name.startswith("actions_")} == {counted} - {None}


def test_durations_go_to_their_histograms() -> None:
    window = fold(None, 0, [(0, audit(detail={"seconds": 0.25}, outcome=Outcome.ACTED))])
    assert set(window.histograms) == {"webhook_to_routed", "webhook_to_outcome", "stage.act"}
    without = fold(None, 0, [(0, audit(received_at=None, outcome=Outcome.ACTED))])
    assert without.histograms == {}


@given(st.floats(0.0002, 1000))
def test_a_bucket_is_within_one_per_cent(seconds: float) -> None:
    assert bucket_value(bucket(seconds)) == pytest.approx(seconds, rel=0.0101)


def test_quantiles_are_within_one_per_cent_of_the_exact_ones() -> None:
    rng = random.Random(3)
    values = sorted(rng.lognormvariate(-2, 1) for _ in range(5000))
    histogram: dict[int, int] = {}
    for value in values:
        histogram[bucket(value)] = histogram.get(bucket(value), 0) + 1
    for share in (0.5, 0.95, 0.99):
        exact = values[int(share * len(values)) - 1]
        assert quantile(histogram, share) == pytest.approx(exact, rel=0.011)
    assert quantile({}, 0.5) is None


def test_merging_adds_counts_and_buckets() -> None:
    left = fold(None, 10, [(0, audit())])
    right = fold(None, 20, [(1, audit()), (2, audit("replied"))])
    both = merge([right, left])
    assert both.start == 10
    assert both.counts == {"act.routed": 2, "act.replied": 1}
    assert sum(both.histograms["webhook_to_routed"].values()) == 2
    assert merge([]) == Window(start=0, offset=0)
