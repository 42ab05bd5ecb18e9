"""Where consumer groups stand: asked of the broker by a plain client, whoever the consumers are.

Nothing is committed and no group is joined; who looks disturbs nobody. The calls block.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.cluster import librdkafka
from pipeline.stream.heads import Heads, Where

log = logging.getLogger(__name__)

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One partition of a topic, for one group."""

    group: str
    topic: str
    partition: int
    committed: int
    """The next offset to be read; where nothing was committed, the first that there is."""
    end: int
    """One above the last offset."""
    owner: str | None
    """The member that the partition is assigned to."""
    members: int
    """Of the group."""
    waiting_since: float | None
    """Unix seconds since when the record at `committed` could be worked on; None = no record is."""


class Groups:
    """Looks at `sources`, group -> the topics that it consumes."""

    def __init__(self, bootstrap_servers: str, sources: Mapping[str, Sequence[str]]) -> None:
        self._bootstrap = bootstrap_servers
        self._sources = sources
        config = {**librdkafka(bootstrap_servers), "log_level": 0}
        self._admin = AdminClient(config)
        self._consumer = Consumer(
            {
                **config,
                # librdkafka wants one; nothing here joins it or commits.
                "group.id": "groups-look",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                # One record of each partition is wanted, and no read-ahead.
                "queued.min.messages": 1,
                "queued.max.messages.kbytes": 64,
                "fetch.message.max.bytes": 1000,
            }
        )
        self._heads = Heads(self._consumer)

    def close(self) -> None:
        """Gives the connections back."""
        self._consumer.close()

    def look(self) -> list[Standing]:
        """Every partition of every source as it is now, but for those that nobody answers for.

        Raises:
            BrokerUnreachable: no broker answers.
        """
        try:
            return self._look()
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnreachable(
                f"the broker at {self._bootstrap} does not tell where its groups stand "
                f"({_code(error)})"
            ) from None

    def _look(self) -> list[Standing]:
        places = self._places()
        owners = self._owners()
        committed = self._committed(places)
        topics = [at for each in places.values() for at in each]
        # The ends last: a commit that is asked for later could lie above them.
        begins = self._offsets(topics, OffsetSpec.earliest())
        ends = self._offsets(topics, OffsetSpec.latest())
        rows = [
            where
            for where in committed
            if where[0] in owners and where[1:] in begins and where[1:] in ends
        ]
        at_least = {where: max(committed[where], begins[where[1:]]) for where in rows}
        heads = self._heads.waiting_since(
            {where: offset for where, offset in at_least.items() if offset < ends[where[1:]]}
        )
        return [
            Standing(
                *where,
                committed=committed[where] if committed[where] >= 0 else begins[where[1:]],
                end=ends[where[1:]],
                owner=owners[where[0]][1].get(where[1:]),
                members=owners[where[0]][0],
                waiting_since=heads.get(where),
            )
            for where in rows
        ]

    def _places(self) -> dict[str, list[TopicPartition]]:
        known = self._admin.list_topics(timeout=_TIMEOUT).topics
        return {
            group: [
                TopicPartition(topic, number)
                for topic in topics
                if topic in known
                for number, at in known[topic].partitions.items()
                # Asked together, one partition without a leader would leave all unanswered.
                if at.leader >= 0
            ]
            for group, topics in self._sources.items()
        }

    def _owners(self) -> dict[str, tuple[int, dict[tuple[str, int], str]]]:
        """Group -> its number of members, and who of them holds which partition."""
        found: dict[str, tuple[int, dict[tuple[str, int], str]]] = {}
        asked = self._admin.describe_consumer_groups(list(self._sources), request_timeout=_TIMEOUT)
        for group, members in _answered(asked, _members).items():
            found[group] = (
                len(members),
                {
                    (at.topic, at.partition): member.member_id
                    for member in members
                    for at in member.assignment.topic_partitions
                },
            )
        return found

    def _committed(self, places: Mapping[str, list[TopicPartition]]) -> dict[Where, int]:
        """The committed offset, below 0 where there is none."""
        asked = {
            group: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, each)], request_timeout=_TIMEOUT
            )[group]
            for group, each in places.items()
            if each
        }
        return {
            (group, at.topic, at.partition): at.offset
            for group, answer in _answered(asked, _result).items()
            for at in answer.topic_partitions
            # Told with an error and no offset it would look as if nothing had ever been committed.
            if at.error is None
        }

    def _offsets(
        self, places: Sequence[TopicPartition], spec: OffsetSpec
    ) -> dict[tuple[str, int], int]:
        asked = self._admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_TIMEOUT)
        return {
            (at.topic, at.partition): answer.offset
            for at, answer in _answered(asked, _result).items()
        }


def _answered(asked: Mapping[Any, Any], read: Callable[[Any], Any]) -> dict[Any, Any]:
    """What each future told in time; one that told nothing must not hide the others.

    Raises:
        KafkaException: none told anything.
        TimeoutError: the same.
    """
    found: dict[Any, Any] = {}
    failure: Exception | None = None
    for key, future in asked.items():
        try:
            found[key] = read(future)
        except (KafkaException, TimeoutError) as error:
            failure = error
            log.warning("lag unknown", extra={"fields": {"of": str(key), "code": _code(error)}})
    if failure is not None and not found:
        raise failure
    return found


def _code(error: Exception) -> str:
    return str(error.args[0].name()) if isinstance(error, KafkaException) else "no_answer"


def _result(future: Any) -> Any:
    return future.result(timeout=_TIMEOUT)


def _members(future: Any) -> Sequence[Any]:
    try:
        return list(_result(future).members)
    except KafkaException as error:
        # A group that nobody has ever joined.
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return ()
        raise
