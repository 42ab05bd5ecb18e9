"""Topics: made by command, checked before a process starts, never changed silently."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from pipeline.stream.cluster import librdkafka

_TIMEOUT = 10.0
_TRIES = (1.0, 2.0, 7.0)
"""Seconds; a login that fails is told behind the first of them, a broker that is away after all."""
PARTITIONS = "partitions"
COPIES = "copies"
MIN_INSYNC = "min.insync.replicas"
UNCLEAN = "unclean.leader.election.enable"


def _is_enough(found: str, wanted: str) -> bool:
    return int(found) >= int(wanted)


CHECKED: Mapping[str, Callable[[str, str], bool]] = {
    PARTITIONS: operator.eq,
    COPIES: _is_enough,
    MIN_INSYNC: _is_enough,
    UNCLEAN: operator.eq,
    "cleanup.policy": operator.eq,
    "message.timestamp.type": operator.eq,
}
"""What changes a topic's meaning, or how much may break before what it acknowledged is lost -> when
what was found fits what is wanted. Retention and sizes are the operator's to tune."""
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
    """A name of `CHECKED`; empty = there is no such topic."""
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
        if self.setting == COPIES:
            return f"{self.topic} has a partition with {self.found} of {self.wanted} copies"
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


class Found(NamedTuple):
    """A topic as the broker has it."""

    copies: Sequence[int]
    """Of each partition; those on a broker that is away count too."""
    config: Mapping[str, str]


def misfits(plan: TopicPlan, found: Found | None) -> list[Misfit]:
    """How a topic differs from its plan; None = there is no such topic.

    A setting that the broker does not tell, or the plan does not name, is not judged.
    """
    if found is None:
        return [Misfit(plan.name)]
    wanted = {
        PARTITIONS: str(plan.partitions),
        COPIES: str(plan.replication),
        # Not in the plan: a hosted broker where it is off for good may refuse a topic that names it.
        UNCLEAN: "false",
        **plan.config,
    }
    actual = {
        PARTITIONS: str(len(found.copies)),
        COPIES: str(min(found.copies, default=0)),
        **found.config,
    }
    return [
        Misfit(plan.name, name, actual[name], wanted[name])
        for name, fits in CHECKED.items()
        if name in wanted and name in actual and not fits(actual[name], wanted[name])
    ]


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
    configs = _configs(admin, [plan.name for plan in plans if plan.name in existing])
    found = {name: Found(existing[name], config) for name, config in configs.items()}
    return [misfit for plan in plans for misfit in misfits(plan, found.get(plan.name))]


def _configs(admin: AdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Every setting of each topic as it holds, be it the topic's own or the broker's."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    described = admin.describe_configs(resources) if resources else {}
    return {
        resource.name: {
            name: entry.value for name, entry in future.result(timeout=_TIMEOUT).items()
        }
        for resource, future in described.items()
    }


def _ask(bootstrap_servers: str) -> tuple[AdminClient, dict[str, list[int]]]:
    """A client that has been answered, and what it was told: topic -> copies of each partition."""
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
            return admin, {
                name: [len(partition.replicas) for partition in topic.partitions.values()]
                for name, topic in known.items()
            }
        if refusals:
            raise LoginRefused(f"{bootstrap_servers} does not let us in: {refusals[-1]}")
    raise BrokerUnreachable(f"no broker answers at {bootstrap_servers}")
