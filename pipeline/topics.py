"""Every topic, in one table: name, key, value, cleanup, who writes and who reads.

Names, partition counts and cleanup policies are state: changing one strands what is stored
under the old one. All keyed topics have the same number of partitions, so a conversation has
the same partition number at every stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.domain.alerts import AlertState, BudgetState
from pipeline.domain.control_records import GateRecord, ProcessRecord, SwitchRecord
from pipeline.domain.dedup import Seen
from pipeline.domain.events import (
    AcceptedTicket,
    ActionRequest,
    Audit,
    CountedReply,
    Decision,
    Message,
    Withheld,
)
from pipeline.domain.incidents import Entry
from pipeline.domain.jobs import JobRecord
from pipeline.domain.ledger import Done, Intent, TicketReplies
from pipeline.domain.modes import ModeRecord
from pipeline.domain.notices import Delivery
from pipeline.domain.parking import TIERS, Queue
from pipeline.domain.rollup import Newest, Rolled
from pipeline.domain.windows import Window

MAX_MESSAGE_BYTES = 1_048_588
"""Kafka's own default; the ingress takes bodies up to a quarter of it."""

DAY_MS = 24 * 3600 * 1000
LATE_DELETION = 15 * 24 * 3600.0
"""Seconds that a record may outlive its topic's retention: the broker deletes whole segments, which
fill for 7 days, and a replay may have been under way."""


@dataclass(frozen=True)
class TopicSpec:
    """One topic: what is on it and how long it stays.

    `keyed` topics have the configured number of partitions, the others exactly one.
    `retention_ms` applies to cleanup policy ``delete``; -1 keeps for ever. `segment_bytes` is how
    much is written before compaction may begin; None leaves the broker's own.
    """

    name: str
    key: str
    value: type[Message] | tuple[type[Message], ...] | str
    """A model; one of several, as the key or the header ``sb-parked-to`` says; or words for bytes that are no JSON of ours."""
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    keyed: bool = True
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = 30 * DAY_MS
    segment_bytes: int | None = None
    delete_retention_ms: int | None = None
    """How long compaction keeps a tombstone; None leaves the broker's own."""

    def partitions(self, keyed: int) -> int:
        """How many partitions the topic has where keyed topics have `keyed`."""
        return keyed if self.keyed else 1


def _topic(name: str, **rest: object) -> TopicSpec:
    return TopicSpec(name=f"switchboard.{name}.v1", **rest)  # type: ignore[arg-type]


def dead_letters_of(spec: TopicSpec) -> TopicSpec:
    """The topic that takes `spec`'s permanent failures, bytes and headers intact."""
    return TopicSpec(
        name=f"{spec.name}.dlq",
        key=spec.key,
        value="as on the original topic",
        writers=spec.readers,
        readers=("console",),
        retention_ms=90 * DAY_MS,
    )


def changelog(stage: str, table: str, *rows: type[Message]) -> TopicSpec:
    """The topic that a durable table is rebuilt from; a few records of it are the table's own."""
    return _topic(
        f"{stage}-{table}-changelog",
        key="table key",
        value=rows,
        writers=(stage,),
        readers=(stage,),
        cleanup="compact",
        # A local store that was away for half of it is read anew.
        delete_retention_ms=7 * DAY_MS,
    )


RECEIVED = _topic(
    "tickets.received",
    key="conversation id, or a hash of the body",
    value="the webhook's body, as it came",
    writers=("ingress",),
    readers=("dedup",),
)
ACCEPTED = _topic(
    "tickets.accepted",
    key="conversation id",
    value=AcceptedTicket,
    writers=("dedup", "parking"),
    readers=("classify",),
)
REQUESTED = _topic(
    "actions.requested",
    key="conversation id",
    value=ActionRequest,
    writers=("classify", "parking"),
    readers=("act",),
)
PARKING = (ACCEPTED, REQUESTED)
"""The topics whose records may be parked: their stage parks, and they come back there."""
PARKED = {
    tier: _topic(
        f"actions.parked-{tier}",
        key="conversation id",
        value=(AcceptedTicket, ActionRequest),
        writers=("classify", "act"),
        readers=("parking",),
    )
    for tier, _ in TIERS
}
"""One topic per tier: see `pipeline.stream.parking`."""
GROUP_PREFIX = "switchboard-"
"""State: a stage's group is this and its name."""
PARKING_GROUP = "switchboard-parking"
"""State: its commits say what has been brought back."""
WITHHELD = _topic(
    "actions.withheld",
    key="conversation id",
    value=Withheld,
    writers=("act",),
    readers=("console",),
)
QUARANTINED = _topic(
    "tickets.quarantined",
    key="as received",
    value="the webhook's body, as it came",
    writers=("dedup",),
    readers=("console",),
    retention_ms=90 * DAY_MS,
)
AUDIT = _topic(
    "audit.recorded",
    key="conversation id or ingress id",
    value=Audit,
    writers=("ingress", "dedup", "classify", "act"),
    readers=("observe", "console"),
    retention_ms=90 * DAY_MS,
)
CONTROL = _topic(
    "control",
    key="mode/... gate/... template/... shed/... job/... process/...",
    value=(ModeRecord, GateRecord, SwitchRecord, JobRecord, ProcessRecord),
    writers=("console", "ingress", "dedup", "classify", "act", "observe"),
    readers=("console", "ingress", "dedup", "classify", "act", "observe"),
    # One partition: an offset is an epoch, and one record read back proves that all before it are.
    keyed=False,
    cleanup="compact",
    # Signs of life are a steady trickle; what a start has to read stays small.
    segment_bytes=1 << 20,
)
COUNTED = _topic(
    "replies.counted",
    key="reply/<customer hash>/<action id>, worker/<instance>",
    value=CountedReply,
    writers=("act",),
    readers=("act",),
    # Every act worker reads all of it: a customer's tickets lie on several partitions.
    keyed=False,
    cleanup="compact",
    segment_bytes=1 << 20,
)
ALERTS = _topic(
    "alerts",
    key="alert/<rule>/<group>, notice/<id>/<sink>, incident/<id>/<entry>, budget/<vendor>",
    value=(AlertState, Delivery, Entry, BudgetState),
    writers=("observe", "console"),
    readers=("observe", "console"),
    # One partition, as for control: one record read back proves that all before it are.
    keyed=False,
    cleanup="compact",
    segment_bytes=1 << 20,
)
SEEN = changelog("dedup", "seen", Seen)
DECISIONS = changelog("classify", "decisions", Decision, Queue)
LEDGER = changelog("act", "ledger", Intent, Done, TicketReplies, Queue)
WINDOWS = changelog("observe", "windows", Window, Rolled, Newest)

STAGE_SOURCES = {"dedup": RECEIVED, "classify": ACCEPTED, "act": REQUESTED, "observe": AUDIT}
"""The topic that each stage consumes."""

GROUPS: dict[str, tuple[str, ...]] = {
    **{GROUP_PREFIX + stage: (spec.name,) for stage, spec in STAGE_SOURCES.items()},
    PARKING_GROUP: tuple(spec.name for spec in PARKED.values()),
}
"""Every consumer group and the topics whose commits say how far it is. Control and counted replies
are followed without a group: each reader reads all of them."""

STAGE_CHANGELOGS = {"dedup": SEEN, "classify": DECISIONS, "act": LEDGER, "observe": WINDOWS}
"""The changelog of each stage's table."""

ALL: tuple[TopicSpec, ...] = (
    RECEIVED,
    ACCEPTED,
    REQUESTED,
    *PARKED.values(),
    WITHHELD,
    QUARANTINED,
    AUDIT,
    CONTROL,
    COUNTED,
    ALERTS,
    *(dead_letters_of(spec) for spec in STAGE_SOURCES.values()),
    *STAGE_CHANGELOGS.values(),
)

BY_NAME = {spec.name: spec for spec in ALL}


@dataclass(frozen=True)
class TopicPlan:
    """A topic as the broker must have it."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def plan(spec: TopicSpec, *, partitions: int, replication: int) -> TopicPlan:
    """`spec` where keyed topics have `partitions` and every partition `replication` copies."""
    config = {
        "cleanup.policy": spec.cleanup,
        # Broker time: windows and expiry must not hang on a worker's clock.
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication > 2 else "1",  # noqa: PLR2004 - one may fail
    }
    if spec.cleanup == "delete":
        config["retention.ms"] = str(spec.retention_ms)
    if spec.delete_retention_ms is not None:
        config["delete.retention.ms"] = str(spec.delete_retention_ms)
    if spec.segment_bytes is not None:
        config["segment.bytes"] = str(spec.segment_bytes)
    return TopicPlan(spec.name, spec.partitions(partitions), replication, config)


def plans(*, partitions: int, replication: int) -> list[TopicPlan]:
    """Every topic of an installation."""
    return [plan(spec, partitions=partitions, replication=replication) for spec in ALL]
