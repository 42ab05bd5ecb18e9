from __future__ import annotations

from bench import records
from bench.pace import judged


def out(*appended: tuple[float, int]) -> list[tuple[float, bytes]]:
    return [(at, records.value(number)) for at, number in appended]


def test_an_event_counts_from_the_moment_it_was_due() -> None:
    appended = out((0.5, 0), (10.010, 1), (10.150, 2), (20.002, 3))
    assert judged(appended, 1, {10: {1: 10.0, 2: 10.1}, 100: {3: 20.0}}) == {
        "p50_ms_at_10_per_s": 50.0, "p99_ms_at_10_per_s": 50.0,
        "p50_ms_at_100_per_s": 2.0, "p99_ms_at_100_per_s": 2.0,
    }  # fmt: skip


def test_a_run_that_lost_or_repeated_an_event_has_no_figure() -> None:
    due = {10: {1: 10.0}}
    assert judged(out((0.5, 0)), 1, due) == {"failed": "1 missing"}
    assert judged(out((0.5, 0), (10.1, 1), (10.2, 1)), 1, due) == {"failed": "1 repeated"}
