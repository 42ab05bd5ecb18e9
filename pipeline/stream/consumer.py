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
import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from pipeline.stream.attempts import Suspicion
from pipeline.stream.batch import Assignment, Batch, Record
from pipeline.stream.consumer_thread import BatchThread
from pipeline.stream.guard import TAKE_BACK
from pipeline.stream.watchdog import Sight

log = logging.getLogger(__name__)

REVOKE_PATIENCE = 25.0
"""Seconds that running work gets at a rebalance; below the group's rebalance timeout of 60 s."""

END_LOOKS = 6
END_PAUSE = 1.0
"""Seconds between two looks at a log that ends before what was committed of it."""

_POLL = 1.0
_POLL_SOON = 0.02
"""Seconds, while a partition is left out that may soon be wanted again."""


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """See the module's text. Set on the app through `BatchTransport`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._assignments: dict[TP, Assignment] = {}
        self._room = asyncio.Event()
        self._ends: dict[TP, int] = {}
        """Of each log at the last look."""
        self._asked: dict[TP, tuple[int, int]] = {}
        """What each partition was last asked for again: from our position up to the end then."""

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

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
        # Of all of them: the process ends for all, whichever met the trouble first.
        assignment.take_back = lambda: self._take_back(list(self._assignments))
        return assignment

    @property
    def assignments(self) -> Mapping[TP, Assignment]:
        """What this process holds now."""
        return self._assignments

    async def look(self) -> dict[TP, Sight]:
        """Every partition that is held, with the end of its log as the broker tells it now."""
        mine = {
            tp: one
            for tp, one in self._assignments.items()
            if one.reached is not None and self.app.is_open(tp.partition)
        }
        ends = self._ends = dict(await self.highwaters(*mine)) if mine else {}
        read = {tp for tp, one in mine.items() if await self._is_read(tp, one)}
        # Records in hand without a turn wait for the others of this process, and all wait for one
        # that stands alone: that is no standstill.
        is_idle = all(one.is_idle for one in mine.values())
        one_stands_alone = any(one.stands_alone for one in mine.values())
        return {
            tp: Sight(
                one.reached or 0,
                (one.reached or 0) if tp in read else ends[tp],
                is_idle if one.watermark.pending or one_stands_alone else one.is_idle,
            )
            for tp, one in mine.items()
        }

    async def ask_again(self, tp: TP) -> None:
        """Seeks to what we read next where something waits and none comes; once for each end.

        Either it was fetched and dropped, and comes now, or it is no record: see `_is_read`.
        """
        mine = self._assignments.get(tp)
        if mine is not None and mine.position is not None and tp in self._ends:
            asked = mine.position, self._ends[tp]
            if self._asked.get(tp) != asked:
                await self.seek_wait({tp: mine.position})
                self._asked[tp] = asked

    async def _is_read(self, tp: TP, mine: Assignment) -> bool:
        """Whether what is left up to the end are markers of transactions, which nobody handles.

        Asked for again, the fetcher has passed them and no record came.
        """
        end = self._ends.get(tp, 0)
        if (
            mine.rest
            or mine.position != mine.reached
            or self._asked.get(tp) != (mine.position, end)
        ):
            return False
        return int(await self.position(tp)) >= end and self._asked[tp] == (mine.position, end)

    async def perform_seek(self) -> None:
        """Seeks every partition to where we read next: at first the committed offset."""
        fresh = {tp: mine for tp, mine in self._assignments.items() if mine.position is None}
        if fresh:
            await self._learn_positions(fresh)
        positions = {
            tp: mine.position for tp, mine in self._assignments.items() if mine.position is not None
        }
        if positions:
            await self.seek_wait(positions)

    async def _learn_positions(self, fresh: Mapping[TP, Assignment]) -> None:
        committed: Mapping[TP, int | None] = await self.seek_to_committed()
        # Without a commit the earliest offset must be known as a number: only then is a run that
        # got lost before the first commit seen as a hole.
        earliest, ends, notes = await asyncio.gather(
            self.earliest_offsets(*fresh),
            self._ends_behind(committed, list(fresh)),
            self._thread.notes(list(fresh)),
        )
        for tp, mine in fresh.items():
            if self._assignments.get(tp) is not mine:
                continue  # the next rebalance came meanwhile, and asks for itself
            offset = committed.get(tp)
            if offset is not None and offset < 0:
                offset = None
            if offset is not None and offset < earliest[tp]:
                log.error(
                    "records were removed before they were read",
                    extra={"fields": {"topic": tp.topic, "partition": tp.partition,
                                      "records": earliest[tp] - offset}},
                )  # fmt: skip
            if offset is not None and offset > ends[tp]:
                # Made anew, or cut by a broker's loss. Whatever lies in it now may be unread, and
                # what comes next would be taken for what is behind us: all of it is read again.
                log.error(
                    "the log ends before what was committed of it: all that it holds is read again",
                    extra={"fields": {"topic": tp.topic, "partition": tp.partition,
                                      "committed": offset, "end": ends[tp]}},
                )  # fmt: skip
                offset = None
            mine.begin(
                earliest[tp] if offset is None else max(offset, earliest[tp]),
                Suspicion.parse(notes.get(tp)),
                end=ends[tp],
                now=time.monotonic(),
            )
            self._committed_offset[tp] = offset

    async def _ends_behind(
        self, committed: Mapping[TP, int | None], tps: Sequence[TP]
    ) -> Mapping[TP, int]:
        """The end of each log; asked for again where it lies before the commit.

        A new leader may tell less for a moment than the last one had confirmed.
        """
        for turn in range(END_LOOKS):
            ends: Mapping[TP, int] = await self.highwaters(*tps)
            if turn == END_LOOKS - 1 or all(ends[tp] >= (committed.get(tp) or 0) for tp in tps):
                break
            await self.sleep(END_PAUSE)
        return ends

    async def wait_empty(self) -> None:
        """Ends the current assignments: waits for running work, commits, gives up.

        Queued work is skipped by its handlers from here on (`Batch.is_current` is False).
        """
        ending = {tp: mine for tp, mine in self._assignments.items() if mine.is_current}
        for mine in ending.values():
            mine.end()
        waiting = [asyncio.ensure_future(mine.wait_idle()) for mine in ending.values()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=REVOKE_PATIENCE)
            for task in late:
                task.cancel()
            if late:
                log.warning(
                    "work outlasts the rebalance", extra={"fields": {"partitions": len(late)}}
                )
        await self.commit()
        await self._take_back(ending)

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

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # All in one request and in this step: a note that is read now and sent after another answer
        # could overwrite a newer one, and move its commit back.
        notes = {tp: (at, self._assignments[tp].note_at(at)) for tp, at in offsets.items()}
        return bool(await self._thread.note(notes))

    async def _take_back(self, tps: Iterable[TP]) -> None:
        """Commits again without the attempt of this assignment."""
        notes = self._taken_back(tps)
        if notes:
            await self._thread.note(notes)

    def take_back_now(self) -> None:
        """The same for all, before this step of the loop ends, so that nothing is written after it.

        Best effort: what cannot be said within `TAKE_BACK` seconds stays as it is.
        """
        notes = self._taken_back(self._assignments)
        if notes:
            with contextlib.suppress(Exception):
                self._thread.note_now(notes).result(TAKE_BACK)

    def _taken_back(self, tps: Iterable[TP]) -> dict[TP, tuple[int, str]]:
        found = {tp: self._assignments[tp].take_attempt_back() for tp in tps}
        return {tp: note for tp, note in found.items() if note is not None}

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
        # Few at once gather nothing, and each of them would wait.
        if self.app.gather and not any(one.is_watched for one in self._assignments.values()):
            await self.sleep(self.app.gather)
        full = {tp for tp, mine in self._assignments.items() if mine.is_full}
        # Not before its tables are restored: the first hand-out commits the note of an attempt,
        # which a table's first use would take for earlier work of the stage.
        closed = {tp for tp in self._assignments if not self.app.is_open(tp.partition)}
        # A copy: the set lives on in the consumer's thread, and an empty one means "all" there.
        wanted = set(self._get_active_partitions()) - full - closed - self._waiting_for_calm()
        suspect = min((tp for tp in wanted if self._assignments[tp].is_suspect), default=None)
        held = self._assignments.values()
        if any(one.stands_alone for one in held):
            wanted = set()
        elif suspect is not None:
            wanted = set() if any(one.watermark.pending for one in held) else {suspect}
        rests = {tp: self._assignments[tp].rest for tp in wanted}
        if any(rests.values()):
            return {tp: rest for tp, rest in rests.items() if rest}
        if not wanted:
            self._room.clear()
            await self.wait_first(self._room.wait(), timeout=_POLL_SOON if closed else _POLL)
            return {}
        records: Mapping[TP, Sequence[Record]] = await self._getmany(
            wanted, _POLL_SOON if full or closed else _POLL
        )
        await asyncio.sleep(0)
        if suspect is not None and not records:
            self._clear_at_the_end(suspect)
        return records or {}

    def _waiting_for_calm(self) -> set[TP]:
        now = time.monotonic()
        return {tp for tp, mine in self._assignments.items() if mine.waits_for_calm(now)}

    def _clear_at_the_end(self, suspect: TP) -> None:
        """Nothing is left that could have been in hand at the last death."""
        mine = self._assignments.get(suspect)
        # Only of what is still ours: of another's partition aiokafka knows no end and says so loudly.
        if mine is None or not mine.is_current:
            return
        end = self.highwater(suspect)
        if end is not None and (mine.position or 0) >= end:
            mine.clear()

    async def _hand_out(self, fetched: Mapping[TP, Sequence[Record]]) -> None:
        runs = {TP(key.topic, key.partition): records for key, records in fetched.items()}
        # The generation that takes over starts at the committed offset and sees the others again.
        mine = {tp: self._assignments[tp] for tp in runs if self._may_hand_out(tp)}
        for one in mine.values():
            one.forget_past()
        notes = {tp: one.count(runs[tp]) for tp, one in mine.items() if one.must_note}
        if notes and not await self._thread.note(notes):
            return
        for tp, assignment in mine.items():
            if self._may_hand_out(tp):
                await self._hand_out_run(tp, assignment, runs[tp])

    def _may_hand_out(self, tp: TP) -> bool:
        mine = self._assignments.get(tp)
        return (
            mine is not None
            and mine.is_current
            and mine.position is not None
            and self.flow_active
            and self.app.is_open(tp.partition)
        )

    async def _hand_out_run(self, tp: TP, mine: Assignment, records: Sequence[Record]) -> None:
        is_poison = mine.is_poisoned
        fresh = mine.take(records, now=time.monotonic())
        if mine.must_seek and mine.position is not None:
            await self.seek_wait({tp: mine.position})
        if not fresh:
            return
        if is_poison:
            mine.absolve()
        message = self._to_message(tp, fresh[-1])
        message.value = Batch(fresh, mine, is_poison)
        await self.wait_first(self.callback(message), self.suspend_flow.wait())


class BatchTransport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with `BatchConsumer`."""

    Consumer = BatchConsumer
