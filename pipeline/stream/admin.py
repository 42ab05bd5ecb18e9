"""Topics: made by command, checked before a process starts, never changed silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

_TIMEOUT = 10.0
CHECKED_CONFIG = ("cleanup.policy", "message.timestamp.type")
"""Settings that change what a topic means; retention and sizes are the operator's to tune."""
APPLY = "./switchboard topics apply"


class BrokerUnreachable(Exception):
    """No broker answers; the text says where and what starts one."""


class TopicPlan(Protocol):
    """A topic as it must be."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def partitions(self) -> int: ...  # noqa: D102
    @property
    def replication(self) -> int: ...  # noqa: D102
    @property
    def config(self) -> Mapping[str, str]: ...  # noqa: D102


def apply(bootstrap_servers: str, plans: Sequence[TopicPlan]) -> list[str]:
    """Creates the topics that are missing; the names of those it made.

    Raises:
        BrokerUnreachable: no broker answers, or it refuses a topic.
    """
    admin = _admin(bootstrap_servers)
    existing = _partitions(admin, bootstrap_servers)
    missing = [plan for plan in plans if plan.name not in existing]
    wanted = [
        NewTopic(plan.name, plan.partitions, plan.replication, config=dict(plan.config))
        for plan in missing
    ]
    made = []
    for name, future in (admin.create_topics(wanted) if wanted else {}).items():
        try:
            future.result()
        except KafkaException as error:
            # Another process may have been first; the check that follows tells whether it fits.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BrokerUnreachable(f"{name}: {error.args[0].str()}") from None
        else:
            made.append(name)
    return made


def check(bootstrap_servers: str, plans: Sequence[TopicPlan]) -> list[str]:
    """What does not fit, one line each with what mends it; empty when all is well.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    admin = _admin(bootstrap_servers)
    existing = _partitions(admin, bootstrap_servers)
    problems = [f"{plan.name} is missing: {APPLY}" for plan in plans if plan.name not in existing]
    present = [plan for plan in plans if plan.name in existing]
    problems += [
        f"{plan.name} has {existing[plan.name]} partitions, not {plan.partitions}: the number is "
        f"for ever, set SWITCHBOARD_PARTITIONS={existing[plan.name]} or use another cluster"
        for plan in present
        if existing[plan.name] != plan.partitions
    ]
    return problems + _config_problems(admin, present)


def _config_problems(admin: AdminClient, plans: Sequence[TopicPlan]) -> list[str]:
    resources = [ConfigResource(ResourceType.TOPIC, plan.name) for plan in plans]
    described = {
        resource.name: future.result(timeout=_TIMEOUT)
        for resource, future in (admin.describe_configs(resources) if resources else {}).items()
    }
    problems = []
    for plan in plans:
        for setting in CHECKED_CONFIG:
            wanted, found = plan.config.get(setting), described[plan.name][setting].value
            if wanted is not None and wanted != found:
                problems.append(
                    f"{plan.name} has {setting}={found}, not {wanted}: nothing changes it by "
                    f"itself; alter it with kafka-configs, or delete the topic and run {APPLY}"
                )
    return problems


def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def _partitions(admin: AdminClient, bootstrap_servers: str) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT)
    except KafkaException:
        raise BrokerUnreachable(
            f"no broker answers at {bootstrap_servers}: ./switchboard kafka start, "
            "or set KAFKA_BOOTSTRAP_SERVERS"
        ) from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}
