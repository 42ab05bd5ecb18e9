from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.stream.batch import Assignment, AssignmentEnded, Batch, Record
from pipeline.stream.dead_letter import IN_A_ROW, DeadLetters
from pipeline.stream.deadline import broker_time
from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.lanes import Lanes, lanes
from pipeline.stream.producer import Outgoing, Producer
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of


def no_crash(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


async def stream_of(*batches: Batch) -> AsyncIterator[Batch]:
    for batch in batches:
        yield batch


def records(*keys: bytes) -> list[FakeRecord]:
    return [FakeRecord("source", 0, offset, key, b"v") for offset, key in enumerate(keys)]


def test_one_key_keeps_its_order_while_others_pass_a_slow_one() -> None:
    async def scenario() -> None:
        gate, done = asyncio.Event(), []

        async def work(record: Record, _: Assignment) -> None:
            if record.offset == 0:
                await gate.wait()
            done.append((record.key, record.offset))
            if record.offset == 3:
                gate.set()

        batch = batch_of(records(b"slow", b"slow", b"b", b"c"))
        await lanes(stream_of(batch), work, limit=10, on_crash=no_crash)
        assert done == [(b"b", 2), (b"c", 3), (b"slow", 0), (b"slow", 1)]
        assert batch.assignment.watermark.position == 4

    asyncio.run(scenario())


def test_the_limit_bounds_what_runs_at_once() -> None:
    async def scenario() -> None:
        running, most = 0, 0

        async def work(_: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

        pool: Lanes[int] = Lanes(work, limit=3, on_crash=no_crash)
        for item in range(20):
            pool.submit(item, item)
        await pool.drain()
        assert most == 3
        assert pool.open == 0

    asyncio.run(scenario())


def test_an_error_crashes_and_nothing_behind_it_is_worked_on() -> None:
    async def scenario() -> None:
        crashes: list[str] = []
        seen: dict[bytes | None, list[int]] = defaultdict(list)

        async def work(record: Record, _: Assignment) -> None:
            seen[record.key].append(record.offset)
            if record.offset == 0:
                raise OSError("disk full")

        batch = batch_of(records(b"a", b"a", b"b"))
        await lanes(
            stream_of(batch), work, limit=10,
            on_crash=lambda where, error: crashes.append(f"{where}: {error}"),
        )  # fmt: skip
        assert crashes == ["lane: disk full"]
        assert seen == {b"a": [0], b"b": [2]}
        assert batch.assignment.watermark.position is None

    asyncio.run(scenario())


def test_work_left_to_the_next_owner_is_never_committed() -> None:
    async def scenario() -> None:
        async def work(record: Record, _: Assignment) -> None:
            if record.offset == 1:
                raise AssignmentEnded

        batch = batch_of(records(b"a", b"b", b"c"))
        await lanes(stream_of(batch), work, limit=10, on_crash=no_crash)
        assert batch.assignment.watermark.position == 1

    asyncio.run(scenario())


def test_records_of_a_lost_partition_are_not_started() -> None:
    async def scenario() -> None:
        started = []

        async def work(record: Record, _: Assignment) -> None:
            started.append(record.offset)

        batch = batch_of(records(b"a"))
        batch.assignment.end()
        await lanes(stream_of(batch), work, limit=1, on_crash=no_crash)
        assert started == []
        assert batch.assignment.watermark.position is None

    asyncio.run(scenario())


class Letters(DeadLetters):
    def __init__(self) -> None:
        self.buried: list[tuple[int, str]] = []
        super().__init__(MemoryBroker(), self._note)

    def _note(self, record: Record, reason: str) -> list[Outgoing]:
        self.buried.append((record.offset, reason))
        return []


def test_a_partition_with_many_keys_does_not_hold_up_one_with_few() -> None:
    async def scenario() -> None:
        done: list[str] = []

        async def work(item: str) -> None:
            await asyncio.sleep(0)
            done.append(item)

        pool: Lanes[str] = Lanes(work, limit=1, on_crash=no_crash)
        for number in range(100):
            pool.submit(number, f"busy-{number}", group=0)
        pool.submit("k", "quiet", group=1)
        await pool.drain()
        assert done.index("quiet") <= 2

    asyncio.run(scenario())


def test_a_busy_key_gets_one_turn_among_the_others_of_its_partition() -> None:
    async def scenario() -> None:
        done: list[str] = []

        async def work(item: str) -> None:
            done.append(item)

        pool: Lanes[str] = Lanes(work, limit=1, on_crash=no_crash)
        for number in range(50):
            pool.submit("busy", f"busy-{number}")
        pool.submit("other", "other")
        await pool.drain()
        assert done[:3] == ["busy-0", "other", "busy-1"]

    asyncio.run(scenario())


def test_a_record_that_raises_is_buried_and_its_neighbours_go_on() -> None:
    async def scenario() -> None:
        letters, done = Letters(), []

        async def work(record: Record, _: Assignment) -> None:
            if record.offset == 1:
                raise KeyError("x")
            done.append(record.offset)

        batch = batch_of(records(b"a", b"a", b"a"))
        await lanes(stream_of(batch), work, limit=5, on_crash=no_crash, letters=letters)
        assert done == [0, 2]
        assert letters.buried == [(1, "exception:KeyError")]
        assert batch.assignment.watermark.position == 3

    asyncio.run(scenario())


def test_a_record_past_its_deadline_is_cancelled_and_buried() -> None:
    async def scenario() -> None:
        letters = Letters()

        async def work(_: Record, __: Assignment) -> None:
            await asyncio.Event().wait()

        batch = batch_of(records(b"a"))
        await lanes(
            stream_of(batch), work, limit=5, on_crash=no_crash, letters=letters, deadline=0.01
        )
        assert letters.buried == [(0, "deadline")]

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["alone", "shielded", "many"])
def test_a_broker_that_stands_still_uses_up_no_records_deadline(how: str) -> None:
    crashes: list[str] = []
    letters = Letters()

    async def scenario() -> None:
        producer = Producer(
            "127.0.0.1:1", client_id="t", delivery_timeout=0.5, config={"log_level": 0}
        )

        async def work(record: Record, _: Assignment) -> None:
            def sends() -> Any:
                return producer.send([Outgoing("out", record.key, b"v")])

            match how:
                case "alone":
                    await sends()
                case "shielded":
                    await asyncio.shield(sends())
                case "many":
                    await asyncio.gather(sends(), sends())

        await lanes(
            stream_of(batch_of(records(b"a"))), work, limit=5, letters=letters, deadline=0.05,
            on_crash=lambda _, error: crashes.append(type(error).__name__),
        )  # fmt: skip
        await producer.close(timeout=0.1)

    asyncio.run(scenario())
    assert (crashes, letters.buried) == (["DeliveryError"], [])


def test_after_the_brokers_answer_a_records_own_time_goes_on() -> None:
    async def scenario() -> None:
        letters = Letters()

        async def work(_: Record, __: Assignment) -> None:
            with broker_time():
                await asyncio.sleep(0.2)
            await asyncio.Event().wait()

        await lanes(
            stream_of(batch_of(records(b"a"))), work, limit=5, on_crash=no_crash, letters=letters,
            deadline=0.05,
        )  # fmt: skip
        assert letters.buried == [(0, "deadline")]

    asyncio.run(scenario())


def test_a_poison_record_is_buried_unread() -> None:
    async def scenario() -> None:
        letters = Letters()

        async def work(_: Record, __: Assignment) -> None:
            raise AssertionError("it was read")

        batch = batch_of(records(b"a"))
        poison = Batch(batch.records, batch.assignment, is_poison=True)
        await lanes(stream_of(poison), work, limit=5, on_crash=no_crash, letters=letters)
        assert letters.buried == [(0, "poison")]

    asyncio.run(scenario())


def crashes_on(error: BaseException) -> tuple[list[str], list[tuple[int, str]], list[str]]:
    """Runs two records that raise `error`: (crashes, buried, attempts taken back)."""
    crashes: list[str] = []
    taken_back: list[str] = []
    letters = Letters()

    async def scenario() -> None:
        async def work(record: Record, _: Assignment) -> None:
            raise error

        async def take_back() -> None:
            taken_back.append("one")

        batch = batch_of(records(b"a"))
        batch.assignment.take_back = take_back
        await lanes(
            stream_of(batch), work, limit=5, letters=letters,
            on_crash=lambda _, error: crashes.append(type(error).__name__),
        )  # fmt: skip

    asyncio.run(scenario())
    return crashes, letters.buried, taken_back


def test_trouble_with_the_broker_is_no_records_fault() -> None:
    away = DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
    assert crashes_on(away) == (["DeliveryError"], [], ["one"])


def test_trouble_with_the_disk_is_no_records_fault() -> None:
    assert crashes_on(OSError(28, "no space")) == (["OSError"], [], ["one"])


@pytest.mark.parametrize(
    "error", [TimeoutError(), FileNotFoundError(2, "name"), ConnectionResetError(), Exception()]
)
def test_what_a_handler_raises_by_itself_is_its_records_fault(error: Exception) -> None:
    name = type(error).__name__
    assert crashes_on(error) == ([], [(0, f"exception:{name}")], [])


def test_memory_may_be_the_records_fault_and_its_attempt_counts() -> None:
    assert crashes_on(MemoryError()) == (["MemoryError"], [], [])


def test_a_record_too_large_for_the_broker_is_buried() -> None:
    large = DeliveryError("MSG_SIZE_TOO_LARGE", Failure.TOO_LARGE)
    assert crashes_on(large) == ([], [(0, "too_large")], [])


def test_an_error_that_meets_every_record_stops_the_process_instead_of_burying_a_topic() -> None:
    async def scenario() -> None:
        letters, crashes = Letters(), []

        async def work(_: Record, __: Assignment) -> None:
            raise TypeError("a bug")

        batch = batch_of(records(*[b"a"] * 30))
        await lanes(
            stream_of(batch), work, limit=1, letters=letters,
            on_crash=lambda _, error: crashes.append(type(error).__name__),
        )  # fmt: skip
        assert len(letters.buried) == IN_A_ROW
        assert crashes == ["TypeError"]

    asyncio.run(scenario())


def test_what_fails_after_the_partition_went_away_is_left_to_the_next_owner() -> None:
    async def scenario() -> None:
        letters = Letters()

        async def work(_: Record, assignment: Assignment) -> None:
            assignment.end()
            raise KeyError("its table is closed")

        batch = batch_of(records(b"a"))
        await lanes(stream_of(batch), work, limit=1, on_crash=no_crash, letters=letters)
        assert letters.buried == []
        assert batch.assignment.watermark.position is None

    asyncio.run(scenario())


def test_work_that_outlasts_its_assignment_is_left_to_the_next_owner() -> None:
    async def scenario() -> None:
        gate, buried, crashes = asyncio.Event(), Letters(), list[str]()

        async def work(_: Record, __: Assignment) -> None:
            await gate.wait()
            raise KeyError("its table is closed")

        batch = batch_of(records(*(b"%d" % number for number in range(IN_A_ROW + 2))))

        async def batches() -> AsyncIterator[Batch]:
            yield batch
            await asyncio.sleep(0)
            batch.assignment.end()
            gate.set()

        await lanes(
            batches(), work, limit=50, letters=buried,
            on_crash=lambda _, error: crashes.append(type(error).__name__),
        )  # fmt: skip
        assert (buried.buried, crashes) == ([], [])

    asyncio.run(scenario())


def test_a_deadline_after_the_assignment_buries_nothing() -> None:
    async def scenario() -> None:
        buried = Letters()

        async def work(_: Record, assignment: Assignment) -> None:
            assignment.end()
            await asyncio.Event().wait()

        batch = batch_of(records(b"a"))
        await lanes(
            stream_of(batch), work, limit=1, on_crash=no_crash, deadline=0.01, letters=buried
        )
        assert buried.buried == []

    asyncio.run(scenario())
