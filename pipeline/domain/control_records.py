"""What else stands on the control topic: gates, switches, flags and the processes that follow it.

mode/<scope>/<hold>     ModeRecord (`pipeline.domain.modes`)
gate/<vendor>           GateRecord
template/<id>           SwitchRecord: a template that is off is never sent
shed/<what>             SwitchRecord: an optional kind of call that is left out while on
process/<name>/<life>   ProcessRecord of a process that must confirm changes
observer/<life>         ProcessRecord of one that only looks on, such as a command
job/<name>              JobRecord (`pipeline.domain.jobs`), written by its runner alone
job-stop/<name>         SwitchRecord: an operator's word to stop a job
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from pipeline.domain.events import Message

GATE_PREFIX = "gate/"
TEMPLATE_PREFIX = "template/"
SHED_PREFIX = "shed/"
PROCESS_PREFIX = "process/"
OBSERVER_PREFIX = "observer/"
JOB_PREFIX = "job/"
JOB_STOP_PREFIX = "job-stop/"
UNCONFIRMED = (PROCESS_PREFIX, OBSERVER_PREFIX, JOB_PREFIX, JOB_STOP_PREFIX)
"""Keys that change nothing which a process has to act on, so nobody confirms them."""


class GateRecord(Message):
    """A vendor that nobody calls before `closed_until`, unix seconds."""

    closed_until: float
    by: str
    reason: str


class SwitchRecord(Message):
    """Something that is on or off."""

    on: bool
    by: str
    reason: str
    at: float


class ProcessRecord(Message):
    """A sign of life of one process, written every second."""

    name: str
    """Kind and instance, e.g. ``act-0``."""
    confirmed: int
    """The epoch (offset of a change on the control topic) that it has applied, with everything
    that it began under an earlier one ended; -1 before the first."""
    silent_after: float
    """Seconds of silence after which it certainly does nothing any more: its state has gone stale
    and its longest call is over."""
    version: str = ""
    """Of the code that it runs."""
    url: str = ""
    """Where its HTTP side listens; empty where it has none."""
    read: dict[int, int] = Field(default_factory=dict)
    """Partition of its source -> the next offset that it will hand out."""
    budgets: dict[str, float] = Field(default_factory=dict)
    """Setting -> value of each vendor's budget that it works by, where it calls vendors."""
    in_line: int = 0
    """Calls that wait for their turn at a vendor's gate: for budget, or for it to open."""


@dataclass(frozen=True)
class Heard:
    """A process's last sign of life; `at` is seconds by the broker's clock, with its steps or not."""

    record: ProcessRecord
    at: float

    def is_live(self, now: float) -> bool:
        """Whether it may still be doing something at `now`, by the clock of `at`."""
        return now - self.at <= self.record.silent_after


def unconfirmed(heard: Iterable[Heard], epoch: int, *, now: float) -> list[str]:
    """Names of the live processes that have not confirmed `epoch`, sorted."""
    return sorted(
        each.record.name for each in heard if each.is_live(now) and each.record.confirmed < epoch
    )
