"""`./switchboard lag`: where every consumer group stands, judged in Burrow's words."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from console.bulk import Output
from console.operating import Operator, operating
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.control_records import ProcessRecord
from pipeline.domain.lag import WINDOW, Cause
from pipeline.lag import LOOK, STALE_AFTER, as_row, watching
from pipeline.settings import Settings, load_settings
from pipeline.stream.groups import Groups

ASK_TIMEOUT = 3.0
COLOURS = {"OK": "green", "WARN": "yellow", "REWIND": "magenta", "STALL": "red", "STOP": "bold red"}
WORDS = {
    "none": "",
    "dead": "no worker: start python -m agents {stage}",
    "unowned": "its workers hold it not: a rebalance that does not end",
    "stuck": "offset {committed} does not end: see its worker's log",
    "idle": "held, and not read: restart its worker",
    "looping": "workers restart at offset {committed} without progress: see their log",
    "rewound": "its commit went back: events are worked on again",
    "vendor": "its calls wait for a vendor, a restart does not help: ./switchboard limits show",
    "slow": "falls behind: more workers, or ./switchboard limits show",
}
"""Cause -> what a person does about it."""

All = Annotated[bool, typer.Option("--all", help="Also the partitions where nothing waits.")]
Watch = Annotated[bool, typer.Option("--watch", help="Look again every 3 s until Ctrl-C.")]


@dataclass(frozen=True)
class Seen:
    """The judgements, the worst first, and where they come from."""

    source: str
    lags: Sequence[Mapping[str, Any]]

    @property
    def is_complete(self) -> bool:
        """Whether a stall would be seen: there were enough samples of every partition."""
        return all(each["is_complete"] for each in self.lags)


def lag(watch: Watch = False, every: All = False, output: Output = "table") -> None:
    """Show read, committed, end, lag, age and state of every group, topic and partition."""
    asyncio.run(_show(load_settings(), watch=watch, every=every, output=output))


async def _show(settings: Settings, *, watch: bool, every: bool, output: str) -> None:
    async with operating(brokers(settings)) as operator:
        await operator.known()
        async with aclosing(looks(operator, settings)) as seen:
            if not watch:
                _print(await anext(seen), every=every, output=output)
            elif output == "json":
                async for each in seen:
                    _print(each, every=every, output=output)
            else:
                with Live(auto_refresh=False, screen=True) as live:
                    async for each in seen:
                        live.update(screen(each, every=every), refresh=True)


def _print(seen: Seen, *, every: bool, output: str) -> None:
    if output == "json":
        typer.echo(orjson.dumps(as_json(seen)).decode())
    else:
        Console().print(screen(seen, every=every))


def as_json(seen: Seen) -> dict[str, Any]:
    """All of it, one object."""
    return {"source": seen.source, "is_complete": seen.is_complete, "lags": seen.lags}


# -- looking ----------------------------------------------------------------------------------


async def looks(operator: Operator, settings: Settings) -> AsyncGenerator[Seen, None]:
    """One look after the other: from `observe` where one runs, otherwise from the broker.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    mine: OwnLooks | None = None
    try:
        while True:
            seen = await ask(operator)
            if seen is None:
                mine = mine or OwnLooks(operator, settings)
                seen = await mine.look()
            yield seen
            await asyncio.sleep(LOOK)
    finally:
        if mine is not None:
            await asyncio.to_thread(mine.close)


async def ask(operator: Operator) -> Seen | None:
    """What a running `observe` says; None when none runs or none has looked lately."""
    async with httpx.AsyncClient(timeout=ASK_TIMEOUT) as http:
        for record in observers(operator):
            try:
                said = (await http.get(f"{record.url}/lag")).raise_for_status().json()
            except (httpx.HTTPError, httpx.InvalidURL, ValueError):
                continue
            if operator.control.view.broker_time - said["looked_at"] <= STALE_AFTER:
                return Seen(record.name, said["lags"])
    return None


def observers(operator: Operator) -> list[ProcessRecord]:
    """The `observe` processes that live and can be asked."""
    control = operator.control
    return [
        heard.record
        for heard in control.processes()
        if heard.record.name.startswith("observe")
        and heard.record.url
        and heard.is_live(control.view.broker_time)
    ]


class OwnLooks:
    """Looks at the broker itself; a stall is seen after `WINDOW` seconds of it."""

    def __init__(self, operator: Operator, settings: Settings) -> None:
        self._groups = Groups(brokers(settings), topics.GROUPS)
        self._watch = watching(operator.control, monotonic=time.monotonic)

    async def look(self) -> Seen:
        """One look; the first is two, so that it tells which way the lag goes."""
        if not self._watch.lags:
            self._watch.take(await asyncio.to_thread(self._groups.look))
            await asyncio.sleep(LOOK)
        lags = self._watch.take(await asyncio.to_thread(self._groups.look))
        return Seen("the broker, asked by this command", [as_row(each) for each in lags])

    def close(self) -> None:
        """Ends the connections."""
        self._groups.close()


# -- telling ----------------------------------------------------------------------------------


def screen(seen: Seen, *, every: bool = False) -> RenderableType:
    """A table, the worst first; what to do about it; and in one line what is left out."""
    shown = [each for each in seen.lags if every or is_telling(each)]
    lines: list[RenderableType] = [table(shown)] if shown else []
    causes: dict[str, str] = {}
    for each in shown:
        if why(each):
            causes.setdefault(stage_of(each), why(each))
    lines += [Text(f"{stage}: {words}", style="bold") for stage, words in causes.items()]
    rest = Counter(stage_of(each) for each in seen.lags if each not in shown)
    if rest:
        counts = ", ".join(f"{stage} {count}" for stage, count in sorted(rest.items()))
        lines.append(Text(f"OK, nothing waits: {counts} partitions"))
    note = f"from {seen.source}"
    if not seen.is_complete:
        note += f"; a stall shows after {WINDOW:.0f} s of looking: --watch, or run observe"
    return Group(*lines, Text(note, style="dim"))


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line a partition."""
    numbers = ("read", "committed", "end", "lag", "waits", "trend")
    columns = (Column(each, justify="right") for each in numbers)
    lines = Table("state", "group", "topic/partition", *columns, box=None, pad_edge=False)
    for each in rows:
        lines.add_row(
            Text(each["state"], style=COLOURS[each["state"]]),
            stage_of(each),
            Text(f"{topic_of(each)}/{each['partition']}", no_wrap=True),
            "-" if each["read"] is None else str(each["read"]),
            *(str(each[name]) for name in ("committed", "end", "lag")),
            duration(each["age"]),
            f"{each['trend']:+.1f}/s" if each["trend"] else "",
        )
    return lines


def is_telling(row: Mapping[str, Any]) -> bool:
    """Whether a partition is more than one at its end."""
    return bool(row["state"] != "OK" or row["lag"])


def why(row: Mapping[str, Any]) -> str:
    """The cause in words, with what to do."""
    words = WORDS[row["cause"]].format(stage=stage_of(row), committed=row["committed"])
    # An `observe` of an earlier version does not tell.
    is_more = row.get("is_rewound") and row["cause"] != Cause.REWOUND
    return f"{words}; {WORDS[Cause.REWOUND]}" if is_more else words


def stage_of(row: Mapping[str, Any]) -> str:
    """The group without what all of them begin with."""
    return str(row["group"]).removeprefix(topics.GROUP_PREFIX)


def topic_of(row: Mapping[str, Any]) -> str:
    """The topic without what all of them begin and end with."""
    return str(row["topic"]).removeprefix("switchboard.").removesuffix(".v1")


def duration(seconds: float) -> str:
    """Seconds in two figures, as people say them: 42 s, 7 min, 3 h, 2 d."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else ""
