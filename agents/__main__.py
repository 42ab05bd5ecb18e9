"""`python -m agents STAGE`: one stage as a process; the only place that names vendor clients.

Prints one JSON line when it is ready. Exit codes: `pipeline.stream.guard`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import orjson
import uvloop

from agents import lag, parking, windows_query
from agents.act import READ_AND_WRITE
from agents.act_stage import assemble
from agents.alert_stage import alerts_route, attach_alerts
from agents.calls import Calls
from agents.classify import Classification, attach_classify
from agents.dedup import attach_dedup
from agents.gate_on_control import make_gate
from agents.model import GatedClassifier
from agents.observe import attach_observe
from agents.parked import Parking
from agents.reading import Reading
from agents.status import Route, StatusServer, status_routes
from agents.windows_peers import Windows, fetch_json, peers_on
from pipeline import topics, tracing
from pipeline.app import Stage, make_stage
from pipeline.brokers import brokers
from pipeline.clients.openai_classifier import OpenAIClassifier
from pipeline.clients.richpanel import Richpanel
from pipeline.clients.shopify import Shopify
from pipeline.control import sweep
from pipeline.domain.concurrency import AdaptiveLimit
from pipeline.domain.modes import Mode, Subject
from pipeline.domain.token_bucket import WindowBucket
from pipeline.domain.webhook import read_webhook
from pipeline.mending import mended
from pipeline.ports import MODEL_ATTEMPTS
from pipeline.settings import Settings, SettingsError, address, listening, load_settings
from pipeline.stream import admin, startup
from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.expiry import keep_expiring
from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH, EXIT_USAGE, crash
from pipeline.telemetry import configure_logging
from tables import decisions, ledger, seen, windows

log = logging.getLogger("agents")

MINUTE = 60.0
WAIT_SHARE = 0.2
"""Part of the model's deadline that may pass before it is asked."""
STOP_GRACE = 40.0
"""Seconds that a stop may take: running work gets 25 of them. Without a broker Faust goes on asking
for it and would never end; what is not committed then is read again."""


def build_dedup(settings: Settings) -> tuple[Stage, Mapping[str, Route]]:
    """The dedup stage."""
    stage = make_stage("dedup", seen.NAME, settings, retention=seen.RETENTION)
    own = frozenset({*settings.own_author_ids, *filter(None, [settings.bot_agent_id])})

    def read(source: str, body: bytes) -> Any:
        return read_webhook(source, body, own_author_ids=own)

    attach_dedup(stage, read=read, tenant=settings.tenant, now=time.time, on_crash=crash)
    return stage, {}


def build_classify(settings: Settings) -> tuple[Stage, Mapping[str, Route]]:
    """The classify stage; without an API key the rules decide alone."""
    stage = make_stage(
        "classify",
        decisions.NAME,
        settings,
        retention=decisions.RETENTION,
        longest_call=settings.vendor_timeout,
    )
    broker_now = BrokerClock(stage.control.view, monotonic=time.monotonic)
    has_model = bool(settings.openai_api_key.get_secret_value() or settings.openai_base_url)
    has_desk = bool(settings.richpanel_key.get_secret_value())
    work = Classification(
        stage,
        classifier=_model(settings, stage) if has_model else None,
        reading=_reading(settings, stage, broker_now) if has_desk else None,
        # Twice: what is before it has its own deadline to be read in, and jitter on top.
        parking=Parking(
            stage, deadline=2 * settings.read_deadline, now=broker_now, uniform=random.uniform
        ),
        tag_prefix=settings.tag_prefix,
        now=time.time,
    )
    attach_classify(stage, work, concurrency=settings.classify_concurrency, on_crash=crash)
    return stage, {}


def _reading(settings: Settings, stage: Stage, broker_now: BrokerClock) -> Reading:
    """The helpdesk's tickets, within the part of its budget that is for reading."""
    share = settings.helpdesk_split.reading
    gate = make_gate("richpanel", _helpdesk_budget(settings, share), settings, stage, turn=1)
    calls = Calls(gate, deadline=settings.read_deadline, now=broker_now, uniform=random.uniform)
    return Reading(
        Richpanel.from_settings(settings, meter=gate),
        calls,
        stage.control,
        rate=share / settings.vendor_window,
        longest_read=settings.vendor_timeout,
    )


def _helpdesk_budget(settings: Settings, limit: float) -> WindowBucket:
    """`limit` requests in each of the helpdesk's windows."""
    return WindowBucket(limit=limit, window=settings.vendor_window)


def _model(settings: Settings, stage: Stage) -> GatedClassifier:
    """The model, asked within the deadline and only while it can take more."""
    within = settings.openai_deadline * WAIT_SHARE
    requests = WindowBucket(limit=settings.openai_requests * settings.our_share, window=MINUTE)

    def may_call(channel: str) -> bool:
        return stage.control.effective(Subject(settings.tenant, channel)) is not Mode.STOP

    # A first call alone would send the rest of a backlog to the rules while the model thinks.
    gate = make_gate("openai", requests, settings, stage, turn=MODEL_ATTEMPTS, starts_alone=False)
    return GatedClassifier(
        OpenAIClassifier.from_settings(
            settings,
            deadline=settings.openai_deadline - within,
            meter=gate,
            may_call=may_call,
        ),
        gate,
        WindowBucket(limit=settings.openai_tokens * settings.our_share, window=MINUTE),
        AdaptiveLimit(most=settings.classify_concurrency),
        control=stage.control,
        tenant=settings.tenant,
        within=within / 2,
        monotonic=time.monotonic,
    )


def build_act(settings: Settings) -> tuple[Stage, Mapping[str, Route]]:
    """The act stage."""
    stage = make_stage(
        "act",
        ledger.NAME,
        settings,
        retention=ledger.RETENTION,
        longest_call=settings.vendor_timeout,
    )
    budget = _helpdesk_budget(settings, settings.helpdesk_split.acting)
    gate = make_gate("richpanel", budget, settings, stage, turn=READ_AND_WRITE)
    shop_budget = WindowBucket(
        limit=settings.shopify_burst * settings.our_share,
        window=settings.shopify_burst / settings.shopify_rate,
    )
    shop_gate = make_gate("shopify", shop_budget, settings, stage, turn=1)
    assemble(
        stage,
        Richpanel.from_settings(settings, meter=gate),
        gate,
        settings,
        shop=Shopify.from_settings(settings, meter=shop_gate),
        shop_gate=shop_gate,
        on_crash=crash,
    )
    return stage, {}


def build_observe(settings: Settings) -> tuple[Stage, Mapping[str, Route]]:
    """The observe stage, which also answers /windows and /lag."""
    stage = make_stage(
        "observe", windows.NAME, settings, retention=windows.RETENTION, gather=windows.GATHER
    )
    attach_observe(stage, now=time.time, on_crash=crash)
    observer = lag.attach_lag(stage, settings)
    control = stage.control
    kept = Windows(
        windows.WindowsTable(stage.table),
        partitions=settings.partitions,
        peers=peers_on(control, lambda: control.url),
        fetch=fetch_json,
    )

    has_desk = bool(settings.richpanel_key.get_secret_value())
    alerting = attach_alerts(
        stage,
        settings,
        ask=kept.lines,
        lag=observer.watch,
        desk=Richpanel.from_settings(settings) if has_desk else None,
        on_crash=crash,
    )
    return stage, {
        **windows_query.routes(kept, now=time.time),
        "/lag": lag.route(observer.watch),
        "/alerts": alerts_route(alerting.board, alerting.rules),
    }


BUILDERS: dict[str, Callable[[Settings], tuple[Stage, Mapping[str, Route]]]] = {
    "dedup": build_dedup,
    "classify": build_classify,
    "act": build_act,
    "observe": build_observe,
}


async def run(name: str, settings: Settings) -> int:
    """Runs a stage until SIGTERM or SIGINT; the exit code."""
    mismatches = await asyncio.to_thread(
        admin.check,
        brokers(settings),
        topics.plans(partitions=settings.partitions, replication=settings.replication),
    )
    if mismatches:
        sys.stderr.write(
            "the topics do not fit this version:\n  " + "\n  ".join(map(mended, mismatches)) + "\n"
        )
        return EXIT_CONFIG
    if settings.traces_url:
        tracing.start(settings.traces_url, name)
    bound = listening(settings)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        # From the signal on: where the broker goes away in the middle of a start, Faust never ends it
        # and nothing behind it would be reached.
        loop.call_later(STOP_GRACE, functools.partial(crash, "stop", code="slow"))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    if name == parking.NAME:
        await parking.serve_parking(settings, bound, stop, lambda url: _say_ready(name, url))
        return 0
    stage, routes = BUILDERS[name](settings)
    refusals = startup.problems(stage.app)
    if refusals:
        sys.stderr.write("this worker must not start:\n  " + "\n  ".join(refusals) + "\n")
        return EXIT_CONFIG
    server = StatusServer({**status_routes(lambda: stage.app.is_ready), **routes})
    serving = asyncio.create_task(server.serve([bound]))
    stage.control.url = address(bound)
    await stage.follower.start()
    await _first(stop.wait(), stage.follower.wait_known())
    await sweep(stage.control, stage.follower)
    for each in stage.alongside:
        await each.start()
    await stage.app.start()
    announce = asyncio.create_task(_announce(name, stage, server))
    expiring = asyncio.create_task(_expire(stage))
    # What lives now lives for ever: keeping it out of every later collection saves its cost.
    gc.freeze()
    code = await _until(stop, stage)
    announce.cancel()
    if code:
        stage.app.end(name, RuntimeError("the Faust app crashed"))
    await stage.app.stop()
    expiring.cancel()
    for each in stage.alongside:
        await each.stop()
    await stage.follower.stop()
    await stage.producer.close()
    await stage.table.close()
    server.stop()
    await serving
    return code


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Returns when one of `waits` has; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _announce(name: str, stage: Stage, server: StatusServer) -> None:
    while not (stage.app.is_ready and server.started):  # noqa: ASYNC110 - Faust has no such event
        await asyncio.sleep(0.05)
    _say_ready(name, server.url)


def _say_ready(name: str, url: str) -> None:
    line = {"ready": True, "stage": name, "url": url}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


async def _expire(stage: Stage) -> None:
    try:
        await keep_expiring(stage.table, stage.producer, sleep=asyncio.sleep)
    except Exception as error:  # noqa: BLE001 - whatever it is, only a fresh start mends it
        stage.app.end("expiry", error)


async def _until(stop: asyncio.Event, stage: Stage) -> int:
    """0 when asked to stop, 70 when the Faust app has crashed by itself."""
    while not stop.is_set():
        if stage.app.crashed or stage.app.should_stop:
            return EXIT_CRASH
        try:
            await asyncio.wait_for(stop.wait(), 0.5)
        except TimeoutError:
            continue
    return 0


def main(arguments: list[str]) -> int:
    """Reads the settings and runs the stage that `arguments` name."""
    names = (*BUILDERS, parking.NAME)
    if len(arguments) != 1 or arguments[0] not in names:
        sys.stderr.write(f"usage: python -m agents {{{','.join(names)}}}\n")
        return EXIT_USAGE
    configure_logging()
    try:
        settings = load_settings()
        return uvloop.run(run(arguments[0], settings))
    except (SettingsError, tracing.TracesMissing) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_CONFIG
    except admin.BrokerUnreachable as error:
        sys.stderr.write(f"error: {mended(error)}\n")
        return EXIT_CRASH  # the broker may come: a restart helps
    finally:
        tracing.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
