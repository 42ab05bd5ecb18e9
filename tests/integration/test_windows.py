from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
import pytest

from console.audit_windows import windows_of_trail
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.query import answer, ask, told
from pipeline.stream import admin
from pipeline.stream.producer import Outgoing, Producer
from sandbox.kafka import EmbeddedKafka

pytestmark = pytest.mark.integration
PARTITIONS = 4


@dataclass
class World:
    """A broker with all topics, and the observe workers on it."""

    bootstrap: str
    folder: Path
    workers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, instance: str) -> str:
        """Starts a worker; its address once it is ready."""
        env = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SWITCHBOARD_DATA_DIR": str(self.folder),
            "SWITCHBOARD_INSTANCE": instance,
            "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
            # Each is seen dead before its successor starts, so none waits for a session to end.
            "SWITCHBOARD_STATIC_MEMBERSHIP": "true",
        }
        with (self.folder / f"observe-{instance}.log").open("a") as log:
            worker = self.workers[instance] = subprocess.Popen(
                [sys.executable, "-m", "agents", "observe"],
                env=env, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert worker.stdout is not None
        line = worker.stdout.readline()
        assert line, (self.folder / f"observe-{instance}.log").read_text()[-2000:]
        return str(orjson.loads(line)["url"])

    def kill(self, instance: str) -> None:
        worker = self.workers.pop(instance)
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        mine = World(kafka.start().bootstrap, tmp_path)
        admin.apply(mine.bootstrap, topics.plans(partitions=PARTITIONS, replication=1))
        yield mine
        for instance in list(mine.workers):
            mine.kill(instance)


def some_audit(rng: random.Random, number: int) -> Audit:
    stage, what = rng.choice([("dedup", "accepted"), ("dedup", "duplicated"), ("act", "ended")])
    return Audit(
        stage=stage, what=what, ingress_id=f"i{number}", at=number,
        outcome=rng.choice(list(Outcome)) if what == "ended" else None,
        detail={"seconds": rng.lognormvariate(-2, 1)},
    )  # fmt: skip


class Stream:
    """A stream of audit records, until it is left."""

    def __init__(self, bootstrap: str, seed: int) -> None:
        self._bootstrap = bootstrap
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        import asyncio

        async def produce() -> None:
            producer = Producer(self._bootstrap, client_id="stream")
            number = 0
            while not self._stop.is_set():
                audits = [some_audit(self._rng, number + each) for each in range(20)]
                number += len(audits)
                await producer.send(
                    [
                        Outgoing(topics.AUDIT.name, audit.ingress_id.encode(), audit.to_bytes())
                        for audit in audits
                    ]
                )
                await asyncio.sleep(0.02)
            await producer.close()

        asyncio.run(produce())


def recounted(bootstrap: str) -> Counter[str]:
    """What lies on the audit topic, counted without any code of the windows."""
    counts: Counter[str] = Counter()
    with TopicLog(bootstrap, topics.AUDIT.name) as log:
        for record in log.records():
            audit = orjson.loads(record.value())
            if audit["what"] == "measured":
                continue
            counts[f"stage_records|{audit['stage']}"] += 1
            if audit["stage"] == "dedup":
                counts[f"received|{audit['what']}"] += 1
            if "outcome" in audit:
                counts[f"outcomes|{audit['outcome']}"] += 1
    return counts


def asked(url: str, **query: object) -> Any:
    response = httpx.get(f"{url}/windows", params={k: str(v) for k, v in query.items()}, timeout=20)
    assert response.status_code == 200, response.text
    return response.json()


def settled(url: str, expected: Mapping[str, int]) -> dict[str, int]:
    """The counts once as many records are counted as there are; whatever they are after a while."""
    wanted = sum(count for series, count in expected.items() if series.startswith("stage_records|"))
    ends = time.monotonic() + 60
    while True:
        found: dict[str, int] = asked(url, **{"from": time.time() - 3600}).get("counts", {})
        mine = {series: count for series, count in found.items() if series in expected}
        seen = sum(count for series, count in mine.items() if series.startswith("stage_records|"))
        if seen >= wanted or time.monotonic() > ends:
            return mine
        time.sleep(0.2)


@pytest.mark.parametrize(
    "kills", [4, pytest.param(20, marks=[pytest.mark.full, pytest.mark.timeout(900)])]
)
def test_after_kills_at_random_moments_every_count_is_that_of_the_trail(
    world: World, kills: int
) -> None:
    rng = random.Random(kills)
    began = time.time()
    with Stream(world.bootstrap, seed=kills):
        for _ in range(kills):
            world.start("0")
            time.sleep(rng.uniform(0, 1.2))
            world.kill("0")
        url = world.start("0")
        time.sleep(1)
    expected = recounted(world.bootstrap)
    assert expected["stage_records|dedup"] > 100 * kills
    assert settled(url, expected) == expected

    # The same from windows made anew of the trail, in steps, quantiles and all.
    begin, end = int(began) // 10 * 10, int(time.time()) // 10 * 10 + 10
    anew = windows_of_trail(world.bootstrap, begin, end)
    assert (
        sum(each.counts.get("received|accepted", 0) for each in anew)
        == expected["received|accepted"]
    )
    for metric, by in (("outcomes", ("outcome",)), ("stage_duration_seconds", ("stage",))):
        question = ask(metric, begin, end, step=10, by=by)
        found = asked(url, metric=metric, step=10, by=",".join(by), to=end, **{"from": begin})
        assert found == told(question, answer(anew, question), ())


def test_each_of_two_workers_answers_for_all_partitions(world: World) -> None:
    with Stream(world.bootstrap, seed=1):
        first = world.start("0")
        second = world.start("1")
        time.sleep(1)
    expected = recounted(world.bootstrap)
    for url in (first, second):
        assert settled(url, expected) == expected
    world.kill("1")
    ends = time.monotonic() + 30
    while (alone := asked(first, metric="received"))["complete"] and time.monotonic() < ends:
        time.sleep(0.2)
    assert alone["missing"]
    assert len(alone["missing"]) < PARTITIONS
