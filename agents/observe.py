"""audit.recorded -> windows of ten seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.domain.events import Audit, UnreadableValue
from pipeline.stream.batch import Batch
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Outgoing
from pipeline.stream.transact import Effects, transact
from tables.windows import WindowsTable


def attach_observe(stage: Stage, *, now: Callable[[], float], on_crash: Crash) -> Any:
    """Adds the agent to the stage's app and returns it."""
    windows = WindowsTable(stage.table)
    # Without an audit record of its own: the trail must not write about its own unreadable parts.
    letters = DeadLetters(
        stage.producer,
        lambda record, reason: [
            dead_letter(record, stage="observe", reason=reason, failed_at=now())
        ],
    )
    decide = functools.partial(fold_batch, windows=windows, now=now)

    @stage.app.agent(stage.app.batches(topics.AUDIT.name), name="observe")  # type: ignore[untyped-decorator]
    async def observe(batches: Any) -> None:
        """Folds the audit trail into tumbling windows, each record once."""
        await transact(
            batches,
            decide,
            table=stage.table,
            producer=stage.producer,
            on_crash=on_crash,
            letters=letters,
        )

    return observe


def fold_batch(batch: Batch, *, windows: WindowsTable, now: Callable[[], float]) -> Effects:
    """The windows that one batch changes; an unreadable record goes to the dead letters."""
    audits: list[tuple[float, int, Audit]] = []
    letters: list[Outgoing] = []
    for record in batch.records:
        try:
            audits.append((record.timestamp / 1000, record.offset, Audit.parse(record.value)))
        except UnreadableValue as error:
            letters.append(
                dead_letter(record, stage="observe", reason=error.reason, failed_at=now())
            )
    telemetry.finished("observe", len(batch.records))
    return Effects(windows.fold(batch.partition, audits), letters)
