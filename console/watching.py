"""What a failure-mode scenario watches: its alert, its metric and the runbook's own query."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from console.runbook import sections
from console.world import World
from pipeline.alert_board import AlertBoard, follow_alerts
from pipeline.domain.alerts import AlertState, Phase, shipped_rules

FIRES_WITHIN = 30.0
CLOSES_WITHIN = 150.0
"""Seconds: a minute of windows, the rule's quiet time, and a busy machine."""
WARM_WITHIN = 30.0


class QueryFailed(Exception):
    """A command of the runbook did not answer; the text is what it said."""


class Watch:
    """One scenario's eyes; judgements go through the world's `promise`."""

    def __init__(self, world: World, board: AlertBoard) -> None:
        self.world = world
        self._board = board
        self.began = time.time()
        self._rules = {rule.name: rule for rule in shipped_rules()}

    def state(self, alert: str) -> AlertState | None:
        """An alert as it was last written."""
        return self._board.states().get(alert)

    def firing(self) -> list[str]:
        """Every alert that fires."""
        return [each.id for each in self._board.states().values() if each.phase is Phase.FIRING]

    async def calm(self) -> None:
        """Returns when somebody judges the alerts and none fires; the symptom begins afterwards.

        What the start of everything looks like, such as a kind of process not heard yet, must not
        be taken for the day's own alert.
        """

        async def is_calm() -> bool:
            return not self.firing()

        await self.world.until(is_calm, within=WARM_WITHIN, every=0.5)

    def symptom(self) -> None:
        """It begins now: alerts are timed from here."""
        self.began = time.time()

    async def fires(self, alert: str) -> bool:
        """Promises that `alert` fires in time with its rule's severity; whether it does."""

        async def does() -> bool:
            state = self.state(alert)
            return state is not None and (state.fired_at or 0.0) >= self.began

        held = await self.world.until(does, within=FIRES_WITHIN + 60, every=0.25)
        state, name = self.state(alert), alert.partition("/")[0]
        seconds = (state.fired_at - self.began) if held and state and state.fired_at else None
        severity = state.severity.value if state else "none"
        self.world.figure(
            f"{name}_fires_after_seconds", None if seconds is None else round(seconds, 1)
        )
        self.world.figure(f"{name}_severity", severity)
        self.world.say(f"{alert}: {severity} after {seconds} s")
        in_time = seconds is not None and seconds <= FIRES_WITHIN
        right = severity == self._rules[name].severity.value
        self.world.promise(f"{name}_fires_within_30_s", held=in_time and right)
        return held

    async def closes(self, alert: str, *, within: float = CLOSES_WITHIN) -> None:
        """Promises that it closes once the day is over."""
        ended = time.time()

        async def does() -> bool:
            state = self.state(alert)
            return state is not None and state.phase is Phase.CLOSED

        held = await self.world.until(does, within=within, every=0.5)
        name = alert.partition("/")[0]
        self.world.figure(f"{name}_closes_after_seconds", round(time.time() - ended, 1))
        self.world.promise(f"{name}_closes_after_recovery", held=held)

    async def runbook_says(self, anchor: str, *, metric: str | None = None) -> dict[str, Any]:
        """What the first query of a section answers, or the one for `metric`, run as it stands."""
        commands = sections()[anchor].queries
        chosen = next(each for each in commands if metric is None or f" {metric} " in f"{each} ")
        return await self.command(chosen)

    async def command(self, command: str) -> dict[str, Any]:
        """The JSON that a command of the runbook prints.

        Raises:
            QueryFailed: it prints none.
        """
        words = command.removeprefix("./switchboard ").split()
        env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.world.urls.broker}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "console", *words, "-o", "json",
            env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        if process.returncode:
            raise QueryFailed(f"{command}: {err.decode(errors='replace')[-500:]}")
        said: dict[str, Any] = orjson.loads(out)
        return said

    async def counted(self, command: str, **labels: str) -> float:
        """The sum of what a `metrics` command counts in lines that have these labels."""
        said = await self.command(command)
        return summed(said, labels)

    async def agrees(
        self, what: str, command: str, truth: float, *, within: float = 20.0, **labels: str
    ) -> None:
        """Promises that the runbook's query comes to what the journal says.

        Counts are reported once a second and folded a moment later, so it is asked until then.
        """
        seen = 0.0

        async def does() -> bool:
            nonlocal seen
            seen = await self.counted(command, **labels)
            return seen == truth

        held = await self.world.until(does, within=within, every=1.0)
        self.world.figure(what, {"windows": seen, "journal": truth})
        self.world.promise(f"{what}_agrees_with_the_journal", held=held)


def summed(said: Mapping[str, Any], labels: Mapping[str, str]) -> float:
    """All points of all lines that have these labels, added up."""
    total = 0.0
    for line in said["lines"]:
        if all(line["labels"].get(name) == value for name, value in labels.items()):
            total += sum(point["value"] or 0.0 for point in line["points"])
    return total


@asynccontextmanager
async def watching(world: World) -> AsyncIterator[Watch]:
    """Follows the alerts of the world's system while the block runs."""
    board, follower = follow_alerts(
        world.urls.broker,
        world.operator.producer,
        key=f"observer/{uuid.uuid4().hex}",
        monotonic=time.monotonic,
        on_crash=lambda where, error: world.say(f"{where}: {type(error).__name__}"),
    )
    await follower.start()
    try:
        await follower.wait_known()
        watch = Watch(world, board)
        await watch.calm()
        yield watch
    finally:
        await follower.stop()
