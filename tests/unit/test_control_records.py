from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.control_records import Heard, ProcessRecord, unconfirmed


def heard(name: str, confirmed: int, at: float, silent_after: float = 15.0) -> Heard:
    return Heard(ProcessRecord(name=name, confirmed=confirmed, silent_after=silent_after), at)


def test_who_has_not_confirmed_is_named_and_the_dead_age_out() -> None:
    processes = [heard("act-1", 7, 100.0), heard("act-0", 6, 100.0), heard("act-2", 6, 80.0)]
    assert unconfirmed(processes, 7, now=101.0) == ["act-0"]
    assert unconfirmed(processes, 7, now=94.0) == ["act-0", "act-2"]
    assert unconfirmed(processes, 6, now=101.0) == []


@given(st.floats(0, 100), st.floats(0, 30))
def test_a_process_counts_as_live_for_exactly_its_silence(at: float, silence: float) -> None:
    process = heard("x", 0, at, silence)
    assert process.is_live(at)
    assert not process.is_live(at + silence + 0.01)
