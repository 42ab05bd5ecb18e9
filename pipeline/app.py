"""The composition of a stage: its Faust app, its durable table, its producer."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from pipeline import telemetry, topics
from pipeline.brokers import brokers
from pipeline.control import Control, follow
from pipeline.measured import Reports
from pipeline.mending import mended
from pipeline.settings import Settings
from pipeline.stream.app import DurableApp
from pipeline.stream.batch import Assignment
from pipeline.stream.changelog import Changelogs
from pipeline.stream.control import Follower
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.guard import crash
from pipeline.stream.metrics import StreamCollector
from pipeline.stream.producer import Producer, Sender
from pipeline.stream.restore import Progress, log_progress
from pipeline.stream.table import DurableTable


class Alongside(Protocol):
    """Runs beside an agent."""

    async def start(self) -> None:
        """Begins."""
        ...

    async def stop(self) -> None:
        """Ends."""
        ...


@dataclass(frozen=True)
class Stage:
    """What an agent is attached to."""

    name: str
    app: DurableApp
    table: DurableTable
    producer: Sender
    control: Control
    follower: Follower
    """What feeds `control`; runs from before the first record until after the last."""
    alongside: list[Alongside] = field(default_factory=list)
    """What else runs as long as the stage does; added by whoever attaches the agent."""


def make_stage(
    name: str,
    table: str,
    settings: Settings,
    *,
    retention: float | None = None,
    gather: float = 0.0,
    longest_call: float = 0.0,
) -> Stage:
    """Builds the stage `name`; call it inside the event loop that will run it.

    `retention` is how many seconds a row of the table is kept, None for ever.
    `longest_call` is how many seconds a call that a mode allowed may last.
    App ids, table names and topics are state: renaming one loses what is stored under it.
    """
    folder = settings.data_dir / "tables" / f"{name}-{settings.instance}"
    folder.mkdir(parents=True, exist_ok=True)
    app = DurableApp(
        f"switchboard-{name}",
        bootstrap_servers=brokers(settings),
        folder=folder,
        gather=gather,
        on_crash=functools.partial(crash, told=mended),
        group_instance_id=f"{name}-{settings.instance}" if settings.static_membership else None,
    )
    telemetry.REGISTRY.register(
        StreamCollector(telemetry.PREFIX, lambda: app.assignments, monotonic=time.monotonic)
    )
    durable = DurableTable(
        table,
        changelog=topics.STAGE_CHANGELOGS[name].name,
        folder=folder,
        open_changelog=Changelogs(
            brokers(settings),
            group=f"switchboard-{name}",
            source=topics.STAGE_SOURCES[name].name,
        ).open,
        retention=retention,
        on_progress=_tell,
        on_failure=functools.partial(app.end, "table"),
    )
    app.durable.append(durable)
    producer = Producer(
        brokers(settings),
        client_id=f"switchboard-{name}-{settings.instance}",
        fence=app.stalls.look,
        on_fatal=lambda code: app.end("producer", DeliveryError(code, Failure.FATAL)),
    )
    life = uuid.uuid4().hex
    control, follower = follow(
        brokers(settings),
        producer,
        name=f"{name}-{settings.instance}",
        life=life,
        longest_call=longest_call,
        monotonic=time.monotonic,
        on_crash=app.end,
    )
    control.read = lambda: _positions(app.assignments.values())
    if longest_call:
        control.budgets = settings.budgets
    reports = Reports(producer, stage=name, life=life, now=time.time)
    return Stage(name, app, durable, producer, control, follower, [reports])


def _positions(assignments: Iterable[Assignment]) -> dict[int, int]:
    """Partition -> the next offset to hand out, of those that know it."""
    return {mine.partition: mine.position for mine in assignments if mine.position is not None}


def _tell(progress: Progress) -> None:
    telemetry.RESTORE_LEFT.labels(progress.table, str(progress.partition)).set(
        progress.end - progress.position
    )
    log_progress(progress)
