from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from pipeline.stream.heads import LEAST, PATIENCE, Heads, _since
from pipeline.stream.parking import DUE


@pytest.mark.parametrize(
    ("headers", "since"),
    [(None, 5.0), ([(DUE, b"9.5")], 9.5), ([(DUE, b"1")], 5.0), ([(DUE, b"soon")], 5.0)],
)
def test_a_record_waits_from_its_writing_or_from_when_it_is_due(
    headers: list[tuple[str, bytes]] | None, since: float
) -> None:
    message = SimpleNamespace(headers=lambda: headers, timestamp=lambda: (1, 5000))
    assert _since(message) == since


ONE, TWO, OTHER = ("g", "t", 0), ("g", "t", 1), ("h", "u", 0)
EOF = KafkaError._PARTITION_EOF


class Broker:
    """Holds a record written at 50 s in each partition; time passes only while a reader waits."""

    def __init__(self) -> None:
        self.clock = 1000.0
        self.silent: set[tuple[str, int]] = set()
        self.errors: dict[tuple[str, int], int] = {}
        self.asked: list[tuple[str, int]] = []
        self._left: list[tuple[str, int]] = []

    def time(self) -> float:
        return self.clock

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        places = [(at.topic, at.partition) for at in partitions]
        self.asked += places
        self._left = [each for each in places if each not in self.silent]

    def unassign(self) -> None:
        self._left = []

    def poll(self, timeout: float) -> Any:
        if not self._left:
            self.clock += timeout
            return None
        topic, partition = self._left.pop()
        code = self.errors.get((topic, partition))
        return SimpleNamespace(
            topic=lambda: topic,
            partition=lambda: partition,
            error=lambda: None if code is None else KafkaError(code),
            headers=lambda: None,
            timestamp=lambda: (1, 50_000),
        )

    def heads(self) -> Heads:
        return Heads(self, now=self.time, monotonic=self.time)


def test_a_head_is_read_once_while_the_commit_stands_there() -> None:
    broker = Broker()
    heads = broker.heads()
    assert heads.waiting_since({ONE: 5, TWO: 7}) == {ONE: 50.0, TWO: 50.0}
    assert heads.waiting_since({ONE: 5, TWO: 8}) == {ONE: 50.0, TWO: 50.0}
    assert sorted(broker.asked) == [("t", 0), ("t", 1), ("t", 1)]
    assert heads.waiting_since({}) == {}


def test_a_head_that_does_not_come_waits_since_the_first_look_and_is_asked_for_again() -> None:
    broker = Broker()
    heads = broker.heads()
    broker.silent = {("t", 0)}
    first = heads.waiting_since({ONE: 5, TWO: 7})
    assert first == {ONE: 1000.0 + PATIENCE, TWO: 50.0}
    assert heads.waiting_since({ONE: 5, TWO: 7}) == first
    broker.silent = set()
    assert heads.waiting_since({ONE: 5, TWO: 7}) == {ONE: 50.0, TWO: 50.0}
    assert broker.asked.count(("t", 0)) == 3
    assert broker.asked.count(("t", 1)) == 1


def test_a_head_that_is_answered_by_an_error_is_asked_for_again_too() -> None:
    broker = Broker()
    heads = broker.heads()
    broker.errors = {("t", 0): KafkaError.TOPIC_AUTHORIZATION_FAILED}
    assert heads.waiting_since({ONE: 5}) == {ONE: 1000.0}
    broker.errors = {}
    assert heads.waiting_since({ONE: 5}) == {ONE: 50.0}


def test_where_only_markers_are_left_nothing_waits_until_a_record_comes() -> None:
    broker = Broker()
    heads = broker.heads()
    broker.errors = {("t", 0): EOF}
    assert heads.waiting_since({ONE: 5}) == {ONE: None}
    broker.errors = {}
    assert heads.waiting_since({ONE: 5}) == {ONE: 50.0}


def test_a_group_whose_heads_do_not_come_leaves_time_for_the_others() -> None:
    broker = Broker()
    broker.silent = {("t", 0), ("u", 0)}
    heads = broker.heads()
    heads.waiting_since({ONE: 5, OTHER: 5})
    assert broker.clock == 1000.0 + PATIENCE + LEAST
    broker.silent = {("t", 0)}
    assert heads.waiting_since({ONE: 5, OTHER: 5})[OTHER] == 50.0
