from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from pipeline.stream import admin
from sandbox.kafka import Broker

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Plan:
    name: str
    partitions: int = 2
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=lambda: {"cleanup.policy": "compact"})


def test_missing_topics_are_named_made_and_then_fit(broker: Broker) -> None:
    plans = [Plan("topics-a"), Plan("topics-b")]
    assert admin.check(broker.bootstrap, plans) == [
        "topics-a is missing: ./switchboard topics apply",
        "topics-b is missing: ./switchboard topics apply",
    ]
    assert sorted(admin.apply(broker.bootstrap, plans)) == ["topics-a", "topics-b"]
    assert admin.apply(broker.bootstrap, plans) == []
    assert admin.check(broker.bootstrap, plans) == []


def test_a_wrong_partition_count_or_policy_is_never_changed_silently(broker: Broker) -> None:
    admin.apply(broker.bootstrap, [Plan("topics-c")])
    wanted = Plan("topics-c", 3, config={"cleanup.policy": "delete"})
    assert admin.apply(broker.bootstrap, [wanted]) == []
    count, policy = admin.check(broker.bootstrap, [wanted])
    assert "has 2 partitions, not 3" in count
    assert "cleanup.policy=compact, not delete" in policy


def test_no_broker_is_one_clear_line() -> None:
    with pytest.raises(admin.BrokerUnreachable, match=r"\./switchboard kafka start"):
        admin.check("127.0.0.1:1", [Plan("x")])
