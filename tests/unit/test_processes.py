"""Children are stopped in the order in which they may need each other, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from console.processes import Supervisor

CHILD = """
import pathlib, signal, sys, time
me, others = pathlib.Path(sys.argv[1]), [pathlib.Path(each) for each in sys.argv[2:]]

def stop(*_):
    me.touch()
    while not all(each.exists() for each in others):
        time.sleep(0.01)
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
print('{"ready": true}', flush=True)
while True:
    time.sleep(60)
"""


def child(folder: Path, name: str, *waits_for: str) -> list[str]:
    """Ends when it and those it waits for have been told to stop."""
    return [sys.executable, "-I", "-c", CHILD, *(str(folder / each) for each in (name, *waits_for))]


def supervisor(folder: Path) -> Supervisor:
    def fail(text: str) -> None:
        raise AssertionError(text)

    return Supervisor(folder / "log", on_failure=fail)


async def given(children: Supervisor, name: str, command: list[str]) -> asyncio.subprocess.Process:
    one = await children.start(name, command, dict(os.environ))
    assert one.process is not None
    return one.process


def test_who_started_together_stops_together_and_before_what_they_stand_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        children = supervisor(tmp_path)
        # Told before the others have gone, it would wait for ever for one that comes after it.
        first = await given(children, "broker", child(tmp_path, "broker", "left", "right"))
        two = await asyncio.gather(
            given(children, "left", child(tmp_path, "left", "right")),
            given(children, "right", child(tmp_path, "right", "left")),
        )
        broker = tmp_path / "broker"
        stopping = asyncio.create_task(children.stop())
        while not (tmp_path / "left").exists():
            assert not broker.exists()
            await asyncio.sleep(0)
        await asyncio.wait_for(stopping, 30)
        assert broker.exists()
        assert [one.returncode for one in (first, *two)] == [0, 0, 0]

    asyncio.run(scenario())


def test_who_asks_for_the_second_time_does_not_wait_and_leaves_nobody_behind(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        children = supervisor(tmp_path)
        both = [await given(children, name, child(tmp_path, name, "never")) for name in ("a", "b")]
        stopping = asyncio.create_task(children.stop())
        while not (tmp_path / "b").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait([stopping], timeout=30)
        assert stopping.cancelled()
        assert [one.returncode for one in both] == [-signal.SIGKILL, -signal.SIGKILL]

    asyncio.run(scenario())
