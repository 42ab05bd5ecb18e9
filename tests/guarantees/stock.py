"""Stock Faust, as its guide has it: one app, one agent of a few lines, chosen by ``SCENE``.

`python -m tests.guarantees.stock worker --without-web`; the settings that differ from the
defaults make a test shorter (session, commit interval) or are the scene's own (`STOCK_*`).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import faust

from tests.guarantees.steps import Steps, end_with_the_test

NAME = os.environ["NAME"]
PARTITIONS = int(os.environ.get("PARTITIONS", "1"))
steps = Steps.from_environment()
app = faust.App(
    NAME,
    broker=f"kafka://{os.environ['BOOTSTRAP']}",
    datadir=os.environ["DATA"],
    topic_partitions=PARTITIONS,
    broker_session_timeout=6.0,
    broker_heartbeat_interval=2.0,
    broker_commit_interval=0.5,
    **json.loads(os.environ.get("SETTINGS", "{}")),
)
raw = {"key_serializer": "raw", "value_serializer": "raw"}
source = app.topic(f"{NAME}-source", **raw)
other = app.topic(f"{NAME}-other", **raw)
documents = app.topic(f"{NAME}-source", key_serializer="raw", value_serializer="json")
out = app.topic(f"{NAME}-out", **raw)


async def send(key: bytes | None, value: bytes) -> None:
    await (await out.send(key=key, value=value))  # the second await is the broker's answer


def forward(topic: Any, *, concurrency: int = 1) -> None:
    async def run(stream: Any) -> None:
        async for event in stream.events():
            ident = event.value.decode()
            steps.note("began", ident)
            await steps.reach(f"in-{ident}")
            await send(event.key, event.value)
            steps.note("ended", ident)

    app.agent(topic, name=f"forward-{topic}", concurrency=concurrency)(run)


def dedup() -> None:
    """Drops by presence, the usual way."""
    seen = app.Table("seen", default=bool, partitions=PARTITIONS)

    async def run(stream: Any) -> None:
        async for event in stream.events():
            ident = event.value.decode()
            if ident in seen:
                continue
            seen[ident] = True
            steps.now(f"put-{ident}")
            await steps.reach(f"marked-{ident}")
            await send(event.key, event.value)

    app.agent(source)(run)


def remember() -> None:
    """Writes a table and forwards; drops nothing."""
    seen = app.Table("seen", default=bool, partitions=PARTITIONS)

    async def run(stream: Any) -> None:
        async for event in stream.events():
            ident = event.value.decode()
            seen[ident] = True
            await asyncio.sleep(0.02)  # the work
            await send(event.key, event.value)

    app.agent(source)(run)


def put() -> None:
    """Writes a table, nothing else."""
    seen = app.Table("seen", default=bool, partitions=PARTITIONS)

    async def run(stream: Any) -> None:
        async for event in stream.events():
            seen[event.value.decode()] = True

    app.agent(source)(run)


def take() -> None:
    seen = app.Table("seen", default=bool, partitions=PARTITIONS)

    async def run(stream: Any) -> None:
        async for values in stream.take(10, within=1):
            for value in values:
                seen[value.decode()] = True
                await send(None, value)

    app.agent(source)(run)


def parse() -> None:
    async def run(stream: Any) -> None:
        async for event in stream.events():
            ident = event.value["id"]
            await steps.reach(f"in-{ident}")
            await send(event.key, ident.encode())

    app.agent(documents)(run)


def two() -> None:
    forward(source)
    forward(other)


SCENES: dict[str, Callable[[], None]] = {
    "forward": lambda: forward(source),
    "concurrent": lambda: forward(source, concurrency=2),
    "two": two,
    "parse": parse,
    "dedup": dedup,
    "remember": remember,
    "put": put,
    "take": take,
}

if __name__ == "__main__":
    end_with_the_test()
    SCENES[os.environ["SCENE"]]()
    app.main()
