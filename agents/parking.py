"""`python -m agents parking`: brings parked work back when it is due. No stage: it decides nothing."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
import uuid
from collections.abc import Callable

from agents.status import StatusServer, status_routes
from pipeline import telemetry, topics
from pipeline.brokers import brokers
from pipeline.control import follow
from pipeline.settings import Settings, address
from pipeline.stream.batch import Record
from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.dead_letter import dead_letter
from pipeline.stream.guard import crash
from pipeline.stream.parking import Scheduler
from pipeline.stream.producer import Outgoing, Producer

NAME = "parking"


async def serve_parking(
    settings: Settings, bound: socket.socket, stop: asyncio.Event, on_ready: Callable[[str], None]
) -> None:
    """Works until `stop` is set and serves HTTP on `bound`; `on_ready` is told the address of the HTTP side.

    Crashes where only a fresh start mends it.
    """
    producer = Producer(
        brokers(settings),
        client_id=f"switchboard-{NAME}-{settings.instance}",
        on_fatal=lambda code: crash("producer", code=code),
    )
    # It calls no vendor, so it confirms each change at once; that it is alive others see by this.
    control, follower = follow(
        brokers(settings),
        producer,
        name=f"{NAME}-{settings.instance}",
        life=uuid.uuid4().hex,
        monotonic=time.monotonic,
        on_crash=crash,
    )
    scheduler = Scheduler(
        brokers(settings),
        [spec.name for spec in topics.PARKED.values()],
        group=topics.PARKING_GROUP,
        back_to=[spec.name for spec in topics.PARKING],
        letter=_letter,
        sender=producer,
        now=BrokerClock(control.view, monotonic=time.monotonic),
        on_brought_back=functools.partial(telemetry.finished, NAME),
    )
    server = StatusServer(status_routes(lambda: scheduler.is_ready))
    serving = asyncio.create_task(server.serve([bound]))
    control.url = address(bound)
    await follower.start()
    working = asyncio.create_task(scheduler.run())
    working.add_done_callback(_crash_on_failure)
    while not ((scheduler.is_ready and server.started) or stop.is_set()):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.05)
    on_ready(server.url)
    await stop.wait()
    scheduler.stop()
    await working
    await follower.stop()
    await producer.close()
    server.stop()
    await serving


def _letter(record: Record) -> Outgoing:
    """Among the dead letters of `act`, whoever wrote it; its headers name the tier."""
    letter = dead_letter(record, stage=NAME, reason="not_parked", failed_at=time.time())
    return letter._replace(topic=topics.dead_letters_of(topics.REQUESTED).name)


def _crash_on_failure(working: asyncio.Task[None]) -> None:
    if not working.cancelled() and (error := working.exception()) is not None:
        crash(NAME, error)
