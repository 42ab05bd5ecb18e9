"""A job over a control topic in memory: when it goes on, when it stops, and what is left then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from console.changes import JobStop
from console.job_runner import BATCH, Answers, JobRefused, Jobs, Work, run_job
from console.operating import Operator
from pipeline.control import JOBS_KEPT
from pipeline.domain.control_records import JOB_STOP_PREFIX, SwitchRecord
from pipeline.domain.jobs import JobRecord, JobState
from pipeline.stream.control import Update
from tests.stream.controls import Controls
from tests.stream.memory_broker import MemoryBroker


@dataclass
class Desk:
    """An operator's hand, and work whose items are numbers; `after` happens behind each batch."""

    controls: Controls = field(default_factory=lambda: Controls().mode("live"))
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    items: list[str] = field(default_factory=lambda: [f"i{number:02}" for number in range(25)])
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str], str | None] = lambda _: "replied"
    after: Callable[[], Any] = lambda: None
    between: Callable[[], Any] = lambda: None
    life: str = "life-1"

    def __post_init__(self) -> None:
        self.hear(self.life)

    @property
    def operator(self) -> Operator:
        return cast("Operator", self)

    @property
    def control(self) -> Any:
        return self.controls.control

    @property
    def follower(self) -> Any:
        return self

    @property
    def producer(self) -> Any:
        return self.broker

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        self.between()
        return max(self.controls.put(key, value) for key, value in entries)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        assert holds()

    def hear(self, life: str) -> None:
        self.controls.put(f"observer/{life}", b"{}")

    def say_stop(self, name: str = "j1") -> None:
        word = SwitchRecord(on=True, by="bob", reason="enough", at=0.0)
        self.controls.put(JOB_STOP_PREFIX + name, word.to_bytes())

    def write(self, job: JobRecord) -> None:
        self.controls.put(f"job/{job.name}", job.to_bytes())

    async def do(self, _: Operator, job: JobRecord, batch: Sequence[str]) -> Answers:
        assert len(batch) <= BATCH
        self.asked += batch
        answers = {item: self.answer(item) for item in batch}
        self.items = [item for item in self.items if item not in batch]
        self.after()
        return answers

    def run(self, job: JobRecord) -> JobRecord:
        work = Work(lambda _: list(self.items), self.do, lambda answer: answer == "replied")
        return asyncio.run(run_job(self.operator, job, work, say=lambda *_: None))

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.operator)


def order(**changes: Any) -> JobRecord:
    fields: dict[str, Any] = {
        "name": "j1", "kind": "k", "what": {}, "by": "ann", "began": 1.0, "at": 1.0,
        "runner": "life-1",
    }  # fmt: skip
    return JobRecord.model_validate({**fields, **changes})


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_job_asks_for_each_item_once_and_is_done(desk: Desk) -> None:
    desk.answer = lambda item: "withheld: vip" if item == "i03" else "replied"
    ended = desk.run(order())
    assert desk.asked == [f"i{number:02}" for number in range(25)]
    assert (ended.state, ended.total, ended.ended, ended.executed) == (JobState.DONE, 25, 25, 24)
    assert desk.jobs.get("j1") == ended
    assert [each.what for each in desk.broker.audits()] == ["job_started", "job_done"]


def test_panic_stops_a_job_behind_its_batch_and_a_resume_takes_what_is_left(desk: Desk) -> None:
    desk.after = lambda: desk.controls.mode("stop")
    stopped = desk.run(order())
    assert (stopped.state, stopped.why) == (JobState.STOPPED, "the mode is stop")
    assert (stopped.total, stopped.ended) == (25, BATCH)
    desk.controls.mode("live")
    desk.after = lambda: None
    ended = desk.run(stopped.model_copy(update={"state": JobState.RUNNING, "why": None}))
    assert (ended.state, ended.total, ended.ended) == (JobState.DONE, 25, 25)
    assert sorted(desk.asked) == sorted(set(desk.asked))


def test_what_is_not_known_to_be_allowed_is_not_done(desk: Desk) -> None:
    desk.controls.mode("stop")
    assert desk.run(order()).ended == 0
    assert desk.asked == []


def test_a_word_stops_a_job_and_the_next_run_forgets_it(desk: Desk) -> None:
    desk.after = desk.say_stop
    stopped = desk.run(order())
    assert (stopped.why, stopped.ended) == ("bob: enough", BATCH)
    desk.after = lambda: None
    assert desk.run(stopped.model_copy(update={"state": JobState.RUNNING})).state is JobState.DONE


def test_a_word_that_cannot_be_read_stops_too(desk: Desk) -> None:
    desk.after = lambda: desk.controls.put(f"{JOB_STOP_PREFIX}j1", b"nonsense")
    assert desk.run(order()).why == "an unreadable record"


def test_an_item_without_an_answer_stops_the_job(desk: Desk) -> None:
    desk.answer = lambda item: None if item == "i03" else "replied"
    stopped = desk.run(order())
    assert stopped.state is JobState.STOPPED
    assert (stopped.ended, len(desk.asked)) == (BATCH - 1, BATCH)


def test_a_run_that_is_broken_off_stands_as_stopped_with_what_it_did(desk: Desk) -> None:
    def interrupt() -> None:
        if len(desk.asked) > BATCH:
            raise asyncio.CancelledError

    desk.after = interrupt
    with pytest.raises(asyncio.CancelledError):
        desk.run(order())
    stands = desk.jobs.get("j1")
    assert stands is not None
    assert (stands.state, stands.ended, stands.why) == (
        JobState.STOPPED, BATCH, "its runner was ended",
    )  # fmt: skip


def test_a_job_does_not_begin_beside_another_and_leaves_nothing_behind(desk: Desk) -> None:
    desk.hear("life-2")
    desk.write(order(name="j2", runner="life-2"))
    with pytest.raises(JobRefused, match="jobs stop j2"):
        desk.run(order())
    assert desk.jobs.get("j1") is None


def test_of_two_that_begin_at_once_never_both_run(desk: Desk) -> None:
    def other_begins() -> None:
        desk.hear("life-2")
        desk.write(order(name="j2", runner="life-2"))

    desk.between = other_begins
    before = order(state=JobState.STOPPED, ended=7)
    desk.write(before)
    with pytest.raises(JobRefused, match="one at a time"):
        desk.run(order())
    assert desk.jobs.get("j1") == before
    assert desk.asked == []


def test_a_job_whose_runner_died_is_interrupted_and_in_nobodys_way(desk: Desk) -> None:
    dead = order(name="j2", runner="killed")
    desk.write(dead)
    assert desk.jobs.state(dead) == "interrupted"
    assert desk.run(order()).state is JobState.DONE
    assert [job.name for job in desk.jobs.all()] == ["j2", "j1"]


def test_a_silent_runner_is_dead_after_five_seconds(desk: Desk) -> None:
    assert desk.jobs.live == {"life-1"}
    view = desk.controls.view
    view.apply([Update("observer/life-3", b"{}", view.position, view.broker_time + 6)])
    assert desk.jobs.live == {"life-3"}


def test_only_a_running_job_is_stopped(desk: Desk) -> None:
    with pytest.raises(JobRefused, match="unknown"):
        asyncio.run(desk.jobs.stop("j1", reason="x", by="bob"))
    desk.write(order(state=JobState.DONE))
    with pytest.raises(JobRefused, match="done"):
        asyncio.run(desk.jobs.stop("j1", reason="x", by="bob"))


def test_a_job_that_is_told_to_stop_is_waited_for(desk: Desk) -> None:
    desk.write(order())

    def ends() -> None:
        desk.write(order(state=JobState.STOPPED, ended=3))

    desk.between = ends
    assert asyncio.run(desk.jobs.stop("j1", reason="x", by="bob")).ended == 3
    assert desk.jobs.word("j1") == "bob: x"


def test_a_job_is_stopped_over_http_by_whoever_the_token_names(desk: Desk) -> None:
    desk.write(order())

    def ends() -> None:
        desk.write(order(state=JobState.STOPPED, ended=3))

    desk.between = ends
    said = asyncio.run(JobStop(name="j1", reason="x").carry_out(desk.operator, "bob"))
    assert (said["state"], said["ended"]) == ("stopped", 3)
    assert desk.jobs.word("j1") == "bob: x"
    assert [each["name"] for each in desk.jobs.described()] == ["j1"]


def test_jobs_move_no_epoch_and_are_swept_when_nobody_looks_for_them_any_more(desk: Desk) -> None:
    epoch = desk.control.epoch
    desk.write(order())
    desk.say_stop()
    assert desk.control.epoch == epoch
    assert desk.control.swept() == []
    view = desk.controls.view
    view.apply([Update("observer/new", b"{}", view.position, view.broker_time + JOBS_KEPT + 1)])
    assert {"job/j1", f"{JOB_STOP_PREFIX}j1"} <= set(desk.control.swept())
