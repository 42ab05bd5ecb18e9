from __future__ import annotations

import math

import pytest

from pipeline.domain.query import MOST_POINTS, STEPS, Point, QueryError, ask, query, told
from pipeline.domain.windows import Window


def window(start: int, *counts: tuple[str, int]) -> Window:
    return Window(start=start, counts=dict(counts))


CALLS = [
    window(0, ("vendor_requests|openai|2xx", 8), ("vendor_requests|richpanel|429", 1)),
    window(10, ("vendor_requests|openai|429", 2), ("worker_errors|act|http_404", 1)),
    window(60, ("vendor_requests|openai|5xx", 5)),
    window(120, ("vendor_requests|openai|2xx", 1000)),
]


def test_a_counter_is_added_up_in_steps_with_zeros_where_nothing_happened() -> None:
    (line,) = query([*CALLS, *CALLS], "vendor_requests", 0, 180, step=60)
    assert line.labels == {}
    assert line.points == (Point(0, 22, 22), Point(60, 10, 10), Point(120, 2000, 2000))
    (line,) = query(CALLS, "received", 0, 20, step=10)
    assert line.points == (Point(0, 0, 0), Point(10, 0, 0))


def test_without_a_step_the_range_is_one_point_and_its_end_is_outside() -> None:
    (line,) = query(CALLS, "vendor_requests", 5, 120)
    assert line.points == (Point(0, 16, 16),)


def test_a_line_for_each_combination_of_the_labels_asked_for() -> None:
    lines = query(CALLS, "vendor_requests", 0, 120, by=("vendor",))
    assert [(line.labels["vendor"], line.points[0].value) for line in lines] == [
        ("openai", 15), ("richpanel", 1),
    ]  # fmt: skip
    lines = query(CALLS, "vendor_requests", 0, 120, by=("status_class", "vendor"))
    assert [tuple(line.labels.values()) for line in lines] == [
        ("2xx", "openai"), ("429", "openai"), ("429", "richpanel"), ("5xx", "openai"),
    ]  # fmt: skip
    assert query(CALLS, "received", 0, 120, by=("outcome",)) == []


def test_a_ratio_is_of_the_sums_and_of_nothing_it_is_unknown() -> None:
    lines = query(CALLS, "vendor_429_rate", 0, 120, step=60, by=("vendor",))
    assert [(line.labels["vendor"], line.points) for line in lines] == [
        ("openai", (Point(0, 10, 0.2), Point(60, 5, 0.0))),
        ("richpanel", (Point(0, 1, 1.0), Point(60, 0, None))),
    ]
    (line,) = query(CALLS, "openai_error_rate", 0, 120)
    assert line.points == (Point(0, 15, 7 / 15),)


def test_a_histogram_has_quantiles_of_all_its_values() -> None:
    slow, fast = Window(start=0), Window(start=10)
    slow.observe("stage_duration_seconds|act", 2.0, 10)
    slow.observe("end_to_end_seconds|email", 9.0)
    fast.observe("stage_duration_seconds|act", 0.1, 90)
    fast.observe("stage_duration_seconds|act", 0.1)
    (line,) = query([slow, fast], "stage_duration_seconds", 0, 60, step=60, by=("stage",))
    (point,) = line.points
    assert (point.count, point.value) == (101, None)
    assert point.p50 == pytest.approx(0.1, rel=0.01)
    assert point.p95 == pytest.approx(2.0, rel=0.01)
    (line,) = query([], "stage_duration_seconds", 0, 10)
    assert line.points == (Point(0),)


def test_a_gauge_is_its_highest_level() -> None:
    low, high = Window(start=0), Window(start=0)
    low.level("queue_depth|act", 3)
    high.level("queue_depth|act", 7)
    high.level("queue_oldest_age_seconds|act", 70)
    (line,) = query([low, high], "queue_depth", 0, 20, step=10)
    assert line.points == (Point(0, 1, 7), Point(10, 0, None))


@pytest.mark.parametrize(
    ("metric", "begin", "end", "step", "by", "says"),
    [
        ("webhooks", 0, 10, None, (), "there are: actions, .*received"),
        ("received", 10, 10, None, (), "from before to"),
        ("received", -1, 10, None, (), "from before to"),
        ("received", 0, math.inf, None, (), "from before to"),
        ("received", 0, 10, None, ("vendor",), "it has: outcome"),
        ("duplicate_rate", 0, 10, None, ("vendor",), "it has: none"),
        ("received", 0, 100, 7, (), "there are: 10, 60, 300"),
        ("received", 0, 7 * 86400, 10, (), "take a step of 900 s or more"),
        ("stage_duration_seconds", 0, 7 * 86400, 900, (), "241 points: take a step of 3600 s"),
        ("received", 0, 20_000 * 86400, 60, (), "take a shorter range"),
    ],
)
def test_what_cannot_be_asked_says_what_can(
    *, metric: str, begin: float, end: float, step: int | None, by: tuple[str, ...], says: str
) -> None:
    with pytest.raises(QueryError, match=says):
        ask(metric, begin, end, step=step, by=by)


def test_a_week_may_be_asked_in_steps_of_fifteen_minutes_and_two_hours_in_ten_seconds() -> None:
    assert len(ask("received", 7, 7 * 86400 + 7, step=900).starts) == 673
    assert len(ask("received", 7, 7207, step=10).starts) == MOST_POINTS
    assert len(ask("stage_duration_seconds", 7, 7 * 86400 + 7, step=3600).starts) == 169
    assert all(later % 10 == 0 for later in STEPS)


def test_an_answer_tells_what_it_is_about_and_what_it_lacks() -> None:
    question = ask("vendor_429_rate", 0, 120, by=("vendor",))
    answer = told(question, query(CALLS, "vendor_429_rate", 0, 120, by=("vendor",)), (2,))
    assert (answer["metric"], answer["kind"], answer["unit"]) == (
        "vendor_429_rate",
        "ratio",
        "share",
    )
    assert (answer["complete"], answer["missing"]) == (False, [2])
    assert answer["lines"][1]["labels"] == {"vendor": "richpanel"}
    assert answer["lines"][1]["points"][0]["value"] == 1.0
