"""A changelog is read up to the end that was asked for, whatever end a new leader tells meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from pipeline.stream.changelog import EPOCH, Changelog, RestoreError

END = 5


def record(offset: int) -> Message:
    return Message("rows", 0, offset, key=b"k%d" % offset, value=b"v")


def end_at(offset: int) -> Message:
    return Message("rows", 0, offset, error=KafkaError(KafkaError._PARTITION_EOF))


class Leader:
    """Tells that the changelog ends at `END`, and gives one answer after the other."""

    def __init__(self, *answers: list[Message], for_ever: list[Message]) -> None:
        self.now = 0.0
        self._answers = [[Message("rows", 0, 0, key=EPOCH + b"e", value=b"")], *answers]
        self._for_ever = for_ever

    def get_watermark_offsets(self, _where: TopicPartition, timeout: float) -> tuple[int, int]:
        return 0, END

    def assign(self, partitions: list[TopicPartition]) -> None:
        pass

    def consume(self, _most: int, timeout: float) -> list[Message]:
        self.now += timeout
        return self._answers.pop(0) if self._answers else self._for_ever


def offsets(leader: Leader) -> tuple[list[int], int]:
    """What is read from offset 1 on, and the position that it reaches."""
    consumer: Any = leader
    log = Changelog(
        consumer,
        TopicPartition("rows", 0),
        "topic-id",
        source="in",
        servers="127.0.0.1:1",
        delete_retention=lambda: 0.0,
        monotonic=lambda: leader.now,
    )
    slabs = list(log.read(1))
    return [offset for changes, _ in slabs for _, _, offset in changes], slabs[-1][1]


def test_an_end_below_the_one_that_was_asked_for_is_waited_out() -> None:
    leader = Leader(
        [record(1), record(2), end_at(3)], [end_at(3)], [], [record(3), record(4)], for_ever=[]
    )
    assert offsets(leader) == ([1, 2, 3, 4], END)


def test_what_is_behind_the_last_record_is_passed_by() -> None:
    assert offsets(Leader([record(1), end_at(END)], for_ever=[])) == ([1], END)


def test_an_end_that_others_have_moved_on_is_an_end() -> None:
    assert offsets(Leader([record(1)], [end_at(END + 7)], for_ever=[])) == ([1], END)


@pytest.mark.parametrize("for_ever", [[], [end_at(3)]])
def test_a_leader_that_never_gets_there_is_an_error_and_not_an_end(for_ever: list[Message]) -> None:
    leader = Leader([record(1), record(2)], for_ever=for_ever)
    with pytest.raises(RestoreError, match=r"rows\[0\]: nothing between 3 and its end at 5"):
        offsets(leader)
    assert leader.now < 40
