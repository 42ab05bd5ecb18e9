"""A Faust app with the durable layer set on it: transport, raw topics, tables, guard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import faust
from faust.auth import SASLCredentials
from faust.topics import Topic

from pipeline.stream import startup
from pipeline.stream.batch import Assignment
from pipeline.stream.cluster import aiokafka
from pipeline.stream.consumer import BatchTransport
from pipeline.stream.guard import Crash, crash
from pipeline.stream.stall import Blocked, StallMonitor
from pipeline.stream.table import DurableTable
from pipeline.stream.watchdog import LOOK, Stalled, Watchdog
from pipeline.stream.witness import Witness

MAX_POLL_RECORDS = 4000
SESSION_TIMEOUT = 10.0
"""Seconds of silence after which the group gives a worker's partitions to others."""
FATAL_STALL = SESSION_TIMEOUT / 2
"""Seconds. The last heartbeat may be 3 s older than a standstill, so a process that stood still for
7 s may have lost its partitions."""


class StartError(Exception):
    """The app is set up so that the layer cannot keep its promises."""


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


def _credentials(servers: str) -> Any:
    """The login of `servers` in Faust's words; None for none."""
    said = aiokafka(servers)
    context = said.get("ssl_context")
    if "sasl_mechanism" not in said:
        return context
    return SASLCredentials(
        username=said["sasl_plain_username"],
        password=said["sasl_plain_password"],
        mechanism=said["sasl_mechanism"],
        ssl_context=context,
    )


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
        on_crash: Crash = crash,
        **conf: Any,
    ) -> None:
        brokers = ";".join(f"kafka://{server}" for server in bootstrap_servers.split(","))
        super().__init__(
            name,
            broker=brokers,
            broker_credentials=_credentials(bootstrap_servers),
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
            # Nothing is fetched while every partition is full, as where a vendor's budget is far
            # behind. aiokafka would leave the group then and never join again; who stands still is
            # the watchdog's to tell.
            broker_max_poll_interval=7 * 24 * 3600.0,
            stream_wait_empty=True,
            stream_recovery_delay=0.0,
            # No Faust tables, so no standbys: the plain round-robin assignor is used.
            table_standby_replicas=0,
            **conf,
        )
        self.bootstrap_servers = bootstrap_servers
        self.durable: list[DurableTable] = []
        self.assigned: frozenset[int] = frozenset()
        """The source partitions that this process owns."""
        self.stalls = StallMonitor(
            limit=SESSION_TIMEOUT / 3,
            monotonic=time.monotonic,
            beside=Witness(),
            fatal=FATAL_STALL,
            on_fatal=self._stood_still,
        )
        """To be looked at right before every write: a zombie must not write."""
        self._on_crash = on_crash
        self.gather = gather
        """Seconds to wait before each fetch, so that batches grow where nobody waits for them."""

    async def on_start(self) -> None:
        """Starts, unless something is set that would break a promise.

        Raises:
            StartError: what and why, one line each.
        """
        found = startup.problems(self)
        if found:
            raise StartError("this worker must not start:\n  " + "\n  ".join(found))
        await super().on_start()
        self.add_future(self.stalls.run())
        self.add_future(self._watch())

    async def _watch(self) -> None:
        watchdog = Watchdog()
        while not self.should_stop:
            await self.sleep(LOOK)
            if self.should_stop:
                continue
            try:
                if self.rebalancing:
                    watchdog.rebalances(time.monotonic())
                else:
                    await watchdog.look(self.consumer, now=time.monotonic)
            except Stalled as error:
                self.end("watchdog", error)

    def end(self, where: str, error: BaseException) -> None:
        """Ends the process for a reason that is no record's: what is in hand gets its attempt back."""
        if self.started:
            self.consumer.take_back_now()
        self._on_crash(where, error)

    def _stood_still(self, error: BaseException) -> None:
        if isinstance(error, Blocked):
            self._on_crash("stall", error)
        else:
            self.end("stall", error)

    @property
    def assignments(self) -> Mapping[Any, Assignment]:
        """The partitions that this process holds."""
        held: Mapping[Any, Assignment] = self.consumer.assignments
        return held

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

    def is_open(self, partition: int) -> bool:
        """Whether every table is restored for `partition`: only then are its records handed out."""
        return all(table.is_open(partition) for table in self.durable)

    @property
    def is_ready(self) -> bool:
        """Whether partitions are assigned and every table of theirs is restored."""
        return not self.rebalancing and all(table.is_ready for table in self.durable)
