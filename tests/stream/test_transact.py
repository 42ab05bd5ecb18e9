from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from pipeline.stream.batch import IN_HAND_RECORDS, Assignment, Batch, Record
from pipeline.stream.dead_letter import DeadLetters, dead_letter
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.guard import Crash
from pipeline.stream.partition import Behind
from pipeline.stream.producer import MAX_RECORD_BYTES, Changes, Outgoing
from pipeline.stream.transact import Effects, transact
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash


def letter(record: Record, reason: str) -> list[Outgoing]:
    return [dead_letter(record, stage="s", reason=reason, failed_at=0.0)]


def run(
    broker: MemoryBroker, folder: Path, decide: object, batch: Batch, on_crash: Crash = crash
) -> dict[bytes, bytes]:
    """Transacts one batch; the table's rows afterwards."""

    async def scenario() -> dict[bytes, bytes]:
        async def batches() -> AsyncIterator[Batch]:
            yield batch

        table = broker.table(folder)
        table.assign([0])
        await transact(
            batches(),
            decide,  # type: ignore[arg-type]
            table=table,
            producer=broker,
            on_crash=on_crash,
            letters=DeadLetters(broker, letter),
        )
        rows = dict(table.items())
        await table.close()
        return rows

    return asyncio.run(scenario())


def three() -> Batch:
    return batch_of([FakeRecord("source", 0, offset, b"k%d" % offset, b"v") for offset in range(3)])


def reasons(broker: MemoryBroker) -> list[tuple[bytes | None, bytes]]:
    return [(sent.key, dict(sent.headers)["sb-reason"]) for sent in broker.on("source.dlq")]


def test_the_one_record_that_raises_is_buried_and_the_others_are_transacted(
    memory_broker: MemoryBroker, tmp_path: Path
) -> None:
    def decide(batch: Batch) -> Effects:
        if any(record.offset == 1 for record in batch.records):
            raise ValueError("a bug")
        return Effects({record.key or b"": b"row" for record in batch.records})

    batch = three()
    rows = run(memory_broker, tmp_path, decide, batch)
    assert rows == {b"k0": b"row", b"k2": b"row"}
    assert reasons(memory_broker) == [(b"k1", b"exception:ValueError")]
    assert batch.assignment.watermark.position == 3


def test_the_one_record_whose_effects_no_broker_takes_is_buried(
    memory_broker: MemoryBroker, tmp_path: Path
) -> None:
    def decide(batch: Batch) -> Effects:
        return Effects(
            {
                record.key or b"": b"x" * (MAX_RECORD_BYTES if record.offset == 2 else 1)
                for record in batch.records
            }
        )

    rows = run(memory_broker, tmp_path, decide, three())
    assert rows == {b"k0": b"x", b"k1": b"x"}
    assert reasons(memory_broker) == [(b"k2", b"too_large")]


def test_poison_is_buried_without_a_decision(memory_broker: MemoryBroker, tmp_path: Path) -> None:
    def decide(_: Batch) -> Effects:
        raise AssertionError("it was read")

    batch = batch_of([FakeRecord("source", 0, 7, b"k", b"v")])
    rows = run(memory_broker, tmp_path, decide, Batch(batch.records, batch.assignment, True))
    assert rows == {}
    assert reasons(memory_broker) == [(b"k", b"poison")]
    assert batch.assignment.watermark.position == 8


def test_batches_that_gather_behind_a_slow_one_are_decided_as_one(
    memory_broker: MemoryBroker, tmp_path: Path
) -> None:
    async def scenario() -> None:
        gate, decided = asyncio.Event(), []
        assignment = Assignment("source", 0, 1, 0)

        def batch(offset: int) -> Batch:
            return Batch(assignment.take([FakeRecord("source", 0, offset, b"k", b"v")]), assignment)

        async def batches() -> AsyncIterator[Batch]:
            for offset in range(5):
                yield batch(offset)
                await asyncio.sleep(0)
            gate.set()

        async def decide(one: Batch) -> Effects:
            await gate.wait()
            decided.append([record.offset for record in one.records])
            return Effects({b"k": b"%d" % one.records[-1].offset})

        table = memory_broker.table(tmp_path)
        table.assign([0])
        await transact(batches(), decide, table=table, producer=memory_broker, on_crash=crash)
        assert decided == [[0], [1, 2, 3, 4]]
        assert dict(table.items()) == {b"k": b"4"}
        assert assignment.watermark.position == 5
        await table.close()

    asyncio.run(scenario())


def run_of(count: int, assignment: Assignment, *, is_poison: bool = False) -> Batch:
    first = assignment.position or 0
    records = [FakeRecord("source", 0, first + step, b"k", b"v") for step in range(count)]
    return Batch(assignment.take(records), assignment, is_poison)


def test_batches_stay_apart_where_one_is_poison_or_large_or_of_another_assignment() -> None:
    mine, other = Assignment("source", 0, 1, 0), Assignment("source", 0, 2, 0)
    small = run_of(1, mine)
    assert small.joined(run_of(1, mine, is_poison=True)) is None
    assert run_of(1, mine, is_poison=True).joined(small) is None
    assert small.joined(run_of(1, other)) is None
    assert small.joined(run_of(IN_HAND_RECORDS, mine)) is None


class Narrow(MemoryBroker):
    """A broker that takes less than our own measure lets pass."""

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        refused = [each for each in records if each.value is not None and len(each.value) > 10]
        last = await super().send([each for each in records if each not in refused], changes)
        if refused:
            raise DeliveryError("MSG_SIZE_TOO_LARGE", Failure.TOO_LARGE)
        return last


def forward(batch: Batch) -> Effects:
    return Effects(
        {record.key or b"": b"row" for record in batch.records},
        [Outgoing("out", record.key, record.value) for record in batch.records],
    )


def test_a_record_alone_whose_output_the_broker_refuses_is_buried_at_once(tmp_path: Path) -> None:
    broker = Narrow()
    batch = batch_of([FakeRecord("source", 0, 0, b"k", b"v" * 50)])
    run(broker, tmp_path, forward, batch)
    assert reasons(broker) == [(b"k", b"too_large")]
    assert batch.assignment.watermark.position == 1


def test_behind_a_put_of_ours_that_failed_the_process_ends_and_the_attempt_counts(
    tmp_path: Path,
) -> None:
    broker, taken_back = Narrow(), list[str]()
    batch = batch_of(
        [FakeRecord("source", 0, n, b"k%d" % n, b"v" * size) for n, size in enumerate((1, 50, 1))]
    )

    async def take_back() -> None:
        taken_back.append("attempt")

    batch.assignment.take_back = take_back
    crashes: list[type[BaseException]] = []
    run(broker, tmp_path, forward, batch, lambda _, error: crashes.append(type(error)))
    assert (crashes, taken_back) == ([Behind], [])
    assert broker.on("source.dlq") == []


def test_a_letter_that_is_too_large_itself_goes_without_its_value(tmp_path: Path) -> None:
    def decide(_: Batch) -> Effects:
        raise ValueError("a bug")

    broker = Narrow()
    batch = batch_of([FakeRecord("source", 0, 0, b"k", b"v" * 50)])
    run(broker, tmp_path, decide, batch)
    (sent,) = broker.on("source.dlq")
    headers = dict(sent.headers)
    assert (sent.value, headers["sb-cut"], headers["x-original-offset"]) == (None, b"value", b"0")
