"""What each vendor allows, who may use how much of it, and what waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import confluent_kafka

from console.topic_log import partitions_of
from pipeline import topics
from pipeline.domain.budget import Split, split
from pipeline.domain.control_records import Heard
from pipeline.settings import BUDGETS, Settings
from pipeline.stream.cluster import librdkafka

CALLERS = {"richpanel": "act-", "shopify": "act-", "openai": "classify-"}
"""Vendor -> how the names of the workers begin that it is the main business of."""
VENDORS = tuple(CALLERS)
_MINUTE = 60.0
_TIMEOUT = 10.0


@dataclass(frozen=True)
class Budget:
    """One limit of a vendor, and its parts in the same unit for the same seconds."""

    unit: str
    limit: float
    seconds: float
    parts: Split

    def in_words(self) -> str:
        """For a person."""
        return f"{number(self.limit)} {self.unit} in {self.seconds:g} s"


def number(value: float) -> str:
    """For a person: 100,000,000 and 1.6."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def budgets(settings: Settings, vendor: str) -> list[Budget]:
    """The limits of `vendor`, as the stages split them."""
    kept = settings.vendor_kept_share
    match vendor:
        case "richpanel":
            limit, seconds = settings.vendor_budget, settings.vendor_window
            return [Budget("requests", limit, seconds, settings.helpdesk_split)]
        case "shopify":
            rate = settings.shopify_rate
            return [Budget("requests", rate, 1.0, split(rate, kept=kept, reading=0.0))]
        case _:
            return [
                # The model is asked by the stage that reads.
                Budget(unit, limit, _MINUTE, split(limit, kept=kept, reading=1.0))
                for unit, limit in (
                    ("requests", settings.openai_requests),
                    ("tokens", settings.openai_tokens),
                )
            ]


@dataclass(frozen=True)
class InUse:
    """A vendor's budget as its callers have it, and whose word that is."""

    budgets: Sequence[Budget]
    of: str | None
    """A running worker; None where none runs, so that they are this shell's settings."""
    differing: Sequence[str] = ()
    """Running workers with other settings."""

    def in_words(self) -> str:
        """Where the figures come from, for a person."""
        if self.of is None:
            return "this shell's settings, no worker that calls it runs"
        return f"{self.of}{''.join(f', UNLIKE {each}' for each in self.differing)}"


def in_use(settings: Settings, heard: Iterable[Heard], vendor: str, *, now: float) -> InUse:
    """The budget of `vendor` as its running callers split it; `now` is broker time in seconds."""
    running = sorted(
        (each.record for each in heard if each.is_live(now) and each.record.budgets),
        key=lambda record: record.name,
    )
    callers = [each for each in running if each.name.startswith(CALLERS[vendor])]
    if not callers:
        return InUse(budgets(settings, vendor), None)
    said = callers[0].budgets
    theirs = settings.model_copy(update={name: said[name] for name in BUDGETS if name in said})
    differing = [each.name for each in callers if each.budgets != said]
    return InUse(budgets(theirs, vendor), callers[0].name, differing)


@dataclass(frozen=True)
class Waiting:
    """Records that wait: parked ones by tier, and those that two stages have not ended yet."""

    parked: Mapping[str, int]
    act: int
    classify: int

    def queued(self, vendor: str) -> int:
        """What waits where `vendor` is called; nothing ever waits for the shop."""
        match vendor:
            case "richpanel":
                return sum(self.parked.values()) + self.act
            case "openai":
                return self.classify
            case _:
                return 0


def waiting(bootstrap_servers: str) -> Waiting:
    """What waits now."""
    specs = {tier: spec.name for tier, spec in topics.PARKED.items()}
    behind = _lag(bootstrap_servers, topics.PARKING_GROUP, specs.values())
    parked = {tier: behind[name] for tier, name in specs.items()}
    backlog = {
        stage: _lag(bootstrap_servers, f"switchboard-{stage}", [topics.STAGE_SOURCES[stage].name])
        for stage in ("act", "classify")
    }
    return Waiting(parked, *(sum(each.values()) for each in backlog.values()))


def _lag(bootstrap_servers: str, group: str, names: Iterable[str]) -> dict[str, int]:
    """Topic -> records that `group` has not committed."""
    consumer = confluent_kafka.Consumer(
        {**librdkafka(bootstrap_servers), "group.id": group, "log_level": 0}
    )
    behind = {}
    try:
        for name in names:
            known = partitions_of(consumer, name)
            places = [confluent_kafka.TopicPartition(name, number) for number in known]
            behind[name] = 0
            for place in consumer.committed(places, timeout=_TIMEOUT):
                low, high = consumer.get_watermark_offsets(place, timeout=_TIMEOUT)
                behind[name] += high - max(low, place.offset)
    finally:
        consumer.close()
    return behind
