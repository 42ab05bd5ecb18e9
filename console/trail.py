"""The audit trail as one environment wrote it: which webhook ended where."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

import confluent_kafka

from pipeline import topics
from pipeline.domain.events import Audit, UnreadableValue
from pipeline.stream.cluster import librdkafka

EFFECTS = {"routed": "tags", "replied": "reply"}
"""What a stage says it did -> the kind of effect that the helpdesk's journal must hold."""


class Trail:
    """Folds audit records; a record that comes twice changes nothing."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        """Ingress id -> its terminal outcome, the first that was recorded."""
        self.reasons: dict[str, str] = {}
        self.read: set[str] = set()
        """Ingress ids of webhooks whose words were read at the helpdesk."""
        self.contradictions = 0
        """Webhooks that were recorded with two different outcomes."""
        self.routed: dict[str, float] = {}
        """Ingress id -> seconds from webhook to route."""
        self.claims: set[tuple[str, str]] = set()
        """(conversation hash, effect) that a stage says to have had at the helpdesk."""

    def add(self, audit: Audit) -> None:
        """Takes one record."""
        if audit.what in EFFECTS and audit.conversation_hash is not None:
            self.claims.add((audit.conversation_hash, EFFECTS[audit.what]))
        if audit.what == "routed" and audit.seconds is not None:
            self.routed.setdefault(audit.ingress_id, audit.seconds)
        if audit.detail.get("read"):
            self.read.add(audit.ingress_id)
        # What an operator releases later ends once more; its first end stands.
        if audit.outcome is None or audit.detail.get("released"):
            return
        known = self.outcomes.setdefault(audit.ingress_id, audit.outcome.value)
        if known != audit.outcome.value:
            self.contradictions += 1
        if audit.reason is not None:
            self.reasons.setdefault(audit.ingress_id, audit.reason)

    def missing(self, ingress_ids: Iterable[str]) -> list[str]:
        """Those without a terminal outcome."""
        return [each for each in ingress_ids if each not in self.outcomes]

    def counts(self, ingress_ids: Iterable[str]) -> dict[str, int]:
        """Outcome -> number, of these webhooks."""
        known = (self.outcomes.get(each) for each in ingress_ids)
        return dict(sorted(Counter(each for each in known if each is not None).items()))

    def quantile(self, share: float) -> float | None:
        """Seconds from webhook to route that `share` of the routed ones did not exceed."""
        values = sorted(self.routed.values())
        if not values:
            return None
        return round(values[min(len(values) - 1, int(share * len(values)))], 4)


class TrailReader:
    """Reads the audit topic from where it ended when the reader was made, in its own thread."""

    def __init__(self, bootstrap_servers: str, trail: Trail) -> None:
        self._trail = trail
        self._consumer = confluent_kafka.Consumer(
            {
                **librdkafka(bootstrap_servers),
                "group.id": "console",
                # A close would otherwise wait for a commit that a stopped broker never answers.
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        where = []
        name = topics.AUDIT.name
        for partition in self._consumer.list_topics(name, timeout=10).topics[name].partitions:
            at = confluent_kafka.TopicPartition(name, partition)
            at.offset = self._consumer.get_watermark_offsets(at, timeout=10)[1]
            where.append(at)
        self._consumer.assign(where)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-trail", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, timeout=0.2):
                if message.error() is None:
                    try:
                        self._trail.add(Audit.parse(message.value()))
                    except UnreadableValue:
                        continue

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()
        self._consumer.close()
