"""Every process that gives a sign of life on the control topic, as gauges."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.control import Control

METRICS = {
    "process_silent_seconds": "Time since a process gave its last sign of life.",
    "process_confirmed": "Whether a process has confirmed the last change: 1 or 0.",
}


class ControlCollector(Collector):
    """Gauges of `control` under `prefix`, read when Prometheus asks.

    Every `observe` process shows the same: take the maximum.
    """

    def __init__(self, prefix: str, control: Control) -> None:
        self._prefix = prefix
        self._control = control

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Two samples a process."""
        silent, confirmed = (
            GaugeMetricFamily(self._prefix + name, text, labels=["process"])
            for name, text in METRICS.items()
        )
        # Whoever was killed is heard of for an hour; the same name may live again.
        heard = sorted(self._control.processes(), key=lambda each: each.at)
        for name, each in {one.record.name: one for one in heard}.items():
            silent.add_metric([name], max(0.0, self._control.view.broker_time - each.at))
            confirmed.add_metric([name], each.record.confirmed >= self._control.epoch)
        yield from (silent, confirmed)
