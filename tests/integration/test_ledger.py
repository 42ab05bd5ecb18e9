"""A ledger that was lost: whoever knows nothing of what was sent sends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import confluent_kafka
import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from pipeline import topics
from tests.integration.act_world import PARTITIONS, ActWorld, act_world

pytestmark = [pytest.mark.integration, pytest.mark.full]

EXIT_CONFIG = 78


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    with act_world(tmp_path_factory.mktemp("ledger")) as made:
        yield made


def empty(world: ActWorld, topic: str) -> None:
    """Deletes every record and gives the topic its policy back, so that nothing else is wrong."""
    client = AdminClient({"bootstrap.servers": world.bootstrap})
    for policy in ("delete", None):
        if policy is None:
            ends = [
                confluent_kafka.TopicPartition(topic, number, confluent_kafka.OFFSET_END)
                for number in range(PARTITIONS)
            ]
            for deleted in client.delete_records(ends).values():
                deleted.result(30)
        entry = ConfigEntry(
            "cleanup.policy", policy or "compact", incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource("topic", topic, incremental_configs=[entry])
        for changed in client.incremental_alter_configs([resource]).values():
            changed.result(30)


@pytest.mark.timeout(400)
def test_an_emptied_ledger_stops_the_worker_and_nobody_is_answered(world: ActWorld) -> None:
    tickets = [world.seed(f"before-{number}") for number in range(8)]
    first = world.worker()
    first.ready()
    for ticket in tickets:
        world.ask(ticket)
    for ticket in tickets:
        assert world.outcome(ticket) == "acted"
    first.close()
    empty(world, topics.LEDGER.name)
    late = world.seed("late")
    world.ask(late)
    for disk in ("0", "another-disk"):
        worker = world.worker(disk)
        assert worker.ends() == EXIT_CONFIG
        assert "tables begin" in worker.log.read_text()
    assert world.replies(late) == 0
    assert all(world.replies(ticket) == 1 for ticket in tickets)
