"""What must hold before a worker of the layer starts (RELIABILITY R6, R15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SETTINGS: Mapping[str, tuple[object, str]] = {
    "stream_wait_empty": (True, "work in flight at SIGTERM would be lost"),
    "topic_allow_declare": (False, "Faust would make topics with settings of its own"),
    "topic_disable_leader": (True, "the leader topic is not in the topic table"),
    "web_enabled": (False, "Faust's web shows tables to anybody"),
    "consumer_auto_offset_reset": ("earliest", "a new group would skip what waits"),
    "processing_guarantee": ("at_least_once", "exactly_once crashes without Faust's tables"),
    "table_standby_replicas": (0, "standbys may write into the wrong table"),
    "broker_commit_interval": (1.0, "longer means more work again after a crash"),
    "broker_session_timeout": (10.0, "longer means later take-over"),
    "broker_heartbeat_interval": (3.0, "a third of the session"),
    "broker_max_poll_interval": (
        604800.0,
        "a worker whose partitions are full would leave the group",
    ),
    "broker_rebalance_timeout": (60.0, "a handler's 30 s must fit into it"),
    "version": (1, "another version is another group and an empty ledger"),
}
"""Setting of Faust -> what it must be, and what happens otherwise."""


def problems(app: Any) -> list[str]:
    """What about a Faust app would break the layer's promises, one line each."""
    found = [
        f"{name} is {actual!r}, not {wanted!r}: {why}"
        for name, (wanted, why) in SETTINGS.items()
        if not _same(actual := getattr(app.conf, name), wanted)
    ]
    found += [f"table {name}: Faust's tables lose events, use DurableTable" for name in app.tables]
    for name, agent in app.agents.items():
        if agent.concurrency != 1:
            found.append(f"agent {name} has concurrency {agent.concurrency}: use lanes")
        if agent._sinks:  # noqa: SLF001 - no public name
            found.append(f"agent {name} has sinks, which nobody awaits: produce in the agent")
    sources = {topic for agent in app.agents.values() for topic in _topics(agent)}
    if app.durable and len(sources) > 1:
        # A table is owned by the number of the partition alone.
        found.append(
            f"sources {', '.join(sorted(sources))} beside a table: two workers may get the same "
            "partition of two topics, and both would own that partition of the table; use an app "
            "for each"
        )
    return found


def _same(actual: object, wanted: object) -> bool:
    return str(getattr(actual, "value", actual)) == str(wanted)


def _topics(agent: Any) -> tuple[str, ...]:
    return tuple(getattr(agent.channel, "topics", ()))  # a channel in memory has none
