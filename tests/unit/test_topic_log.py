from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import confluent_kafka
import pytest

from console.topic_log import TopicMissing, partitions_of
from pipeline.stream.admin import BrokerUnreachable


class Cluster:
    """What a broker says of one topic; None = no broker."""

    def __init__(self, partitions: list[int] | None) -> None:
        self.partitions = partitions

    def list_topics(self, topic: str, **_: Any) -> Any:
        if self.partitions is None:
            raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(-195))
        known = dict.fromkeys(self.partitions)
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=known)})


def asked(partitions: list[int] | None) -> list[int]:
    return partitions_of(cast("confluent_kafka.Consumer", Cluster(partitions)), "t")


def test_a_topic_has_its_partitions() -> None:
    assert asked([0, 1]) == [0, 1]


def test_a_missing_topic_names_what_makes_it() -> None:
    with pytest.raises(TopicMissing, match=r"t is missing: \./switchboard topics apply"):
        asked([])


def test_no_broker_is_no_missing_topic() -> None:
    with pytest.raises(BrokerUnreachable):
        asked(None)
