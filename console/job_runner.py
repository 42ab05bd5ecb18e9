"""Bulk work as named jobs: one at a time, in batches, stopped by a word or by the lever, resumed.

A job goes on only after its batch has its answers, so it is as fast as the stages and their vendors'
budgets are, and never more than one batch ahead of what customers write meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.operating import KNOWN_WITHIN, ControlLost, Operator
from pipeline.confirming import Detail, tell_logbook
from pipeline.domain.control_records import (
    JOB_PREFIX,
    JOB_STOP_PREFIX,
    OBSERVER_PREFIX,
    SwitchRecord,
)
from pipeline.domain.events import UnreadableValue
from pipeline.domain.jobs import JobRecord, JobState, in_the_way, is_running, why_stop
from pipeline.domain.modes import GLOBAL

BATCH = 10
"""Items that are under way at once."""
HEARD_WITHIN = 5.0
"""Seconds of silence after which a runner counts as dead."""

NO_ANSWER = "no answer yet: ./switchboard withheld list"

Answers = Mapping[str, str | None]
"""Item -> what came of it; None = no answer in time."""


class JobRefused(Exception):
    """A job may not begin, go on or be stopped; the text says why and what to do."""


@dataclass(frozen=True)
class Work:
    """One kind of job."""

    left: Callable[[JobRecord], Sequence[Any]]
    """What of the order is still to be done."""
    do: Callable[[Operator, JobRecord, Sequence[Any]], Awaitable[Answers]]
    """Carries out one batch and waits for its answers."""
    is_executed: Callable[[str], bool]
    """Whether an answer says that the item was carried out."""


def described(job: JobRecord, state: str) -> dict[str, Any]:
    """A job as JSON."""
    names = {"name", "kind", "what", "by", "began", "at", "total", "ended", "executed"}
    return {**job.model_dump(include=names), "state": state, "why": job.why or ""}


class Jobs:
    """The jobs that stand on the control topic."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._view = operator.control.view

    def all(self) -> list[JobRecord]:
        """Every job, oldest first; a record that cannot be read is none."""
        return sorted(self._readable(), key=lambda job: job.began)

    def _readable(self) -> Iterator[JobRecord]:
        for _, entry in self._view.items(JOB_PREFIX):
            with contextlib.suppress(UnreadableValue):
                yield JobRecord.parse(entry.value)

    def get(self, name: str) -> JobRecord | None:
        """The job of that name."""
        return next((job for job in self.all() if job.name == name), None)

    @property
    def live(self) -> set[str]:
        """Lives of the consoles that were heard of just now."""
        return {
            key.removeprefix(OBSERVER_PREFIX)
            for key, entry in self._view.items(OBSERVER_PREFIX)
            if self._view.broker_time - entry.at <= HEARD_WITHIN
        }

    def state(self, job: JobRecord) -> str:
        """Where it stands, for people; a job whose runner died is interrupted."""
        died = job.state is JobState.RUNNING and not is_running(job, self.live)
        return "interrupted" if died else job.state.value

    def described(self) -> list[dict[str, Any]]:
        """Every job as JSON, oldest first."""
        return [described(job, self.state(job)) for job in self.all()]

    def word(self, name: str) -> str | None:
        """What was said to stop a job, if anything was."""
        entry = self._view.get(JOB_STOP_PREFIX + name)
        if entry is None:
            return None
        try:
            said = SwitchRecord.parse(entry.value)
        except UnreadableValue:
            return "an unreadable record"
        return f"{said.by}: {said.reason}"

    async def put(self, job: JobRecord) -> None:
        """Makes a record durable and reads it back."""
        await self._write(JOB_PREFIX + job.name, job.to_bytes())

    async def stop(self, name: str, *, reason: str, by: str) -> JobRecord:
        """Says the word, and returns when its runner has stopped or is not heard of any more.

        Raises:
            JobRefused: there is no such job, or nobody runs it.
        """
        job = self.get(name)
        if job is None or not is_running(job, self.live):
            state = "unknown" if job is None else self.state(job)
            raise JobRefused(f"{name} is {state}, not running: ./switchboard jobs list")
        record = SwitchRecord(on=True, by=by, reason=reason, at=time.time())
        await self._write(JOB_STOP_PREFIX + name, record.to_bytes())
        await self._operator.follower.wait_until(lambda: not self._runs(name))
        return self.get(name) or job

    def _runs(self, name: str) -> bool:
        job = self.get(name)
        return job is not None and is_running(job, self.live)

    async def claim(self, job: JobRecord) -> None:
        """Makes `job` the one that runs.

        Whoever reads its own record back knows all that were written before, so of two that begin
        at once at least one sees the other: never both run, at worst neither does.

        Raises:
            JobRefused: another one is running.
        """
        before = self._view.get(JOB_PREFIX + job.name)
        self._refuse_beside_another(job)
        await self._write(JOB_STOP_PREFIX + job.name, None)
        await self.put(job)
        try:
            self._refuse_beside_another(job)
        except JobRefused:
            await self._write(JOB_PREFIX + job.name, None if before is None else before.value)
            raise

    def _refuse_beside_another(self, job: JobRecord) -> None:
        other = in_the_way(self.all(), job.runner, self.live)
        if other is not None:
            raise JobRefused(
                f"{other.name} of {other.by} is running, one at a time: wait, or "
                f"./switchboard jobs stop {other.name} --reason ..."
            )

    async def _write(self, key: str, value: bytes | None) -> None:
        offset = await self._operator.follower.put([(key, value)])
        try:
            async with asyncio.timeout(KNOWN_WITHIN):
                await self._operator.follower.wait_until(lambda: self._view.position > offset)
        except TimeoutError:
            raise ControlLost(f"{key} was not read back: ./switchboard jobs list") from None

    async def told(self, what: str, job: JobRecord) -> None:
        """Tells the logbook."""
        detail: Detail = {
            "job": job.name,
            "kind": job.kind,
            "by": job.by,
            "total": job.total,
            "ended": job.ended,
            "executed": job.executed,
        }
        await tell_logbook(
            self._operator.producer,
            f"job_{what}",
            id_=uuid.uuid4().hex,
            reason=job.why,
            detail=detail,
            at=job.at,
        )


async def run_job(
    operator: Operator, job: JobRecord, work: Work, *, say: Callable[[str, str], None]
) -> JobRecord:
    """Runs a job until it is done or stopped; `say` is told each item and its answer.

    Raises:
        JobRefused: another one is running.
    """
    jobs = Jobs(operator)
    await jobs.claim(job)
    items = await asyncio.to_thread(work.left, job)
    job = job.model_copy(update={"total": job.ended + len(items)})
    await jobs.put(job)
    await jobs.told("started", job)
    why: str | None = "its runner was ended"
    try:
        why = await _batches(operator, job, work, items, say)
    finally:
        # Also after Ctrl-C: what is not done stands as stopped, to be resumed.
        job = (jobs.get(job.name) or job).ended_as(why, at=time.time())
        await jobs.put(job)
        await jobs.told(job.state.value, job)
    return job


async def _batches(
    operator: Operator,
    job: JobRecord,
    work: Work,
    items: Sequence[Any],
    say: Callable[[str, str], None],
) -> str | None:
    """Why it was stopped, None when all is done."""
    jobs = Jobs(operator)
    for first in range(0, len(items), BATCH):
        why = why_stop(operator.control.own_mode(GLOBAL), jobs.word(job.name))
        if why is not None:
            return why
        answers = await work.do(operator, job, items[first : first + BATCH])
        known = {item: answer for item, answer in answers.items() if answer is not None}
        for item, answer in answers.items():
            say(item, answer or NO_ANSWER)
        executed = {item: work.is_executed(answer) for item, answer in known.items()}
        job = job.advanced(executed, at=time.time())
        await jobs.put(job)
        if len(known) < len(answers):
            return "no answer in time: does act run, is its vendor's gate open?"
    return None
