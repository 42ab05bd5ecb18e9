from __future__ import annotations

from bench import records
from bench.resume import judged


def test_a_resume_is_counted_from_the_kill_to_the_first_event_after_it() -> None:
    # At the kills, 10 and 20, the last record of the dead worker is still being appended.
    times = [9.0, 10.1, 13.5, 14.0, 20.05, 22.0]
    out = [(at, records.value(number)) for number, at in enumerate(times)]
    assert judged(out, 6, [10.0, 20.0]) == {
        "resume_kept_s": 3.5, "resume_lost_s": 2.0, "repeated": 0,
    }  # fmt: skip


def test_an_event_may_come_twice_and_none_may_be_missing() -> None:
    out = [(at, records.value(number)) for at, number in [(1, 0), (5, 1), (6, 1), (9, 2)]]
    assert judged(out, 3, [2.0, 7.0])["repeated"] == 1
    assert judged(out, 4, [2.0, 7.0]) == {"failed": "1 of 4 events missing"}
