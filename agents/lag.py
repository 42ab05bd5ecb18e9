"""What `observe` knows of every consumer group: looked at beside the agent, told over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from agents.status import Answer, Route, json_answer
from pipeline import telemetry, topics
from pipeline.app import Stage
from pipeline.brokers import brokers
from pipeline.control_metrics import ControlCollector
from pipeline.lag import LOOK, LagCollector, LagWatch, as_row, queues, watching
from pipeline.settings import Settings
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.groups import Groups, Standing

log = logging.getLogger(__name__)


class Looking(Protocol):
    """The part of `Groups` that is looked with."""

    def look(self) -> Sequence[Standing]:
        """See `Groups.look`."""
        ...

    def close(self) -> None:
        """See `Groups.close`."""
        ...


class LagObserver:
    """Looks every `LOOK` seconds for as long as the stage runs. A broker away is not its end."""

    def __init__(
        self,
        watch: LagWatch,
        groups: Looking,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.watch = watch
        self._groups = groups
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._look_forever())

    async def stop(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._groups.close)

    async def _look_forever(self) -> None:
        while True:
            try:
                self._tell(await asyncio.to_thread(self._groups.look))
            except BrokerUnreachable:
                log.warning("lag unknown", extra={"fields": {"code": "broker_unreachable"}})
            except Exception as error:
                # Nobody would see that the looks have ended: the judgements only grow old.
                log.exception("lag unknown", extra={"fields": {"code": type(error).__name__}})
            await self._sleep(LOOK)

    def _tell(self, standings: Sequence[Standing]) -> None:
        for stage, queue in queues(self.watch.take(standings)).items():
            telemetry.level("queue_depth", queue.depth, stage)
            telemetry.level("queue_oldest_age_seconds", queue.age, stage)


def attach_lag(stage: Stage, settings: Settings) -> LagObserver:
    """Adds the observer to the stage; its series and those of the control topic to /metrics."""
    groups = Groups(brokers(settings), topics.GROUPS)
    control = stage.control
    watch = watching(control, monotonic=time.monotonic)
    telemetry.REGISTRY.register(LagCollector(telemetry.PREFIX, watch))
    telemetry.REGISTRY.register(ControlCollector(telemetry.PREFIX, control))
    observer = LagObserver(watch, groups)
    stage.alongside.append(observer)
    return observer


def route(watch: LagWatch) -> Route:
    """`GET /lag`: `looked_at` (unix seconds, 0 before the first look) and `lags`, worst first."""

    def answer(_query: Mapping[str, str]) -> Answer:
        return json_answer(
            200, {"looked_at": watch.looked_at, "lags": [as_row(each) for each in watch.lags]}
        )

    return answer
