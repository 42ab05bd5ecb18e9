from __future__ import annotations

import asyncio
from collections.abc import Callable

import orjson
import pytest

from agents.observe import attach_observe
from agents.windows_query import route
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import Audit, Outcome
from tables.windows import WindowsTable
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch


def recorded(offset: int, seconds: int) -> FakeRecord:
    audit = Audit(
        stage="act", what="ended", ingress_id=f"i{offset}", outcome=Outcome.ACTED,
        at=1_700_000_000.0, received_at=1_699_999_999.5,
    )  # fmt: skip
    at = (1_700_000_000 + seconds) * 1000
    return FakeRecord(topics.AUDIT.name, 0, offset, b"t1", audit.to_bytes(), (), at)


def test_windows_follow_broker_time_and_answer_a_range(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    async def scenario() -> None:
        stage = make_stage("observe")
        bad = FakeRecord(topics.AUDIT.name, 0, 3, b"t1", b"nonsense")
        batch = batch_of([recorded(0, 0), recorded(1, 1), recorded(2, 25), bad])
        await run_batch(attach_observe(stage, now=lambda: 1.0, on_crash=crash), batch)
        windows = WindowsTable(stage.table)
        assert [w.counts["outcomes|acted"] for w in windows.between(0, 2_000_000_000)] == [2, 1]
        answer = route(windows, now=lambda: 1_700_000_030.0)
        within = {"from": "1700000000", "to": "1700000009"}
        status, _, body = answer(within)
        assert status == 200
        assert b'"outcomes|acted":2' in body
        assert b'"outcome_seconds":{"p50":0.' in body
        _, _, body = answer({"metric": "outcomes", "by": "outcome", **within})
        (line,) = orjson.loads(body)["lines"]
        assert (line["labels"], line["points"][0]["value"]) == ({"outcome": "acted"}, 2)
        with pytest.raises(ValueError, match="there are: actions"):
            answer({"metric": "outcome"})
        with pytest.raises(ValueError, match="must be seconds"):
            answer({"from": "yesterday"})
        for endless in ("inf", "nan"):
            with pytest.raises(ValueError, match="must be seconds"):
                answer({"to": endless})
        with pytest.raises(ValueError, match="from before to"):
            answer({"from": "5", "to": "4"})
        await stage.table.close()

    asyncio.run(scenario())
    assert len(memory_broker.on(f"{topics.AUDIT.name}.dlq")) == 1
