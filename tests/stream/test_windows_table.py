from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agents.observe import fold_batch
from agents.windows_query import asked
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.query import STEPS, WIDTH, QueryError, answer, ask
from pipeline.domain.signals import LAST_WEEK, LOOK_BACK
from pipeline.domain.windows import Window, fold, window_start
from pipeline.stream.producer import Changes, Outgoing
from tables.windows import GATHER, KEPT, RETENTION, WindowsTable
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of

BEGIN = 1_700_000_000
METRICS = (
    ("outcomes", ("outcome",)), ("stage_duration_seconds", ("stage",)), ("queue_depth", ()),
    ("duplicate_rate", ()), ("received", ()),
)  # fmt: skip


def trail(rng: random.Random, size: int) -> list[FakeRecord]:
    """Records whose times run on, with pauses, and now and then one that is late."""
    records, at = [], float(BEGIN)
    for offset in range(size):
        at += rng.choice([0, 0, 0.5, 3, 40]) if rng.random() < 0.98 else rng.uniform(0, 4000)
        when = max(BEGIN, at - rng.uniform(0, 5000)) if rng.random() < 0.01 else at
        stage, what = rng.choice([("dedup", "accepted"), ("dedup", "duplicated"), ("act", "ended")])
        audit = Audit(
            stage=stage, what=what, ingress_id=f"i{offset}", at=when,
            outcome=rng.choice(list(Outcome)) if what == "ended" else None,
            detail={"seconds": rng.lognormvariate(-2, 1)},
        )  # fmt: skip
        records.append(
            FakeRecord(topics.AUDIT.name, 0, offset, b"k", audit.to_bytes(), (), int(when * 1000))
        )
    return records


def recounted(records: list[FakeRecord]) -> list[Window]:
    """The windows as one pass over the whole trail makes them."""
    windows: dict[int, Window] = {}
    for record in records:
        start = window_start(record.timestamp / 1000)
        one = [(record.offset, Audit.parse(record.value))]
        windows[start] = fold(windows.get(start), start, one)
    return list(windows.values())


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_that_of_a_recount_whatever_is_cut_off_and_comes_again(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    records = trail(rng, 1500)

    async def scenario() -> None:
        stage = make_stage("observe")
        await stage.table.ready(0)
        table = WindowsTable(stage.table)
        done = 0
        while done < len(records):
            batch = records[done : done + rng.choice([1, 2, 60])]
            effects = fold_batch(batch_of(batch), windows=table, now=lambda: 1.0)
            puts = list(effects.puts.items())
            if rng.random() < 0.3:  # killed: the changelog got the beginning, the commit not
                cut = dict(puts[: rng.randint(0, len(puts))])
                await stage.table.commit(0, cut, memory_broker)
                done = max(0, done - rng.choice([0, 0, 0, 30]))
                continue
            await stage.table.commit(0, dict(puts), memory_broker)
            done += len(batch)
        expected = recounted(records)
        assert sorted(table.between(0, 2**33), key=lambda each: each.start) == sorted(
            expected, key=lambda each: each.start
        )
        last = max(each.start for each in expected) + 10
        for step in (None, *STEPS):
            for name, by in METRICS:
                begin = BEGIN + rng.randint(0, 4000)
                end = min(last, begin + 230 * (step or last)) - rng.randint(0, 99)
                question = ask(name, begin, max(end, begin + 1), step=step, by=by)
                assert answer(table.read(0, question), question) == answer(expected, question)
        await stage.table.close()

    asyncio.run(scenario())


def rush(events: int, *, after: int = 0) -> list[FakeRecord]:
    """Records of twenty seconds, however many there are; offsets go on from `after`."""
    rng = random.Random(events + after)
    return [
        FakeRecord(
            topics.AUDIT.name, 0, after + n, b"k",
            Audit(
                stage="dedup", what="accepted", ingress_id=f"i{n}", at=1.0,
                detail={"seconds": 0.01 * 1.1 ** rng.randrange(50)},
            ).to_bytes(),
            (), (BEGIN + 20 * n // events) * 1000,
        )
        for n in range(events)
    ]  # fmt: skip


def test_the_changelog_grows_with_time_and_not_with_events(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("observe")
        await stage.table.ready(0)
        table = WindowsTable(stage.table)
        few, many = (
            fold_batch(batch_of(rush(events)), windows=table, now=lambda: 1.0).puts
            for events in (1_000, 20_000)
        )
        assert set(few) == set(many)
        size = {
            name: sum(len(value or b"") for value in puts.values())
            for name, puts in (("few", few), ("many", many))
        }
        # Twenty times the events are one digit more in each bucket.
        assert size["many"] < 1.3 * size["few"]
        await stage.table.close()

    asyncio.run(scenario())


class Nowhere:
    """Acknowledges and forgets: a broker in memory would be what grows."""

    def __init__(self, end: int) -> None:
        self._end = end

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        self._end += len(records) + len(changes.rows if changes is not None else ())
        return self._end - 1

    async def close(self) -> None:
        """Nothing is open."""


def test_a_worker_keeps_nothing_of_an_event_once_it_is_counted(
    make_stage: Callable[[str], Stage],
) -> None:
    async def scenario() -> None:
        # The changelog begins with its epoch.
        stage, nowhere = make_stage("observe"), Nowhere(end=1)
        await stage.table.ready(0)
        table = WindowsTable(stage.table)

        async def kept(first: int, batches: int) -> int:
            """Bytes that are held after so many batches."""
            for number in range(first, first + batches):
                records = batch_of(rush(200, after=200 * number))
                effects = fold_batch(records, windows=table, now=lambda: 1.0)
                await stage.table.commit(0, effects.puts, nowhere)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        await kept(0, 10)
        tracemalloc.start()
        begin = await kept(10, 1)
        grown = await kept(11, 60) - begin
        tracemalloc.stop()
        # A bare id of each event would be 12,000 times fifty bytes and more.
        assert grown < 100_000, grown
        await stage.table.close()

    asyncio.run(scenario())


def test_last_weeks_windows_are_kept_until_nobody_holds_this_week_against_them_any_more() -> None:
    assert RETENTION > LAST_WEEK + LOOK_BACK + WIDTH


@pytest.mark.parametrize("step", [step for step in STEPS if step >= 900])
def test_the_first_step_of_a_week_is_kept_whole_and_what_begins_before_it_is_refused(
    step: int,
) -> None:
    now = 1_700_000_123.0
    query = {"metric": "received", "step": str(step), "to": str(now)}
    question = asked({**query, "from": str(now - KEPT)}, now, kept=KEPT)
    assert question.begin > now - RETENTION
    with pytest.raises(QueryError, match="--replay"):
        asked({**query, "from": str(now - KEPT - step - 1)}, now, kept=KEPT)


def test_at_a_low_rate_a_window_is_written_once_a_batch_and_batches_are_rationed_by_time(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    """At one event a batch the whole row is written for each: as often as `GATHER` lets a batch be."""
    seconds = 20
    batches = int(seconds / GATHER)

    async def written(stage: Stage, partition: int, each: int) -> tuple[int, int]:
        """Rows and bytes of a changelog after `batches` batches of `each` events."""
        await stage.table.ready(partition)
        table, rows, size = WindowsTable(stage.table), 0, 0
        for number in range(batches):
            at = int((BEGIN + number * GATHER) * 1000)
            audit = Audit(stage="dedup", what="accepted", ingress_id="i", at=1.0).to_bytes()
            records = [
                FakeRecord(topics.AUDIT.name, partition, number * each + n, b"k", audit, (), at)
                for n in range(each)
            ]
            batch = batch_of(records, partition=partition)
            puts = fold_batch(batch, windows=table, now=lambda: 1.0).puts
            await stage.table.commit(partition, puts, memory_broker)
            rows += len(puts)
            size += sum(len(key) + len(value or b"") for key, value in puts.items())
        return rows, size

    async def scenario() -> None:
        stage = make_stage("observe")
        stage.table.assign([0, 1])
        few, many = await written(stage, 0, 1), await written(stage, 1, 200)
        # Each batch its window, and each new window which one is the newest.
        assert few[0] == many[0] == batches + seconds / WIDTH
        assert many[1] < 1.2 * few[1]
        await stage.table.close()

    asyncio.run(scenario())
