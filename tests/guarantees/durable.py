"""Workers of a few lines on `pipeline.stream`, chosen by ``SCENE``.

`python -m tests.guarantees.durable`; composed as a stage of the product is, from the environment.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.stream import admin
from pipeline.stream.app import DurableApp
from pipeline.stream.batch import Assignment, Batch, Record
from pipeline.stream.changelog import Changelogs
from pipeline.stream.dead_letter import dead_letter
from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH, crash
from pipeline.stream.lanes import lanes
from pipeline.stream.producer import Changes, Outgoing, Producer, Sender
from pipeline.stream.table import DurableTable
from pipeline.stream.transact import Decide, Effects, transact
from tests.guarantees.steps import Steps, end_with_the_test

BOOTSTRAP = os.environ["BOOTSTRAP"]
NAME = os.environ["NAME"]
PARTITIONS = int(os.environ.get("PARTITIONS", "1"))
SOURCE, OTHER, OUT = f"{NAME}-source", f"{NAME}-other", f"{NAME}-out"
CHANGELOG = f"{NAME}-seen-changelog"


@dataclass(frozen=True)
class Plan:
    """A topic that the worker needs."""

    name: str
    partitions: int = PARTITIONS
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


class SteppedProducer:
    """The layer's producer with a step before, between and after table rows and outputs."""

    def __init__(self, inner: Producer, steps: Steps) -> None:
        self._inner = inner
        self._steps = steps

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        await self._steps.reach("begun")
        offset = await self._inner.send((), changes)
        await self._steps.reach("marked")
        await self._inner.send(records)
        await self._steps.reach("acked")
        return offset

    async def close(self) -> None:
        await self._inner.close()


@dataclass(frozen=True)
class Worker:
    """What a scene is attached to."""

    app: DurableApp
    table: DurableTable
    producer: Sender
    steps: Steps

    def lanes(
        self, topic: str, work: Callable[[Record, Assignment], Awaitable[None]], limit: int = 8
    ) -> None:
        async def run(batches: Any) -> None:
            await lanes(batches, work, limit=limit, on_crash=crash)

        self.app.agent(self.app.batches(topic), name=f"lanes-{topic}")(run)

    def transact(self, decide: Decide) -> None:
        async def run(batches: Any) -> None:
            await transact(
                batches, decide, table=self.table, producer=self.producer, on_crash=crash
            )

        self.app.agent(self.app.batches(SOURCE), name="transact")(run)


def passed(record: Record) -> Outgoing:
    """The record for the output topic, with the place it came from."""
    origin = f"{record.partition}:{record.offset}".encode()
    return Outgoing(OUT, record.key, record.value, [("origin", origin)])


def forward(worker: Worker, topic: str = SOURCE) -> None:
    async def work(record: Record, _: Assignment) -> None:
        ident = (record.value or b"").decode()
        worker.steps.note("began", ident)
        await worker.steps.reach(f"in-{ident}")
        await worker.producer.send([passed(record)])
        worker.steps.note("ended", ident)

    worker.lanes(topic, work)


def two(worker: Worker) -> None:
    # Two workers may get the same partition number of two sources, and with it the same rows.
    worker.app.durable.clear()
    forward(worker, SOURCE)
    forward(worker, OTHER)


def parse(worker: Worker) -> None:
    async def work(record: Record, _: Assignment) -> None:
        try:
            ident = json.loads(record.value or b"")["id"]
        except ValueError:
            letter = dead_letter(record, stage="parse", reason="not_json", failed_at=time.time())
            await worker.producer.send([letter])
            return
        await worker.steps.reach(f"in-{ident}")
        await worker.producer.send([Outgoing(OUT, record.key, ident.encode())])

    worker.lanes(SOURCE, work)


def dedup(worker: Worker) -> None:
    """A mark holds the place of the record that won: presence alone decides nothing."""

    def decide(batch: Batch) -> Effects:
        ids = [record.value or b"" for record in batch.records]
        known = dict(zip(ids, worker.table.get_many(batch.partition, ids), strict=True))
        puts: dict[bytes, bytes | None] = {}
        outputs = []
        for ident, record in zip(ids, batch.records, strict=True):
            here = f"{record.partition}:{record.offset}".encode()
            if known[ident] in (None, here):
                puts[ident] = known[ident] = here
                outputs.append(passed(record))
        return Effects(puts, outputs)

    worker.transact(decide)


def count(worker: Worker) -> None:
    """Counts the records of each key; the row tells the last one, so none counts twice."""

    async def decide(batch: Batch) -> Effects:
        keys = [record.key or b"" for record in batch.records]
        rows = dict(zip(keys, worker.table.get_many(batch.partition, keys), strict=True))
        for key, record in zip(keys, batch.records, strict=True):
            counted, last = (int(each) for each in (rows[key] or b"0:-1").split(b":"))
            if record.offset > last:
                rows[key] = f"{counted + 1}:{record.offset}".encode()
        await worker.steps.reach(f"decided-{worker.steps.worker}")
        return Effects(rows)

    worker.transact(decide)


SCENES: dict[str, Callable[[Worker], None]] = {
    "count": count,
    "forward": forward,
    "two": two,
    "parse": parse,
    "dedup": dedup,
}


def make_worker(steps: Steps) -> Worker:
    folder = Path(os.environ["DATA"])
    instance = os.environ.get("INSTANCE")
    app = DurableApp(NAME, bootstrap_servers=BOOTSTRAP, folder=folder, group_instance_id=instance)
    table = DurableTable(
        "seen",
        changelog=CHANGELOG,
        folder=folder,
        open_changelog=Changelogs(BOOTSTRAP, group=NAME, source=SOURCE).open,
        on_failure=functools.partial(crash, "table"),
    )
    app.durable.append(table)
    linger = float(os.environ.get("LINGER", "0"))
    producer = Producer(
        BOOTSTRAP,
        client_id=NAME,
        linger=linger,
        fence=app.stalls.look,
        on_fatal=lambda code: crash("producer", code=code),
    )
    return Worker(app, table, SteppedProducer(producer, steps), steps)


async def run(scene: str) -> int:
    """Runs until SIGTERM; the exit code."""
    needed = [Plan(name) for name in (SOURCE, OUT, CHANGELOG)]
    if mismatches := await asyncio.to_thread(admin.check, BOOTSTRAP, needed):
        sys.stderr.write("\n".join(map(str, mismatches)) + "\n")
        return EXIT_CONFIG
    worker = make_worker(Steps.from_environment())
    SCENES[scene](worker)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.app.start()
    while not stop.is_set():
        if worker.app.crashed or worker.app.should_stop:
            return EXIT_CRASH
        await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=0.2)
    await worker.app.stop()
    await worker.producer.close()
    await worker.table.close()
    return 0


if __name__ == "__main__":
    end_with_the_test()
    logging.basicConfig(level=logging.WARNING)
    sys.exit(asyncio.run(run(os.environ["SCENE"])))
