from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
import pytest

from agents.observe import attach_observe, fold_batch
from agents.windows_peers import PATH, Fetch, PeerError, Windows, fetch_json
from agents.windows_query import routes
from pipeline import topics
from pipeline.app import Stage
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.query import ask
from tables.windows import WindowsTable
from tests.stream.memory_broker import FakeRecord, MemoryBroker, batch_of, crash, run_batch

WEEK_AGO = 1_700_000_030 - 7 * 86_400


def recorded(offset: int, seconds: int) -> FakeRecord:
    audit = Audit(
        stage="act", what="ended", ingress_id=f"i{offset}", outcome=Outcome.ACTED,
        at=1_700_000_000.0, received_at=1_699_999_999.5,
    )  # fmt: skip
    at = (1_700_000_000 + seconds) * 1000
    return FakeRecord(topics.AUDIT.name, 0, offset, b"t1", audit.to_bytes(), (), at)


def answering(
    windows: WindowsTable, *, partitions: int, peers: Fetch | None = None
) -> Callable[[str, Mapping[str, str]], Awaitable[Any]]:
    """Asks the routes of one worker; `peers` answers for the only other one."""
    kept = Windows(
        windows, partitions=partitions, peers=lambda: ["http://peer"] if peers else [],
        fetch=peers or nobody,
    )  # fmt: skip
    found = routes(kept, now=lambda: 1_700_000_030.0)

    async def answer(path: str, query: Mapping[str, str]) -> Any:
        made = found[path](query)
        status, _, body = await made if isinstance(made, Awaitable) else made
        assert status == 200
        return orjson.loads(body)

    return answer


async def nobody(url: str, query: Mapping[str, str]) -> Any:
    raise PeerError("nobody")


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
        answer = answering(windows, partitions=1)
        within = {"from": "1700000000", "to": "1700000009"}
        told = await answer("/windows", within)
        assert told["counts"]["outcomes|acted"] == 2
        assert told["seconds"]["outcome_seconds"]["p50"] == pytest.approx(0.5, rel=0.01)
        told = await answer("/windows", {"metric": "outcomes", "by": "outcome", **within})
        (line,) = told["lines"]
        assert (line["labels"], line["points"][0]["value"]) == ({"outcome": "acted"}, 2)
        assert (told["complete"], told["missing"]) == (True, [])
        for strange, says in (
            ({"metric": "outcome"}, "there are: actions"), ({"from": "yesterday"}, "must be seconds"),
            ({"to": "inf"}, "must be seconds"), ({"to": "nan"}, "must be seconds"),
            ({"step": "1.5"}, "whole seconds"), ({"from": "1700000020", "to": "1700000010"}, "from before to"),
            ({"from": "0"}, "add --replay"), ({"from": str(WEEK_AGO - 70)}, "add --replay"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=says):
                await answer("/windows", strange)
        assert (await answer("/windows", {"from": str(WEEK_AGO)}))["counts"]
        week = {"metric": "outcomes", "from": str(WEEK_AGO // 900 * 900), "step": "900"}
        assert (
            sum(each["count"] for each in (await answer("/windows", week))["lines"][0]["points"])
            == 3
        )
        with pytest.raises(ValueError, match="partitions is missing"):
            await answer(PATH, {"metric": "received"})
        await stage.table.close()

    asyncio.run(scenario())
    assert len(memory_broker.on(f"{topics.AUDIT.name}.dlq")) == 1


async def two_workers(make_stage: Callable[[str], Stage]) -> tuple[Stage, Stage]:
    """Workers with the same nine records each, one on partition 0 and one on partition 1."""
    mine, other = make_stage("observe"), make_stage("another")
    other.table.assign([1])
    for stage, partition in ((mine, 0), (other, 1)):
        await stage.table.ready(partition)
        batch = batch_of([recorded(n, 15 * n) for n in range(9)], partition=partition)
        puts = fold_batch(batch, windows=WindowsTable(stage.table), now=lambda: 1.0).puts
        await stage.table.commit(partition, puts, stage.producer)
    return mine, other


def test_a_worker_asks_the_others_for_what_it_lacks_and_says_what_nobody_has(
    make_stage: Callable[[str], Stage],
) -> None:
    async def scenario() -> None:
        mine, other = await two_workers(make_stage)
        theirs = answering(WindowsTable(other.table), partitions=3)

        async def ask_other(url: str, query: Mapping[str, str]) -> Any:
            assert url == f"http://peer{PATH}"
            return await theirs(PATH, query)

        windows = WindowsTable(mine.table)
        for step in ({}, {"step": "10"}, {"step": "60"}):
            for metric in ("outcomes", "outcome_seconds"):
                query = {"metric": metric, "from": "1700000000", "to": "1700000200", **step}
                alone = await answering(windows, partitions=3)("/windows", query)
                both = await answering(windows, partitions=3, peers=ask_other)("/windows", query)
                assert (alone["complete"], alone["missing"]) == (False, [1, 2])
                assert (both["complete"], both["missing"]) == (False, [2])
                (few,), (many,) = alone["lines"], both["lines"]
                assert sum(point["count"] for point in few["points"]) == 9
                for one, two in zip(few["points"], many["points"], strict=True):
                    assert (two["count"], two["p95"]) == (2 * one["count"], one["p95"])
        totals = await answering(windows, partitions=2, peers=ask_other)(
            "/windows", {"to": "1700000200"}
        )
        assert (totals["counts"]["outcomes|acted"], totals["complete"]) == (18, True)
        strange_answers: list[Any] = [[], {"1": [{}]}, {"1": None}, {"x": []}, None]
        for answer in strange_answers:

            async def strange(url: str, query: Mapping[str, str], answer: Any = answer) -> Any:
                return answer

            told = await answering(windows, partitions=2, peers=strange)("/windows", query)
            assert told["missing"] == [1]
        await mine.table.close()
        await other.table.close()

    asyncio.run(scenario())


def test_many_questions_of_one_range_are_one_reading_of_every_worker(
    make_stage: Callable[[str], Stage],
) -> None:
    async def scenario() -> None:
        mine, other = await two_workers(make_stage)
        theirs = answering(WindowsTable(other.table), partitions=2)
        readings = []

        async def ask_other(url: str, query: Mapping[str, str]) -> Any:
            readings.append((query["from"], query["to"]))
            return await theirs(PATH, query)

        windows = Windows(
            WindowsTable(mine.table), partitions=2, peers=lambda: ["http://peer"], fetch=ask_other
        )
        begin, end = 1_700_000_000, 1_700_000_140
        questions = [
            ask("outcomes", begin, end, by=("outcome",)),
            ask("outcome_seconds", begin, end),
            ask("worker_error_rate", begin, end),
            ask("outcomes", begin, end - 60),
        ]
        found = await windows.lines([*questions, *questions])
        assert readings == [(str(begin), str(end)), (str(begin), str(end - 60))]
        for each in questions:
            assert found[each] == (await windows.find(each)).lines(each)
        assert [line.points[0].count for line in found[questions[0]]] == [18]
        await mine.table.close()
        await other.table.close()

    asyncio.run(scenario())


def test_a_question_that_not_all_partitions_answer_has_no_answer(
    make_stage: Callable[[str], Stage],
) -> None:
    async def scenario() -> None:
        stage = make_stage("observe")
        await stage.table.ready(0)
        table, question = WindowsTable(stage.table), ask("outcomes", 1_700_000_000, 1_700_000_100)
        for partitions, answers in ((1, [question]), (2, [])):
            windows = Windows(table, partitions=partitions, peers=list, fetch=fetch_json)
            assert list(await windows.lines([question])) == answers
        await stage.table.close()

    asyncio.run(scenario())
