"""What the layer knows of itself, read when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.stream.batch import Assignment

WATERMARK_AGE = "watermark_age_seconds"
IN_HAND = "in_hand_records"
METRICS = {
    WATERMARK_AGE: "Age of the oldest record in hand that is not durable yet; 0 when none is.",
    IN_HAND: "Records handed out whose outcome is not durable yet.",
}


class StreamCollector(Collector):
    """Gauges of every partition that is held, under `prefix`."""

    def __init__(
        self,
        prefix: str,
        assignments: Callable[[], Mapping[Any, Assignment]],
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._prefix = prefix
        self._assignments = assignments
        self._monotonic = monotonic

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample a partition and gauge."""
        families = {
            name: GaugeMetricFamily(self._prefix + name, text, labels=["topic", "partition"])
            for name, text in METRICS.items()
        }
        now = self._monotonic()
        for mine in list(self._assignments().values()):
            labels = [mine.topic, str(mine.partition)]
            families[WATERMARK_AGE].add_metric(labels, mine.age(now))
            families[IN_HAND].add_metric(labels, mine.watermark.pending)
        yield from families.values()
