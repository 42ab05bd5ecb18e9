"""Topics: made by command, checked before a process starts, never changed silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

_TIMEOUT = 10.0
CHECKED_CONFIG = ("cleanup.policy", "message.timestamp.type")
"""Settings that change what a topic means; retention and sizes are the operator's to tune."""
PARTITIONS = "partitions"


class BrokerUnreachable(Exception):
    """No broker answers; the text says where."""


class TopicRefused(Exception):
    """The broker answers and does not make a topic; the text has its reason."""


class Misfit(NamedTuple):
    """How a topic differs from its plan; its `str` is one line without a command."""

    topic: str
    setting: str = ""
    """`PARTITIONS` or a name of `CHECKED_CONFIG`; empty = there is no such topic."""
    found: str = ""
    wanted: str = ""

    def __str__(self) -> str:
        if not self.setting:
            return f"{self.topic} is missing"
        if self.setting == PARTITIONS:
            return (
                f"{self.topic} has {self.found} partitions, not {self.wanted}, and the number is "
                "for ever"
            )
        return f"{self.topic} has {self.setting}={self.found}, not {self.wanted}"


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
        BrokerUnreachable: no broker answers.
        TopicRefused: it does not make one of them.
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
                raise TopicRefused(f"{name}: {error.args[0].str()}") from None
        else:
            made.append(name)
    return made


def check(bootstrap_servers: str, plans: Sequence[TopicPlan]) -> list[Misfit]:
    """What does not fit; empty when all is well.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    admin = _admin(bootstrap_servers)
    existing = _partitions(admin, bootstrap_servers)
    present = [plan for plan in plans if plan.name in existing]
    missing = [Misfit(plan.name) for plan in plans if plan.name not in existing]
    counts = [
        Misfit(plan.name, PARTITIONS, str(existing[plan.name]), str(plan.partitions))
        for plan in present
        if existing[plan.name] != plan.partitions
    ]
    return missing + counts + _config_misfits(admin, present)


def _config_misfits(admin: AdminClient, plans: Sequence[TopicPlan]) -> list[Misfit]:
    resources = [ConfigResource(ResourceType.TOPIC, plan.name) for plan in plans]
    described = {
        resource.name: future.result(timeout=_TIMEOUT)
        for resource, future in (admin.describe_configs(resources) if resources else {}).items()
    }
    return [
        Misfit(plan.name, setting, found, wanted)
        for plan in plans
        for setting in CHECKED_CONFIG
        if (wanted := plan.config.get(setting)) is not None
        and wanted != (found := described[plan.name][setting].value)
    ]


def _admin(bootstrap_servers: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})


def _partitions(admin: AdminClient, bootstrap_servers: str) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT)
    except KafkaException:
        raise BrokerUnreachable(f"no broker answers at {bootstrap_servers}") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}
