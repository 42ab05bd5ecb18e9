"""Alerts of real `observe` workers on a real broker: one speaks, is killed, and another goes on."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from console.operating import bring, operating
from ingress.signature import Secrets, Verdict, verify
from pipeline import topics
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.modes import Mode
from pipeline.stream import admin
from sandbox.kafka import EmbeddedKafka
from tests.unit.test_alert_sinks import SECRET, Receiver

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
PATIENCE = 120.0
"""Seconds; what takes ten of them on a quiet machine."""
SPEAKS = "this worker judges the alerts"


@dataclass
class System:
    """A broker, two `observe` workers and somebody who takes their notices."""

    bootstrap: str
    folder: Path
    receiver: Receiver
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))}
        return {
            **own,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
            "SWITCHBOARD_DATA_DIR": str(self.folder),
            "SWITCHBOARD_ALERT_WEBHOOK_URL": self.receiver.url,
            "SWITCHBOARD_ALERT_WEBHOOK_SECRET": SECRET,
        }

    def start(self, instance: str) -> None:
        with self.log(instance).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "agents", "observe"], cwd=ROOT, stderr=log,
                env={**self.env, "SWITCHBOARD_INSTANCE": instance}, stdout=subprocess.PIPE,
            )  # fmt: skip
        self.workers[instance] = worker
        assert worker.stdout is not None
        with worker.stdout:
            assert worker.stdout.readline(), self.log(instance).read_text()[-2000:]

    def log(self, instance: str) -> Path:
        return self.folder / f"observe-{instance}.log"

    def speakers(self) -> list[str]:
        return [each for each in self.workers if SPEAKS in self.log(each).read_text()]

    def kill(self, instance: str) -> None:
        self.workers[instance].kill()
        self.workers.pop(instance).wait()

    def say(self, stage: str, what: str, **fields: Any) -> None:
        audit = Audit.model_validate({"stage": stage, "what": what, "at": time.time(), **fields})
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(topics.AUDIT.name, audit.to_bytes(), b"k")
        producer.flush()

    def console(self, *words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "console", *words],
            cwd=ROOT, env=self.env, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    def firing(self) -> dict[str, Any]:
        rows = json.loads(self.console("alerts", "-o", "json"))["alerts"]
        return {row["alert"]: row for row in rows}

    def told(self, rule: str) -> list[tuple[dict[str, str], bytes]]:
        posts = [(each, json.loads(body)["data"], body) for each, body in self.receiver.posts]
        return [(each, body) for each, said, body in posts if said["rule"] == rule]

    def mode(self) -> Mode:
        async def ask() -> Mode:
            async with operating(self.bootstrap) as operator:
                await operator.known()
                return operator.lever.now_at()

        return asyncio.run(ask())


def until(holds: Callable[[], Any]) -> Any:
    ends = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < ends
        time.sleep(0.5)
    return found


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        bootstrap = kafka.start().bootstrap
        admin.apply(bootstrap, topics.plans(partitions=PARTITIONS, replication=1))
        (tmp_path / "data").mkdir()
        system = System(bootstrap, tmp_path / "data", Receiver())

        async def live() -> None:
            async with operating(bootstrap) as operator:
                await operator.known()
                await bring(operator.lever, Mode.LIVE, reason="test", by="test")

        asyncio.run(live())
        try:
            system.start("0")
            system.start("1")
            yield system
        finally:
            for instance in list(system.workers):
                system.kill(instance)
            system.receiver.server.shutdown()
            system.receiver.thread.join()
            system.receiver.server.server_close()


def test_one_worker_speaks_lowers_the_mode_and_after_its_death_another_goes_on(
    system: System,
) -> None:
    until(system.speakers)
    for _ in range(2):
        system.say("act", "replied", ingress_id="i1", action_id="a1")
    double = until(lambda: system.firing().get("reply_sent_twice/all"))
    assert double["severity"] == "SEV0"
    until(lambda: system.told("reply_sent_twice"))
    until(lambda: system.mode() is Mode.ROUTE_ONLY)

    speaker = system.speakers()[-1]
    system.kill(speaker)
    until(lambda: any(each != speaker for each in system.speakers()))
    now = time.time()
    system.say("dedup", "accepted", ingress_id="lost", at=now - 60)
    system.say("dedup", "accepted", ingress_id="later", at=now - 40)
    system.say("act", "ended", ingress_id="later", outcome=Outcome.ACTED)
    lost = until(lambda: system.firing().get("events_without_outcome/all"))
    assert (lost["severity"], lost["value"]) == ("SEV1", 1.0)

    # What the first one had opened is open, told once, and its lever was not pulled again.
    again = system.firing()["reply_sent_twice/all"]
    assert again["fired_at"] == double["fired_at"]
    ((headers, body),) = system.told("reply_sent_twice")
    assert verify(headers, body, Secrets.of([], [], [SECRET]), now=time.time()) is Verdict.OK
    system.console("recover", "--reason", "seen")
    assert system.mode() is Mode.DRAFT

    (incident,) = json.loads(system.console("incident", "list", "-o", "json"))["incidents"]
    assert {"reply_sent_twice/all", "events_without_outcome/all"} <= set(incident["open_alerts"])
    system.console("incident", "ack", incident["id"])
    system.console("incident", "note", "last", "looked at the ledger")
    story = system.console("incident", "export", incident["id"])
    for words in (
        "alert fired SEV0 `reply_sent_twice/all`",
        "the mode went from live to route_only",
        "mode set (scope global, was route_only, mode draft) because: seen",
        "acknowledged",
        "looked at the ledger",
        "| `received` |",
    ):
        assert words in story, story
