"""What the alerts are judged by, gathered: windows, control topic, lag, trail, helpdesk, broker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

import confluent_kafka
from confluent_kafka.admin import AdminClient, OffsetSpec

from agents.audit_reader import AuditReader
from pipeline import topics
from pipeline.control import Control
from pipeline.domain.alerts import Rule
from pipeline.domain.control_records import GATE_PREFIX
from pipeline.domain.lag import Lag, Place, State, is_idle
from pipeline.domain.query import Line, Question, ask
from pipeline.domain.signals import (
    LAST_WEEK,
    LOOK_BACK,
    SILENT_AFTER,
    Facts,
    Waiting,
    last_heard,
    measured,
    questions_of,
)
from pipeline.ports import RecentTickets, VendorError
from pipeline.stream.cluster import librdkafka

log = logging.getLogger(__name__)

SAMPLE_EVERY = 10.0
"""Seconds between two looks at the helpdesk's tickets, and only while no webhook comes: three
calls of 50 in its window, out of the part that automation leaves to people."""
SAMPLE_KEPT = 45.0
"""Seconds for which a look that could not be repeated still says something."""
HELPDESK = "richpanel"
_STANDING = frozenset({State.STALL, State.STOP})
_PER_BUDGET = 60.0
_WORK = frozenset(
    name for of_group in topics.GROUPS.values() for name in of_group if name != topics.AUDIT.name
)
"""The topics between an accepted webhook and its outcome, those of parked work included."""

Ask = Callable[[Iterable[Question]], Awaitable[Mapping[Question, Sequence[Line]]]]
"""What the windows say to each question; one that not all partitions answered is left out."""


class LagView(Protocol):
    """The part of a lag watch that is looked at."""

    @property
    def fresh(self) -> Sequence[Lag]:
        """The last judgements; none when they are old."""
        ...

    @property
    def missed(self) -> Sequence[Place]:
        """Known places of which the last look told nothing."""
        ...


class LastWebhook:
    """When the newest webhook became durable, asked of the broker: no stage need be alive."""

    def __init__(self, bootstrap_servers: str, *, timeout: float = 5.0) -> None:
        self._admin = AdminClient({**librdkafka(bootstrap_servers), "log_level": 0})
        self._timeout = timeout

    def look(self) -> float | None:
        """Broker time in unix seconds, 0 where none ever came; None where it is not known.

        It is not known while one partition does not answer: the newest may lie there.
        """
        name = topics.RECEIVED.name
        try:
            partitions = (
                self._admin.list_topics(name, timeout=self._timeout).topics[name].partitions
            )
            if not partitions:
                return None
            asked = {
                confluent_kafka.TopicPartition(name, each): OffsetSpec.max_timestamp()
                for each in partitions
            }
            found = [
                future.result().timestamp
                for future in self._admin.list_offsets(
                    asked, request_timeout=self._timeout
                ).values()
            ]
        except confluent_kafka.KafkaException:
            return None
        newest: int = max(0, *found)
        return newest / 1000


@dataclass
class HelpdeskSample:
    """When customers wrote, of the helpdesk's recent tickets; asked while no webhook comes."""

    desk: RecentTickets | None
    _at: float = field(default=0.0, init=False)
    _tried_at: float = field(default=0.0, init=False)
    _written: Sequence[float] | None = field(default=None, init=False)

    async def look(
        self, last_webhook_at: float, now: float, *, is_closed: bool
    ) -> Sequence[float] | None:
        """The moments (unix seconds); none while webhooks come, None where it is not known."""
        if now - last_webhook_at < SILENT_AFTER:
            return ()
        if self.desk is None:
            return None
        if now - self._tried_at >= SAMPLE_EVERY and not is_closed:
            self._tried_at = now
            try:
                self._written, self._at = await self.desk.customers_wrote(), now
            except VendorError as error:
                log.warning("no look at the helpdesk", extra={"fields": {"code": error.code}})
        return self._written if now - self._at <= SAMPLE_KEPT else None


@dataclass
class FactsReader:
    """Gathers `Facts`. `now` gives unix seconds."""

    rules: Sequence[Rule]
    control: Control
    ask: Ask
    lag: LagView | None
    trail: AuditReader
    last_webhook: LastWebhook
    sample: HelpdeskSample
    budgets: Mapping[str, float]
    """Vendor -> requests per second that it allows."""
    now: Callable[[], float]
    watching_since: float = 0.0
    """Since when this process judges, unix seconds. Where no webhook has ever come, a kind of process
    was never heard of or no mode was ever set, nothing is known of what was before this moment."""
    _last_heard: Mapping[str, float] = field(default_factory=dict, init=False)
    """Kind -> broker time; a kind whose only process is started anew has no sign for a moment."""

    async def look(self) -> tuple[Facts, dict[str, float]]:
        """What is known now, and the used part of each vendor's budget."""
        now = self.now()
        of_rules = {rule.name: questions_of(rule, now) for rule in self.rules if rule.metric}
        lately, last_week = (received_before(at) for at in (now, now - LAST_WEEK))
        calls = ask("vendor_requests", now - _PER_BUDGET, now, by=("vendor",))
        told = await self.ask({*chain(*of_rules.values()), lately, last_week, calls})
        said = await asyncio.to_thread(self.last_webhook.look)
        newest = None if said is None else said or self.watching_since
        gates = self._gates()
        closed = (gates or {}).get(HELPDESK, 0.0) > now
        facts = Facts(
            now=now,
            gates=gates,
            heard=self._heard(),
            judging_since=self.watching_since,
            waiting=self._waiting(),
            last_webhook_at=newest,
            written_at=None
            if newest is None
            else await self.sample.look(newest, now, is_closed=closed),
            webhooks=_total(told.get(lately)),
            webhooks_last_week=_total(told.get(last_week)),
            broken=self.trail.broken(
                self._broker_now(now),
                self.control.standing(unset_since=self.watching_since) or {},
                is_idle=is_idle(self._lags() or (), _WORK),
            ),
            values={
                rule.name: measured(rule, *(told[each] for each in of_rules[rule.name]))
                for rule in self.rules
                # On a part of the windows a rule would pass or fire by chance: it is left out.
                if rule.metric and all(each in told for each in of_rules[rule.name])
            },
        )
        return facts, self._budgets_used(calls, told.get(calls, ()))

    def _broker_now(self, now: float) -> float:
        """The time by the clock that calls and changes of the mode are stamped by, where it is known.

        A clock of ours that is ahead would have a call judged before the change that allowed it is read.
        """
        return self.control.view.broker_time if self.control.is_fresh else now

    def _waiting(self) -> dict[str, Waiting] | None:
        lags = self._lags()
        return None if lags is None else waiting(lags)

    def _lags(self) -> Sequence[Lag] | None:
        # The stage that was not seen may be the one that stands: it would count as well.
        return None if self.lag is None or self.lag.missed else self.lag.fresh

    def _gates(self) -> dict[str, float] | None:
        if not self.control.is_fresh:
            return None
        found = {}
        for key, _ in self.control.view.items(GATE_PREFIX):
            vendor = key.removeprefix(GATE_PREFIX)
            record = self.control.gate(vendor)
            found[vendor] = record.closed_until if record is not None else 0.0
        return found

    def _heard(self) -> dict[str, float] | None:
        if not self.control.is_fresh:
            return None
        now = self.control.view.broker_time
        signs = ((each.record.name, each.at) for each in self.control.processes())
        self._last_heard = last_heard(self._last_heard, signs, now=now)
        return {kind: max(0.0, now - at) for kind, at in self._last_heard.items()}

    def _budgets_used(self, calls: Question, lines: Iterable[Line]) -> dict[str, float]:
        rates = {
            line.labels["vendor"]: line.points[0].count / (calls.end - calls.begin)
            for line in lines
        }
        return {
            vendor: rate / self.budgets[vendor]
            for vendor, rate in rates.items()
            if vendor in self.budgets
        }


def received_before(at: float) -> Question:
    """How many webhooks came within `LOOK_BACK` before a unix second."""
    return ask("received", max(0.0, at - LOOK_BACK), at)


def _total(lines: Iterable[Line] | None) -> int | None:
    return None if lines is None else sum(line.points[0].count for line in lines)


def waiting(lags: Iterable[Lag]) -> dict[str, Waiting] | None:
    """What waits, by stage; None where nobody has looked lately."""
    found: dict[str, Waiting] = {}
    for lag in lags:
        stage = lag.place.group.rpartition("-")[2]
        before = found.get(stage, Waiting(0, 0.0, stands=False))
        found[stage] = Waiting(
            before.depth + lag.lag,
            max(before.age, lag.age),
            stands=before.stands or lag.state in _STANDING,
            is_rewound=before.is_rewound or lag.is_rewound,
        )
    return found or None
