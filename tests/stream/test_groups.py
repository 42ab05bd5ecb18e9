from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.groups import Groups

AWAY = KafkaException(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE))


def future(said: Any) -> Future[Any]:
    made: Future[Any] = Future()
    if isinstance(said, Exception):
        made.set_exception(said)
    else:
        made.set_result(said)
    return made


class Broker:
    """An admin client of topic `t` with three partitions, all of them empty: committed 5, end 5.

    Partition 2 has no leader; `fails` are groups and partitions with what is raised for them.
    """

    def __init__(self, fails: Mapping[Any, Exception]) -> None:
        self.fails = fails

    def list_topics(self, timeout: float) -> Any:
        leaders = {0: 1, 1: 1, 2: -1}
        partitions = {at: SimpleNamespace(leader=leader) for at, leader in leaders.items()}
        return SimpleNamespace(topics={"t": SimpleNamespace(partitions=partitions)})

    def describe_consumer_groups(self, groups: Sequence[str], **_: Any) -> Any:
        nobody = SimpleNamespace(members=())
        return {each: future(self.fails.get(each, nobody)) for each in groups}

    def list_consumer_group_offsets(self, asked: Sequence[Any], **_: Any) -> Any:
        group = asked[0].group_id
        told = [
            SimpleNamespace(
                topic=at.topic,
                partition=at.partition,
                offset=-1001 if (group, at.partition) in self.fails else 5,
                error=self.fails.get((group, at.partition)),
            )
            for at in asked[0].topic_partitions
        ]
        return {group: future(SimpleNamespace(topic_partitions=told))}

    def list_offsets(self, asked: Mapping[Any, Any], **_: Any) -> Any:
        assert all(at.partition != 2 for at in asked), "one without a leader leaves all unanswered"
        there = SimpleNamespace(offset=5)
        return {at: future(self.fails.get(at.partition, there)) for at in asked}


def seen(fails: Mapping[Any, Exception]) -> set[tuple[str, int]]:
    groups = Groups("127.0.0.1:9", {"g": ["t"], "h": ["t"]})
    groups._admin = Broker(fails)
    try:
        return {(each.group, each.partition) for each in groups.look()}
    finally:
        groups.close()


@pytest.mark.parametrize(
    ("fails", "left"),
    [
        ({}, {("g", 0), ("g", 1), ("h", 0), ("h", 1)}),
        ({1: AWAY}, {("g", 0), ("h", 0)}),
        ({1: TimeoutError()}, {("g", 0), ("h", 0)}),
        ({"h": AWAY}, {("g", 0), ("g", 1)}),
        ({("h", 1): AWAY}, {("g", 0), ("g", 1), ("h", 0)}),
    ],
)
def test_a_partition_or_group_that_nobody_answers_for_hides_no_other(
    fails: Mapping[Any, Exception], left: set[tuple[str, int]]
) -> None:
    assert seen(fails) == left


@pytest.mark.parametrize("failure", [AWAY, TimeoutError()])
def test_where_nobody_answers_the_broker_is_away(failure: Exception) -> None:
    with pytest.raises(BrokerUnreachable):
        seen({0: failure, 1: failure})
