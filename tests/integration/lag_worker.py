"""`python -m tests.integration.lag_worker STAGE`: a stage's place in its group, and a bad worker in it.

A record `hang` never comes to its end; a record `kill` ends the process as the out-of-memory
killer would; every other one is finished.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import agents.__main__ as stages
from pipeline import topics
from pipeline.app import make_stage
from pipeline.settings import Settings

TABLES = {"dedup": "seen", "classify": "decisions", "act": "ledger"}


def build(name: str, settings: Settings) -> Any:
    stage = make_stage(name, TABLES[name], settings)

    @stage.app.agent(stage.app.batches(topics.STAGE_SOURCES[name].name), name=name)  # type: ignore[untyped-decorator]
    async def work(batches: Any) -> None:
        async for batch in batches:
            for each in batch.one_by_one():
                if each.records[0].value == b"kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if each.records[0].value == b"hang":
                    await asyncio.Event().wait()
                each.finish()

    return stage, {}


if __name__ == "__main__":
    which = sys.argv[1]
    stages.BUILDERS[which] = lambda settings: build(which, settings)
    sys.exit(stages.main([which]))
