"""The thread in which aiokafka's consumer lives: a fetch without detours, commits with a note."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


class BatchThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread of aiokafka's consumer, which can commit an offset with a note.

    Its loop is of the kind of the main one. With asyncio's own, each call from there writes to a
    socket, gives the GIL up for that and waits until this thread lets go of it again.
    """

    def __init__(
        self, consumer: driver.Consumer, *, loop: asyncio.AbstractEventLoop, **kwargs: Any
    ) -> None:
        super().__init__(consumer, loop=loop, thread_loop=type(loop)(), **kwargs)

    def _start_thread(self) -> None:
        try:
            super()._start_thread()
        finally:
            self.thread_loop.close()  # Mode closes only what it has made itself

    async def getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        """A fetch, straight into the thread's loop.

        Through Mode's queue of methods both loops turn several times more for each fetch.
        """
        fetch = self._fetch_records(
            self._ensure_consumer(),
            active_partitions,
            timeout=timeout,
            max_records=self.app.conf.broker_max_poll_records,
        )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch, self.thread_loop))

    async def notes(self, tps: Sequence[TP]) -> dict[TP, str]:
        """The note that each committed offset carries; without a commit it is empty.

        Over the connection that the consumer has: asked of an admin client, each rebalance would
        open one more.
        """
        found: dict[TP, str] = await self.call_thread(self._notes, tps)
        return found

    async def _notes(self, tps: Sequence[TP]) -> dict[TP, str]:
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001 - tells offsets alone
        wanted = {driver.ensure_aiokafka_TP(tp): tp for tp in tps}
        found = await coordinator.fetch_committed_offsets(list(wanted))
        return {wanted[tp]: committed.metadata for tp, committed in found.items()}

    async def note(self, notes: Mapping[TP, tuple[int, str]]) -> bool:
        """Commits offsets with their notes; False when the generation is over."""
        return bool(await self.call_thread(self._note, notes))

    def note_now(self, notes: Mapping[TP, tuple[int, str]]) -> Future[bool]:
        """`note` without the app's loop, which may be about to end."""
        return asyncio.run_coroutine_threadsafe(self._note(notes), self.thread_loop)

    async def _note(self, notes: Mapping[TP, tuple[int, str]]) -> bool:
        if not notes.keys() <= self.assignment():
            return False
        offsets = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, text)
            for tp, (offset, text) in notes.items()
        }
        try:
            await self._ensure_consumer().commit(offsets)
        except (CommitFailedError, IllegalStateError):
            return False
        return True
