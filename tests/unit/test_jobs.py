from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.domain.jobs import JobRecord, JobState, in_the_way, is_running, why_stop
from pipeline.domain.modes import Mode


def job(**changes: object) -> JobRecord:
    fields: dict[str, object] = {
        "name": "j1", "kind": "k", "what": {}, "by": "ann", "began": 1.0, "at": 1.0,
        "runner": "life-1", "total": 5,
    }  # fmt: skip
    return JobRecord.model_validate({**fields, **changes})


def test_a_batch_moves_a_job_on() -> None:
    moved = job(ended=1, executed=1).advanced({"a": True, "b": False}, at=2.0)
    assert (moved.ended, moved.executed, moved.at) == (3, 2, 2.0)
    assert moved.state is JobState.RUNNING


@pytest.mark.parametrize(
    ("why", "state"), [(None, JobState.DONE), ("the mode is stop", JobState.STOPPED)]
)
def test_a_run_ends_done_or_stopped_for_a_reason(why: str | None, state: JobState) -> None:
    ended = job().ended_as(why, at=3.0)
    assert (ended.state, ended.why, ended.at) == (state, why, 3.0)


@pytest.mark.parametrize(
    ("changes", "running"),
    [({}, True), ({"runner": "dead"}, False), ({"state": "stopped"}, False)],
)
def test_a_job_runs_while_its_runner_is_heard_of(changes: dict[str, str], *, running: bool) -> None:
    assert is_running(job(**changes), {"life-1"}) is running


def test_only_a_running_job_of_somebody_else_is_in_the_way() -> None:
    mine, theirs = job(), job(name="j2", runner="life-2")
    assert in_the_way([mine, theirs], "life-1", {"life-1", "life-2"}) == theirs
    assert in_the_way([mine, theirs], "life-1", {"life-1"}) is None
    assert in_the_way([mine], "life-1", {"life-1"}) is None


@pytest.mark.parametrize(
    ("mode", "word", "why"),
    [
        (Mode.SHADOW, None, None),
        (Mode.SHADOW, "enough", "enough"),
        (Mode.STOP, None, "the mode is stop"),
        (Mode.STOP, "enough", "the mode is stop"),
    ],
)
def test_a_job_is_stopped_by_a_word_or_by_the_lever(
    mode: Mode, word: str | None, why: str | None
) -> None:
    assert why_stop(mode, word) == why


@pytest.mark.parametrize("name", ["", "a/b", "x" * 65, "two words"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(ValidationError):
        job(name=name)
