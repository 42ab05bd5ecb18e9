from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import records
from bench.figures import OURS, Round, at, contestant, gate, quantile, ratios, result


@given(st.sets(st.integers(0, 50)))
def test_each_once_in_any_order_passes_the_gate(wanted: set[int]) -> None:
    assert gate(sorted(wanted, reverse=True), wanted) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([1, 2], "1 missing"),
        ([1, 2, 3, 3, 3], "2 repeated"),
        ([1, 2, 3, -1, -1], "2 foreign"),
        ([1, 1, 9], "2 missing, 1 repeated, 1 foreign"),
        ([], "3 missing"),
    ],
)
def test_the_gate_says_what_is_wrong(found: list[int], said: str) -> None:
    assert gate(found, [1, 2, 3]) == said


def test_a_backlog_has_one_event_in_twenty_twice_on_the_key_of_the_first() -> None:
    numbers = [records.number(index) for index in range(1000)]
    assert len(records.unique(1000)) == 950
    assert gate(numbers, records.unique(1000)) == "50 repeated"
    assert all(records.number(number) == number for number in numbers)


@pytest.mark.parametrize("event", [0, 7, 123_456_789])
def test_an_event_has_about_a_thousand_bytes_and_says_which_it_is(event: int) -> None:
    value = records.value(event)
    assert 950 <= len(value) <= 1050
    assert records.number_of(value) == event


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"event_id": 5}', b'{"event_id": "x"}'])
def test_a_strange_value_is_no_event(value: bytes) -> None:
    assert records.number_of(value) == -1


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.5) == 3.0
    assert quantile([3.0, 1.0, 2.0, 4.0], 0.99) == 4.0
    assert quantile([5.0], 0.0) == 5.0
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_measure_between_two_samples_lies_on_their_line() -> None:
    samples = [(10.0, 1.0), (12.0, 5.0), (13.0, 5.5)]
    assert at(samples, 11.0) == 3.0
    assert at(samples, 12.0) == 5.0
    assert at(samples, 9.0) == 1.0
    assert at(samples, 99.0) == 5.5


def test_a_row_has_the_medians_of_its_rounds() -> None:
    row = contestant(
        [{"rate": 10, "cpu_us": 3.0}, {"rate": 30, "cpu_us": 1.0}, {"rate": 20, "cpu_us": 2}]
    )
    assert (row["rate"], row["cpu_us"], row["rate_range"]) == (20, 2, [10, 30])
    assert row["correct"]


def test_a_failed_round_has_no_figure_and_says_why() -> None:
    row = contestant([{"rate": 10}, {"failed": "1 missing"}])
    assert (row["rate"], row["correct"], row["failed"]) == (10, False, ["1 missing"])
    assert "rate" not in contestant([{"failed": "1 missing"}])


def test_ratios_are_those_of_pairs() -> None:
    """The machine is half as fast in the second round, for both."""
    rounds = {
        OURS: [{"rate": 100}, {"rate": 50}, {"rate": 120}],
        "faust": [{"rate": 10}, {"rate": 5}, {"rate": 10}],
    }
    assert ratios(rounds, "rate") == {"faust": {"median": 10, "min": 10, "max": 12}}


@pytest.mark.parametrize("failing", [OURS, "faust"])
def test_a_failed_run_has_no_ratio(failing: str) -> None:
    rounds: dict[str, list[Round]] = {OURS: [{"rate": 1}], "faust": [{"rate": 1}]}
    rounds[failing] = [{"failed": "1 missing"}]
    assert ratios(rounds, "rate") == {}


def test_without_ours_there_are_no_ratios() -> None:
    assert ratios({"faust": [{"rate": 1}]}, "rate") == {}


def test_correct_says_whether_ours_is() -> None:
    rounds: dict[str, list[Round]] = {OURS: [{"rate": 4}], "faust": [{"failed": "2 missing"}]}
    made = result(rounds, guarantees={OURS: "all", "faust": "few"}, figures={"rate": "rate"})
    assert made["correct"]
    assert made["ratios"] == {"rate": {}}
    assert made["contestants"]["faust"]["guarantee"] == "few"
    rounds[OURS] = [{"failed": "2 missing"}]
    assert not result(rounds, guarantees={OURS: "", "faust": ""}, figures={})["correct"]
    del rounds[OURS]
    assert not result(rounds, guarantees={"faust": ""}, figures={})["correct"]
