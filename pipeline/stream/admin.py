"""Topics: made by command, checked before a process starts, never changed silently."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from aiokafka import errors
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

T = TypeVar("T")

_TIMEOUT = 10.0
_RETRY = 0.2
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


async def committed_notes(bootstrap_servers: str, group: str) -> dict[tuple[str, int], str]:
    """The note that each committed offset of a group carries, by topic and partition.

    aiokafka's client is asked: confluent-kafka's hands out notes with stray bytes behind them.

    Raises:
        aiokafka.errors.KafkaError: the group's coordinator does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        offsets = await _patiently(lambda: admin.list_consumer_group_offsets(group))
    finally:
        await admin.close()
    return {(tp.topic, tp.partition): found.metadata for tp, found in offsets.items()}


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Asks again while the coordinator is on its way, as it is on a broker that just started."""
    ends = time.monotonic() + _TIMEOUT
    while True:
        try:
            return await ask()
        except errors.KafkaError as error:
            if not error.retriable or time.monotonic() > ends:
                raise
        await asyncio.sleep(_RETRY)


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
