"""Faust's consumer, handing out whole partition runs and committing only the watermark.

What changes against stock Faust, and why:

* The drain loop hands a fetched run of one partition to the agent as one message: no task, queue
  entry, codec call or sensor per record.
* A partition whose handler is behind is left out of the next fetch; its records stay with the
  fetcher and every other partition goes on. Stock Faust has one loop that a full queue blocks.
* Acks are ignored. Stock Faust acks when a loop body ends, be it by success, error or
  cancellation; here only `Assignment.finish` moves what may be committed.
* Positions are ours: a run that was fetched and then dropped (a rebalance, a seek) is noticed as
  a hole and fetched again, instead of being counted as done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.stream.batch import Assignment, Batch, Record

log = logging.getLogger(__name__)

REVOKE_PATIENCE = 25.0
"""Seconds that running work gets at a rebalance; below the group's rebalance timeout of 60 s."""

_POLL = 1.0
_POLL_WHILE_FULL = 0.02


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """See the module's text. Set on the app through `BatchTransport`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._assignments: dict[TP, Assignment] = {}
        self._room = asyncio.Event()

    # -- assignment ---------------------------------------------------------------------------

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begins a new assignment per partition; positions follow with the first seek."""
        self._assignments = {tp: self._assign(tp, generation_id) for tp in assigned}
        self._room.set()
        self.app.on_stream_assigned({tp.partition for tp in assigned})
        await super().on_partitions_assigned(assigned, generation_id)

    def _assign(self, tp: TP, generation: int) -> Assignment:
        assignment = Assignment(tp.topic, tp.partition, generation, None)
        assignment.on_progress = self._room.set
        return assignment

    async def perform_seek(self) -> None:
        """Seeks every partition to where we read next: at first the committed offset."""
        fresh = [tp for tp, mine in self._assignments.items() if mine.position is None]
        if fresh:
            await self._learn_positions(fresh)
        positions = {
            tp: mine.position for tp, mine in self._assignments.items() if mine.position is not None
        }
        if positions:
            await self.seek_wait(positions)

    async def _learn_positions(self, fresh: Sequence[TP]) -> None:
        committed: Mapping[TP, int | None] = await self.seek_to_committed()
        # Without a commit the earliest offset must be known as a number: only then is a run that
        # got lost before the first commit seen as a hole.
        earliest = await self.earliest_offsets(*fresh)
        for tp in fresh:
            offset = committed.get(tp)
            known = offset is not None and offset >= 0
            self._assignments[tp].position = offset if known else earliest[tp]
            self._committed_offset[tp] = offset if known else None

    async def wait_empty(self) -> None:
        """Ends the current assignments: waits for running work, commits, gives up.

        Queued work is skipped by its handlers from here on (`Batch.is_current` is False).
        """
        for mine in self._assignments.values():
            mine.end()
        waiting = [asyncio.ensure_future(mine.wait_idle()) for mine in self._assignments.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=REVOKE_PATIENCE)
            for task in late:
                task.cancel()
            if late:
                log.warning(
                    "work outlasts the rebalance", extra={"fields": {"partitions": len(late)}}
                )
        await self.commit()

    # -- commit -------------------------------------------------------------------------------

    def ack(self, message: Any) -> bool:
        """Faust's ack at the end of a loop body says nothing about durability: ignored."""
        message.acked = True
        self._unacked_messages.discard(message)
        return False

    def _filter_tps_with_pending_acks(self, *_: Any) -> Iterator[TP]:
        return iter(list(self._assignments))

    def _new_offset(self, tp: TP) -> int | None:
        mine = self._assignments.get(tp)
        return mine.watermark.position if mine is not None else None

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's own livelock log reads sensors that batches do not feed; not used."""

    # -- fetch --------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._hand_out(await self._fetch())
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _fetch(self) -> Mapping[TP, Sequence[Record]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        if self.app.gather:
            await self.sleep(self.app.gather)
        full = {tp for tp, mine in self._assignments.items() if mine.is_full}
        # A copy: the set lives on in the consumer's thread, and an empty one means "all" there.
        wanted = set(self._get_active_partitions()) - full
        if not wanted:
            self._room.clear()
            await self.wait_first(self._room.wait(), timeout=_POLL)
            return {}
        records: Mapping[TP, Sequence[Record]] = await self._getmany(
            wanted, _POLL_WHILE_FULL if full else _POLL
        )
        await asyncio.sleep(0)
        return records or {}

    async def _hand_out(self, fetched: Mapping[TP, Sequence[Record]]) -> None:
        for key, records in fetched.items():
            tp = TP(key.topic, key.partition)
            mine = self._assignments.get(tp)
            if mine is None or not mine.is_current or not self.flow_active:
                # The generation that takes over starts at the committed offset and sees it again.
                continue
            fresh = mine.take(records)
            if not fresh:
                if mine.has_gap and mine.position is not None:
                    await self.seek_wait({tp: mine.position})
                continue
            message = self._to_message(tp, fresh[-1])
            message.value = Batch(fresh, mine)
            await self.wait_first(self.callback(message), self.suspend_flow.wait())


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with `BatchConsumer`."""

    Consumer = BatchConsumer
