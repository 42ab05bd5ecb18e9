"""Bulk work as named jobs: what was ordered, how far it is, and whether it may go on.

Two keys a job, each with one writer: its record, by whoever runs it, and the word to stop it, by
whoever says so. In one record an operator's word and the runner's progress would undo each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from pydantic import Field

from pipeline.domain.events import Message
from pipeline.domain.modes import Mode


class JobState(StrEnum):
    """Where a job stands, as its runner has last said."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class JobRecord(Message):
    """One job. A second run of the same order takes only what is left of it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    kind: str
    """What carries it out."""
    what: dict[str, str | float | None]
    """What was meant when it was ordered."""
    by: str
    began: float
    """Unix seconds of its order: what came to be after it is not meant."""
    at: float
    """Unix seconds of this record."""
    runner: str
    """The life of the process that runs it."""
    state: JobState = JobState.RUNNING
    why: str | None = None
    """Why it was stopped."""
    total: int = 0
    """Items, those of earlier runs included."""
    ended: int = 0
    """Items that have their answer."""
    executed: int = 0
    """Items of these that were carried out."""

    def advanced(self, answers: Mapping[str, bool], *, at: float) -> JobRecord:
        """The record after a batch: item -> whether it was carried out."""
        return self.model_copy(
            update={
                "ended": self.ended + len(answers),
                "executed": self.executed + sum(answers.values()),
                "at": at,
            }
        )

    def ended_as(self, why: str | None, *, at: float) -> JobRecord:
        """The record at the end of a run: stopped for a reason, or done."""
        state = JobState.DONE if why is None else JobState.STOPPED
        return self.model_copy(update={"state": state, "why": why, "at": at})


def is_running(job: JobRecord, live: Collection[str]) -> bool:
    """Whether somebody works on it: a runner that died says nothing more. `live`: lives heard of."""
    return job.state is JobState.RUNNING and job.runner in live


def in_the_way(jobs: Iterable[JobRecord], runner: str, live: Collection[str]) -> JobRecord | None:
    """A job of another runner that is running; one at a time."""
    others = (job for job in jobs if job.runner != runner and is_running(job, live))
    return next(others, None)


def why_stop(mode: Mode, word: str | None) -> str | None:
    """Why a job may not go on now; None = it may.

    Args:
        mode: the global one, `Mode.STOP` when nothing is known.
        word: what was said to stop it, if anything was.
    """
    if mode is Mode.STOP:
        return "the mode is stop"
    return word
