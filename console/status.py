"""`./switchboard status`: everything that one looks at first, on one screen, the worst first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson
import typer
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from console.board import alerts_now
from console.budgets import VENDORS, Waiting, waiting
from console.bulk import Output
from console.lag import OwnLooks, Seen, ask
from console.limits import gate_of
from console.operating import Operator, described, operating
from console.overview import Facts, Level, Section, sections
from console.topic_log import TopicMissing
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.mending import mended
from pipeline.settings import Settings, load_settings
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.cluster import librdkafka

HOUR = 3600.0
ANSWERS_WITHIN = 2.5
"""Seconds that a broker has to answer; with the start of Python a dead one is told within five."""
COLOURS = {Level.WELL: "green", Level.LOOK: "yellow", Level.BAD: "bold red"}
WORDS = {Level.WELL: "all is well", Level.LOOK: "look at this", Level.BAD: "act now"}
LETTERS = (
    *(topics.dead_letters_of(spec).name for spec in topics.STAGE_SOURCES.values()),
    topics.QUARANTINED.name,
)
_TIMEOUT = 10.0


def status(output: Output = "table") -> None:
    """Show mode, alerts, age, dead letters, vendors, lag and processes, the worst first."""
    settings = load_settings()
    facts = asyncio.run(gather(settings))
    found = sections(facts)
    if output == "json":
        worst = max(section.level for section in found)
        answer = {"worst": worst.name, "sections": [_as_json(each) for each in found]}
        typer.echo(orjson.dumps(answer | asdict(facts), option=orjson.OPT_INDENT_2).decode())
        return
    Console().print(screen(found, at=time.time()))


def _as_json(section: Section) -> dict[str, Any]:
    lines = [{"text": line.text, "level": line.level.name} for line in section.lines]
    return {"title": section.title, "level": section.level.name, "lines": lines}


def screen(found: Sequence[Section], *, at: float) -> RenderableType:
    """One panel; `at` is unix seconds."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(style="dim")  # a mark before each line, so that a wrapped one is seen as one
    table.add_column()
    for section in found:
        for number, line in enumerate(sorted(section.lines, key=lambda line: -line.level)):
            title = Text(section.title, style=COLOURS[section.level]) if not number else Text()
            style = COLOURS[line.level] if line.level else ""
            table.add_row(title, "·", Text(line.text, style=style))
    worst = max(section.level for section in found)
    return Panel(
        table,
        title=Text(f"Switchboard: {WORDS[worst]}", style=COLOURS[worst]),
        subtitle=f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC",
        border_style=COLOURS[worst],
    )


# -- finding out ------------------------------------------------------------------------------


async def gather(settings: Settings) -> Facts:
    """What can be found out now.

    Raises:
        BrokerUnreachable: no broker answers, so nothing can.
        ControlLost: the control topic is not there.
    """
    async with operating(brokers(settings), within=ANSWERS_WITHIN) as operator:
        await operator.known()
        missing: dict[str, str] = {}
        control = described(operator.control)
        lags, letters, left, alerts = await asyncio.gather(
            _or_missing(missing, "lag", _lag(operator, settings)),
            _or_missing(missing, "letters", asyncio.to_thread(letters_of, settings)),
            _or_missing(missing, "queued", asyncio.to_thread(waiting, brokers(settings))),
            _or_missing(missing, "alerts", asyncio.to_thread(alerts_now, brokers(settings))),
        )
        return Facts(
            modes=control["modes"],
            processes=control["processes"],
            vendors=[_vendor(operator, left, name) for name in VENDORS],
            lags=None if lags is None else lags.lags,
            lag_source="nobody" if lags is None else lags.source,
            letters=letters,
            alerts=None if alerts is None else alerts.rows,
            doubts=() if alerts is None else alerts.doubts,
            missing=missing,
        )


async def _or_missing(missing: dict[str, str], name: str, finding: Any) -> Any:
    """What `finding` finds; None, with the reason in `missing`, when it cannot."""
    try:
        return await finding
    except (BrokerUnreachable, TopicMissing) as error:
        missing[name] = mended(error)
    except KafkaException as error:
        missing[name] = error.args[0].str()
    return None


async def _lag(operator: Operator, settings: Settings) -> Seen:
    told = await ask(operator)
    if told is not None:
        return told
    mine = OwnLooks(operator, settings)
    try:
        return await mine.look()
    finally:
        await asyncio.to_thread(mine.close)


def _vendor(operator: Operator, left: Waiting | None, vendor: str) -> dict[str, Any]:
    row = gate_of(operator.control.gate(vendor), now=time.time())
    until = row["closed_until"]
    return {
        "vendor": vendor,
        "queued": None if left is None else left.queued(vendor),
        **row,
        "until": "its record can be read"
        if until is None
        else datetime.fromtimestamp(until, UTC).strftime("%H:%M:%S UTC"),
    }


def letters_of(settings: Settings) -> dict[str, dict[str, int]]:
    """Topic -> records that are kept, and those of the last hour; dead letters and quarantine."""
    admin = AdminClient({**librdkafka(brokers(settings)), "log_level": 0})
    known = admin.list_topics(timeout=_TIMEOUT).topics
    places = [
        TopicPartition(name, number)
        for name in LETTERS
        if name in known
        for number in known[name].partitions
    ]
    begins, lately, ends = (
        _offsets(admin, places, spec)
        for spec in (
            OffsetSpec.earliest(),
            OffsetSpec.for_timestamp(round((time.time() - HOUR) * 1000)),
            OffsetSpec.latest(),
        )
    )
    counts = {name: {"all": 0, "last_hour": 0} for name in LETTERS if name in known}
    for where, end in ends.items():
        counts[where[0]]["all"] += end - begins[where]
        # -1 = no record is that young.
        counts[where[0]]["last_hour"] += end - lately[where] if lately[where] >= 0 else 0
    return counts


def _offsets(
    admin: AdminClient, places: Sequence[TopicPartition], spec: OffsetSpec
) -> Mapping[tuple[str, int], int]:
    asked = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_TIMEOUT)
    return {
        (at.topic, at.partition): future.result(timeout=_TIMEOUT).offset
        for at, future in asked.items()
    }
