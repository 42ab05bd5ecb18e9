"""Windows made anew from the audit trail: for ranges older than the windows that `observe` keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import confluent_kafka

from pipeline import topics
from pipeline.domain.events import Audit, UnreadableValue
from pipeline.domain.windows import Window, fold, window_start
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.cluster import librdkafka

_TIMEOUT = 10.0
_RUN = 5_000
"""Records that are folded at once."""

Folded = dict[tuple[int, int], Window]
"""Partition and start of a window -> the window."""


def windows_of_trail(bootstrap_servers: str, begin: int, end: int) -> list[Window]:
    """The windows of [`begin`, `end`) in unix seconds, as `observe` folds them.

    Reads that part of the topic once; by the broker's time, so nothing of the range lies outside.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    consumer = confluent_kafka.Consumer(
        {
            **librdkafka(bootstrap_servers),
            "group.id": "console",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        try:
            left = _places(consumer, begin, end)
        except confluent_kafka.KafkaException:
            raise BrokerUnreachable(f"no broker answers at {bootstrap_servers}") from None
        consumer.assign(
            [confluent_kafka.TopicPartition(topics.AUDIT.name, *place) for place in left]
        )
        behind = {partition: last for (partition, _), last in left.items()}
        folded: Folded = {}
        while behind:
            fold_run(folded, _run(consumer, behind), begin, end)
        return list(folded.values())
    finally:
        consumer.close()


def fold_run(
    folded: Folded, run: Iterable[tuple[int, int, float, bytes | None]], begin: int, end: int
) -> None:
    """Adds records, as (partition, offset, unix seconds, value), that lie in [`begin`, `end`)."""
    audits: dict[tuple[int, int], list[tuple[int, Audit]]] = defaultdict(list)
    for partition, offset, at, value in run:
        if not begin <= at < end:
            continue
        try:
            audits[partition, window_start(at)].append((offset, Audit.parse(value)))
        except UnreadableValue:
            continue  # `observe` has put it to the dead letters
    for place, records in audits.items():
        folded[place] = fold(folded.get(place), place[1], records)


def _places(consumer: confluent_kafka.Consumer, begin: int, end: int) -> dict[tuple[int, int], int]:
    """Partition and first offset of the range -> the offset behind its last; none where it is empty."""
    name = topics.AUDIT.name
    numbers = consumer.list_topics(name, timeout=_TIMEOUT).topics[name].partitions
    found = {}
    for number in numbers:
        ends = consumer.get_watermark_offsets(
            confluent_kafka.TopicPartition(name, number), timeout=_TIMEOUT
        )
        first, last = (
            consumer.offsets_for_times(
                [confluent_kafka.TopicPartition(name, number, at * 1000)], timeout=_TIMEOUT
            )[0].offset
            for at in (begin, end)
        )
        # A time behind the last record has no offset: -1.
        last = ends[1] if last < 0 else last
        if 0 <= first < last:
            found[number, first] = last
    return found


def _run(
    consumer: confluent_kafka.Consumer, behind: dict[int, int]
) -> list[tuple[int, int, float, bytes | None]]:
    """The next records; a partition that is through leaves `behind`."""
    run = []
    for message in consumer.consume(_RUN, timeout=0.5):
        if message.error() is not None:
            raise confluent_kafka.KafkaException(message.error())
        partition, offset = message.partition(), message.offset()
        if offset < behind.get(partition, 0):
            run.append((partition, offset, message.timestamp()[1] / 1000, message.value()))
        if offset + 1 >= behind.get(partition, 0):
            behind.pop(partition, None)
    return run
