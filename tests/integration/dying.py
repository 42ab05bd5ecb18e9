"""Processes that kill themselves with kill -9 at one exact step of parking.

python -m tests.integration.dying act|classify WHEN      before, row, record or after
python -m tests.integration.dying parking BOOTSTRAP GROUP SOURCE TOPIC...
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

import agents.__main__ as stage
import pipeline.app
from pipeline.stream.batch import Record
from pipeline.stream.parking import Scheduler
from pipeline.stream.producer import Changes, Outgoing, Producer


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class DyingInStage(Producer):
    """Dies around the step that makes the row and the parked record durable."""

    when = "before"

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        if not any(".actions.parked-" in record.topic for record in records):
            return await super().send(records, changes)
        match self.when:
            case "row":
                await super().send([], changes)
            case "record":
                await super().send(records)
            case "after":
                await super().send(records, changes)
        die()


class DyingInParking(Producer):
    """Dies when what was brought back is acknowledged, before that is committed."""

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        await super().send(records, changes)
        die()


def never(record: Record) -> NoReturn:
    raise AssertionError(record)


async def bring_back(bootstrap: str, group: str, source: str, topics: Sequence[str]) -> None:
    sender = DyingInParking(bootstrap, client_id="dying")
    await Scheduler(
        bootstrap, topics, group=group, back_to=[source], letter=never, sender=sender,
        now=time.time,
    ).run()  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] in {"act", "classify"}:
        DyingInStage.when = sys.argv[2]
        vars(pipeline.app)["Producer"] = DyingInStage
        sys.exit(stage.main([sys.argv[1]]))
    asyncio.run(bring_back(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]))
