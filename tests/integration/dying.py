"""Processes that kill themselves with kill -9 at one exact step of parking.

python -m tests.integration.dying act|classify WHEN      before, record, row or after
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
from tables.parked import PREFIX


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class DyingInStage(Producer):
    """Dies around the two steps that make the parked record durable, and then its row."""

    when = "before"

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        if any(".actions.parked-" in record.topic for record in records):
            if self.when == "before":
                die()
            offset = await super().send(records, changes)
            if self.when == "record":
                die()
            return offset
        if changes is None or not any(key.startswith(PREFIX) for key in changes.rows):
            return await super().send(records, changes)
        # The row, with or without what tells of it.
        await super().send([] if self.when == "row" else records, changes)
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
