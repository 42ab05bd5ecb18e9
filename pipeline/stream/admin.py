"""Topics: made by command, checked before a process starts, never changed silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from pipeline.stream.cluster import librdkafka

_TIMEOUT = 10.0
_TRIES = (1.0, 2.0, 7.0)
"""Seconds; a login that fails is told behind the first of them, a broker that is away after all."""
CHECKED_CONFIG = ("cleanup.policy", "message.timestamp.type")
"""Settings that change what a topic means; retention and sizes are the operator's to tune."""
PARTITIONS = "partitions"
_REFUSED = (
    KafkaError._SSL,  # noqa: SLF001 - its public name
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
)


class BrokerUnreachable(Exception):
    """No broker answers; the text says where."""


class LoginRefused(BrokerUnreachable):
    """A broker is there and the connection fails at TLS or at the login; the text has the reason."""


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
        BrokerUnreachable: no broker answers, or none lets us in (`LoginRefused`).
        TopicRefused: it does not make one of them.
    """
    admin, existing = _ask(bootstrap_servers)
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
        BrokerUnreachable: no broker answers, or none lets us in (`LoginRefused`).
    """
    admin, existing = _ask(bootstrap_servers)
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


def _ask(bootstrap_servers: str) -> tuple[AdminClient, dict[str, int]]:
    """A client that has been answered, and what it was told: topic -> its number of partitions."""
    refusals: list[str] = []

    def on_error(error: KafkaError) -> None:
        if error.code() in _REFUSED:
            refusals.append(error.str())

    admin = AdminClient({**librdkafka(bootstrap_servers), "log_level": 0, "error_cb": on_error})
    for seconds in _TRIES:
        try:
            known = admin.list_topics(timeout=seconds).topics
        except KafkaException:
            admin.poll(0)  # only here is `on_error` called
        else:
            return admin, {name: len(topic.partitions) for name, topic in known.items()}
        if refusals:
            raise LoginRefused(f"{bootstrap_servers} does not let us in: {refusals[-1]}")
    raise BrokerUnreachable(f"no broker answers at {bootstrap_servers}")
