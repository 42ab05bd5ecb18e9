"""An environment for as long as a `with` lasts: Ctrl-C ends it as its end does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import shutil
import signal
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from console.environment import Environment, Setup, Urls
from console.processes import ProcessError

LOCK = "dev.lock"


class RunError(Exception):
    """An environment cannot start or go on; the text says why and what to do."""


@contextlib.contextmanager
def exclusive(folder: Path) -> Any:
    """Holds the folder, so that two `dev` never share data or ports."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"one already runs in {folder}: stop it with Ctrl-C, or run beside it with --folder OTHER"
            ) from None
        yield


def run_interruptible(work: Coroutine[Any, Any, int]) -> int:
    """Runs `work`; Ctrl-C and SIGTERM cancel it, and its clean-up still ends every child."""

    async def guarded() -> int:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 130

    return asyncio.run(guarded())


def empty(folder: Path) -> None:
    """Deletes what an earlier run left; the lock of the run that is starting stays."""
    for each in folder.iterdir() if folder.exists() else ():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != LOCK:
            each.unlink()


@contextlib.asynccontextmanager
async def environment(
    folder: Path, console: Console, setup: Setup
) -> AsyncIterator[tuple[Environment, Urls, asyncio.Future[str]]]:
    """A running environment in an emptied folder, and a future that fails with its children.

    Raises:
        RunError: a part did not come up; the text names its log.
    """
    empty(folder)
    failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_failure(text: str) -> None:
        if not failed.done():
            failed.set_result(text)

    env = Environment(
        folder,
        setup,
        on_progress=lambda text: console.print(f"[dim]{text} ...[/]"),
        on_failure=on_failure,
    )
    try:
        try:
            urls = await env.start()
        except ProcessError as error:
            raise RunError(str(error)) from None
        yield env, urls, failed
    finally:
        console.print("[dim]stopping ...[/]")
        await asyncio.shield(env.stop())
