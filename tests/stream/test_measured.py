from __future__ import annotations

import asyncio

from pipeline.domain.tally import Measured
from pipeline.domain.windows import fold
from pipeline.measured import Reports
from pipeline.stream.delivery import DeliveryError, Failure
from tests.stream.memory_broker import MemoryBroker


def reports(broker: object, measured: Measured) -> Reports:
    return Reports(
        broker,  # type: ignore[arg-type]
        stage="act", life="a1", now=lambda: 5.0, measured=measured, sleep=lambda _: asyncio.sleep(0),
    )  # fmt: skip


def test_what_was_counted_is_reported_once_and_reaches_the_windows(
    memory_broker: MemoryBroker,
) -> None:
    measured = Measured()

    async def scenario() -> None:
        mine = reports(memory_broker, measured)
        await mine.start()
        measured.count("vendor_requests|openai|429", 2)
        measured.observe("vendor_request_seconds|openai", 0.2)
        while not memory_broker.audits():  # noqa: ASYNC110 - the broker in memory tells nobody
            await asyncio.sleep(0)
        measured.level("queue_depth|act", 3)
        await mine.stop()
        await mine.report()

    asyncio.run(scenario())
    audits = memory_broker.audits()
    assert [audit.ingress_id for audit in audits] == ["act-a1-1", "act-a1-2"]
    window = fold(None, 0, enumerate(audits))
    assert window.counts == {"vendor_requests|openai|429": 2}
    assert set(window.histograms) == {"vendor_request_seconds|openai"}
    assert window.levels == {"queue_depth|act": 3}


def test_what_could_not_be_reported_is_reported_with_the_next(memory_broker: MemoryBroker) -> None:
    measured = Measured()

    class Away:
        async def send(self, *_: object) -> None:
            raise DeliveryError("away", Failure.RETRIABLE)

    async def scenario() -> None:
        measured.count("timeout_count|openai")
        await reports(Away(), measured).report()
        measured.count("timeout_count|openai")
        await reports(memory_broker, measured).report()

    asyncio.run(scenario())
    (audit,) = memory_broker.audits()
    assert audit.measured is not None
    assert audit.measured.counts == {"timeout_count|openai": 2}
