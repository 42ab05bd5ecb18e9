"""A Faust app with the durable layer set on it: transport, raw topics, tables, guard."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faust
from faust.topics import Topic

from pipeline.stream.consumer import BatchTransport
from pipeline.stream.table import DurableTable

MAX_POLL_RECORDS = 4000
SESSION_TIMEOUT = 10.0
"""Seconds of silence after which the group gives a worker's partitions to others."""


class BatchTopic(Topic):  # type: ignore[misc]
    """A topic whose messages carry a `Batch`; bytes are parsed by the agent, not here."""

    async def decode(self, message: Any, **_: Any) -> Any:
        """The event as it is: decoding in the conductor would ack what it cannot read."""
        return self._create_event(message.key, message.value, None, message=message)

    @property
    def queue(self) -> Any:
        """The agent's buffer, not cleared when flow resumes.

        Faust clears it while the fetcher already fills it, which drops records. Stale batches
        are told by their assignment instead.
        """
        queue: Any = self.__dict__.get("_queue")
        if queue is None:
            queue = self._queue = self.app.FlowControlQueue(maxsize=0, clear_on_resume=False)
        return queue


class DurableApp(faust.App):  # type: ignore[misc]
    """One consumer group: name it for its stage, one process per instance."""

    def __init__(
        self,
        name: str,
        *,
        bootstrap_servers: str,
        folder: Path,
        group_instance_id: str | None = None,
        gather: float = 0.0,
        **conf: Any,
    ) -> None:
        brokers = ";".join(f"kafka://{server}" for server in bootstrap_servers.split(","))
        super().__init__(
            name,
            broker=brokers,
            datadir=str(folder),
            store="memory://",
            Topic=BatchTopic,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=group_instance_id,
            broker_max_poll_records=MAX_POLL_RECORDS,
            broker_commit_interval=1.0,
            broker_session_timeout=SESSION_TIMEOUT,
            broker_heartbeat_interval=3.0,
            broker_rebalance_timeout=60.0,
            broker_request_timeout=90.0,
            stream_wait_empty=True,
            stream_recovery_delay=0.0,
            # No Faust tables, so no standbys: the plain round-robin assignor is used.
            table_standby_replicas=0,
            **conf,
        )
        self.durable: list[DurableTable] = []
        self.assigned: frozenset[int] = frozenset()
        """The source partitions that this process owns."""
        self.gather = gather
        """Seconds to wait before each fetch, so that batches grow where nobody waits for them."""

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    def batches(self, topic: str) -> BatchTopic:
        """The source topic of an agent: raw bytes, handed out as `Batch`."""
        source: BatchTopic = self.topic(topic, key_serializer="raw", value_serializer="raw")
        return source

    def on_stream_assigned(self, partitions: Iterable[int]) -> None:
        """Starts restoring the tables of newly assigned partitions."""
        self.assigned = frozenset(partitions)
        for table in self.durable:
            table.assign(self.assigned)

    @property
    def is_ready(self) -> bool:
        """Whether partitions are assigned and every table of theirs is restored."""
        return not self.rebalancing and all(table.is_ready for table in self.durable)
