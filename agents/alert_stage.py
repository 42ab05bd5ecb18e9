"""The alerts put together, beside the agent of `observe`."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping, Sequence

from agents.alert_facts import Ask, FactsReader, HelpdeskSample, LagView, LastWebhook
from agents.alert_sinks import sinks_of
from agents.alerting import Alerting
from agents.audit_reader import AuditReader
from agents.status import Answer, Route, json_answer
from agents.telling import Telling
from pipeline.alert_board import AlertBoard, Judgement, follow_alerts
from pipeline.app import Stage
from pipeline.brokers import brokers
from pipeline.domain.alerts import Rule, described, shipped_rules
from pipeline.lever import Lever
from pipeline.ports import RecentTickets
from pipeline.settings import Settings
from pipeline.stream.guard import Crash

SPEAKS = 0
"""The audit partition whose owner judges the alerts."""
MINUTE = 60.0


def attach_alerts(
    stage: Stage,
    settings: Settings,
    *,
    ask: Ask,
    lag: LagView,
    desk: RecentTickets | None,
    on_crash: Crash,
) -> Alerting:
    """Adds the judgement of alerts to the stage.

    Raises:
        SettingsError: a sink is set that cannot work.
        RulesError: the file of rules cannot be used.
    """

    def beat() -> bytes:
        return alerting.judged.to_bytes()

    board, follower = follow_alerts(
        brokers(settings),
        stage.producer,
        key=f"worker/{settings.instance}",
        monotonic=time.monotonic,
        on_crash=on_crash,
        beat=beat,
    )
    rules, trail = shipped_rules(), AuditReader(brokers(settings))
    alerting = Alerting(
        rules,
        board,
        follower,
        FactsReader(
            rules,
            stage.control,
            ask,
            lag,
            trail,
            LastWebhook(brokers(settings)),
            HelpdeskSample(desk),
            budgets_of(settings),
            time.time,
        ),
        trail,
        Lever(
            stage.control,
            stage.follower,
            stage.producer,
            now=time.time,
            monotonic=time.monotonic,
            new_id=lambda: uuid.uuid4().hex,
        ),
        Telling(board, follower, sinks_of(settings, now=time.time), time.time, random.uniform),
        settings.runbook_url,
        is_speaker=lambda: stage.table.is_open(SPEAKS) and SPEAKS in stage.table.partitions(),
        now=time.time,
        monotonic=time.monotonic,
    )
    stage.alongside.extend([follower, alerting])
    return alerting


def alerts_route(board: AlertBoard, rules: Sequence[Rule]) -> Route:
    """`GET /alerts`: every alert that fires or has fired, with the first lever of each.

    `judged_at` is unix seconds, null where nobody has judged; `not_judged` are rules that could not be.
    """
    by_name = {rule.name: rule for rule in rules}

    def answer(_query: Mapping[str, str]) -> Answer:
        states = sorted(board.states().values(), key=lambda each: (each.severity, each.since))
        rows = [described(each, by_name.get(each.rule)) for each in states]
        judged = board.judged() or Judgement()
        return json_answer(
            200, {"alerts": rows, "judged_at": judged.at, "not_judged": list(judged.unknown)}
        )

    return answer


def budgets_of(settings: Settings) -> dict[str, float]:
    """Vendor -> requests per second that it allows us, people's part included."""
    return {
        "richpanel": settings.vendor_budget / settings.vendor_window,
        "openai": settings.openai_requests / MINUTE,
        "shopify": settings.shopify_rate,
    }
