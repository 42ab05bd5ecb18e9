"""The producer's own rules, without a broker."""

from __future__ import annotations

import asyncio

import confluent_kafka
import pytest

from pipeline.stream.delivery import DeliveryError, Failure
from pipeline.stream.producer import MAX_RECORD_BYTES, Changes, Outgoing, Producer
from pipeline.stream.room import Room

NOWHERE = "127.0.0.1:1"
KafkaError = confluent_kafka.KafkaError


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (KafkaError.MSG_SIZE_TOO_LARGE, Failure.TOO_LARGE),
        (KafkaError._MSG_TIMED_OUT, Failure.RETRIABLE),
        (KafkaError.NOT_ENOUGH_REPLICAS, Failure.RETRIABLE),
    ],
)
def test_a_delivery_error_says_what_may_help(code: int, failure: Failure) -> None:
    assert DeliveryError.of(KafkaError(code)).failure is failure


def test_the_fatal_state_is_told_apart() -> None:
    error = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True)
    assert DeliveryError.of(error).failure is Failure.FATAL


@pytest.mark.parametrize("where", ["record", "header", "row"])
def test_a_record_no_broker_takes_is_refused_before_its_neighbours_are_sent(
    where: str,
) -> None:
    async def scenario() -> None:
        producer = Producer(NOWHERE, client_id="t", config={"log_level": 0})
        big = b"x" * MAX_RECORD_BYTES
        small = Outgoing("out", b"k", b"v")
        records = {
            "record": [small, Outgoing("out", b"k", big)],
            "header": [small, Outgoing("out", b"k", b"v", [("h", big)])],
            "row": [small],
        }[where]
        changes = Changes("log", 0, {b"k": big}) if where == "row" else None
        with pytest.raises(DeliveryError) as refused:
            await asyncio.wait_for(producer.send(records, changes), 5)
        assert refused.value.failure is Failure.TOO_LARGE
        assert producer._kafka.flush(0.2) == 0
        await producer.close(timeout=0.1)

    asyncio.run(scenario())


def test_what_the_broker_never_acknowledged_is_an_error_of_the_whole_batch() -> None:
    async def scenario() -> None:
        producer = Producer(NOWHERE, client_id="t", delivery_timeout=0.2, config={"log_level": 0})
        with pytest.raises(DeliveryError) as refused:
            await producer.send(
                [Outgoing("out", b"k", b"v", [("a", b"b")])], Changes("log", 0, {b"k": None})
            )
        assert refused.value.failure is Failure.RETRIABLE
        await producer.close(timeout=0.1)

    asyncio.run(scenario())


def test_nobody_overtakes_who_waits_for_room() -> None:
    async def scenario() -> None:
        room, order = Room(10), []

        async def one(name: str, size: int) -> None:
            await room.enter(size)
            order.append(name)

        await room.enter(10)
        waiting = [asyncio.create_task(one("first", 8)), asyncio.create_task(one("second", 2))]
        await asyncio.sleep(0)
        room.leave(10)
        # The first has been let in and has not run yet; a newcomer that would fit stands behind it.
        late = asyncio.create_task(one("third", 1))
        await asyncio.sleep(0)
        room.leave(8)
        await asyncio.wait_for(asyncio.gather(*waiting, late), 5)
        assert order == ["first", "second", "third"]

    asyncio.run(scenario())


def test_a_waiter_that_gives_up_leaves_no_hole_in_the_queue() -> None:
    async def scenario() -> None:
        room = Room(10)
        await room.enter(10)
        first = asyncio.create_task(room.enter(4))
        second = asyncio.create_task(room.enter(6))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        room.leave(10)
        await asyncio.wait_for(second, 5)
        room.leave(6)
        await asyncio.wait_for(room.enter(10), 5)

    asyncio.run(scenario())


def test_one_larger_than_all_room_goes_when_it_is_empty() -> None:
    async def scenario() -> None:
        room = Room(10)
        await asyncio.wait_for(room.enter(50), 5)
        waiting = asyncio.create_task(room.enter(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        room.leave(50)
        await asyncio.wait_for(waiting, 5)

    asyncio.run(scenario())
