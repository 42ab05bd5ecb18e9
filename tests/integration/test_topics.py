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
    missing = admin.check(broker.bootstrap, plans)
    assert list(map(str, missing)) == ["topics-a is missing", "topics-b is missing"]
    assert sorted(admin.apply(broker.bootstrap, plans)) == ["topics-a", "topics-b"]
    assert admin.apply(broker.bootstrap, plans) == []
    assert admin.check(broker.bootstrap, plans) == []


def test_a_wrong_partition_count_or_policy_is_never_changed_silently(broker: Broker) -> None:
    admin.apply(broker.bootstrap, [Plan("topics-c")])
    wanted = Plan("topics-c", 3, config={"cleanup.policy": "delete"})
    assert admin.apply(broker.bootstrap, [wanted]) == []
    count, policy = admin.check(broker.bootstrap, [wanted])
    assert "has 2 partitions, not 3" in str(count)
    assert "cleanup.policy=compact, not delete" in str(policy)


def test_copies_and_minimum_of_an_existing_topic_are_compared_as_the_broker_tells_them(
    broker: Broker,
) -> None:
    made = Plan("topics-e", config={"min.insync.replicas": "1"})
    admin.apply(broker.bootstrap, [made])
    assert admin.check(broker.bootstrap, [made]) == []
    wanted = Plan("topics-e", replication=3, config={"min.insync.replicas": "2"})
    copies, minimum = admin.check(broker.bootstrap, [wanted])
    assert copies == ("topics-e", admin.COPIES, "1", "3")
    assert minimum == ("topics-e", admin.MIN_INSYNC, "1", "2")


def test_a_topic_that_may_elect_an_unclean_leader_does_not_fit(broker: Broker) -> None:
    admin.apply(broker.bootstrap, [Plan("topics-f", config={admin.UNCLEAN: "true"})])
    (unclean,) = admin.check(broker.bootstrap, [Plan("topics-f", config={})])
    assert unclean == ("topics-f", admin.UNCLEAN, "true", "false")


def test_a_topic_that_the_broker_does_not_make_is_told_with_its_reason(broker: Broker) -> None:
    with pytest.raises(admin.TopicRefused, match=r"topics-d: .*[Rr]eplication"):
        admin.apply(broker.bootstrap, [Plan("topics-d", replication=3)])


def test_no_broker_is_one_clear_line() -> None:
    with pytest.raises(admin.BrokerUnreachable, match=r"^no broker answers at 127\.0\.0\.1:1$"):
        admin.check("127.0.0.1:1", [Plan("x")])
