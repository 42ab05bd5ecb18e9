"""Parking on a real broker: kill -9 at the exact steps, two act workers, one storm."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from console.operating import bring, operating
from console.trail import Trail, TrailReader
from pipeline import topics
from pipeline.domain.classification import Opinion, classify, plan
from pipeline.domain.events import AcceptedTicket, ActionRequest
from pipeline.domain.modes import Mode
from pipeline.stream import admin
from pipeline.stream.dead_letter import dead_letter
from pipeline.stream.parking import Parked, Scheduler
from pipeline.stream.producer import Outgoing, Producer
from sandbox.kafka import Broker, EmbeddedKafka
from tests.stream.memory_broker import FakeRecord

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
KILL_9 = -9
NOT_LEADER = confluent_kafka.KafkaError.NOT_LEADER_FOR_PARTITION


# -- the scheduler alone ----------------------------------------------------------------------


@dataclass
class Tiers:
    """Two tiers and the topic that their records came from, with names of their own."""

    broker: Broker
    name: str

    @property
    def source(self) -> str:
        return f"source-{self.name}"

    @property
    def dead(self) -> str:
        return f"dead-{self.name}"

    @property
    def names(self) -> list[str]:
        return [f"short-{self.name}", f"long-{self.name}"]

    def make(self) -> None:
        kafka = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        wanted = [NewTopic(each, PARTITIONS, 1) for each in [self.source, self.dead, *self.names]]
        for future in kafka.create_topics(wanted).values():
            future.result()

    async def park(self, tier: str, piece: int, wait: float) -> float:
        """Parks one record; when it is due."""
        due = time.time() + wait
        record = FakeRecord(
            self.source, piece % PARTITIONS, piece, b"k%d" % piece, b"v%d" % piece, (("own", b"x"),)
        )
        producer = Producer(self.broker.bootstrap, client_id="test")
        await producer.send([Parked(piece, 1, due, self.source).record(tier, record)])
        await producer.close()
        return due

    async def bring_back(self, *, until: int, piece: int | None = None) -> None:
        """A scheduler that works until `until` records lie on the source, `piece` among them."""

        def is_done() -> bool:
            back = self.back()
            return len(back) >= until and (piece is None or piece in map(piece_of, back))

        producer = Producer(self.broker.bootstrap, client_id="test")
        scheduler = Scheduler(
            self.broker.bootstrap, self.names, group=self.name, back_to=[self.source],
            letter=lambda record: dead_letter(record, stage="p", reason="r", failed_at=0.0)._replace(
                topic=self.dead
            ),
            sender=producer, now=time.time,
        )  # fmt: skip
        task = asyncio.create_task(scheduler.run())
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(is_done):
                assert not task.done(), task.exception()
                await asyncio.sleep(0.1)
        scheduler.stop()
        await task
        await producer.close()

    def back(self) -> list[confluent_kafka.Message]:
        return everything(self.broker.bootstrap, self.source)


def end_of(consumer: confluent_kafka.Consumer, place: confluent_kafka.TopicPartition) -> int:
    """Where a partition ends; one that was made just now has no leader yet."""
    for _ in range(100):
        try:
            return int(consumer.get_watermark_offsets(place, timeout=10)[1])
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() != NOT_LEADER:
                raise
        time.sleep(0.1)
    raise AssertionError("no leader within 10 s")


def everything(bootstrap: str, topic: str) -> list[confluent_kafka.Message]:
    """All records of a topic, one partition after the other."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": "look"})
    found: list[confluent_kafka.Message] = []
    for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
        place = confluent_kafka.TopicPartition(topic, number, 0)
        wanted = len(found) + end_of(consumer, place)
        consumer.assign([place])
        while len(found) < wanted:
            found += [each for each in consumer.consume(100, timeout=1) if not each.error()]
    consumer.close()
    return found


@pytest.fixture
def tiers(broker: Broker) -> Tiers:
    made = Tiers(broker, uuid.uuid4().hex[:8])
    made.make()
    return made


def piece_of(record: confluent_kafka.Message) -> int:
    return int(dict(record.headers())["sb-parked-piece"])


def test_each_record_comes_back_when_it_is_due_and_one_that_is_due_later_holds_up_none(
    tiers: Tiers,
) -> None:
    async def play() -> dict[int, float]:
        short, long = tiers.names
        await tiers.park(long, 0, 3600.0)
        due = {piece: await tiers.park(short, piece, 0.5 + piece / 10) for piece in range(2, 8)}
        due[8] = await tiers.park(long, 8, 0.5)
        await tiers.bring_back(until=len(due))
        return due

    due = asyncio.run(play())
    pieces = {piece_of(each): each for each in tiers.back()}
    assert sorted(pieces) == sorted(due)
    for piece, record in pieces.items():
        assert (record.key(), record.value()) == (b"k%d" % piece, b"v%d" % piece)
        assert record.partition() == piece % PARTITIONS
        assert record.headers()[0] == ("own", b"x")
        assert record.timestamp()[1] / 1000 >= due[piece] - 0.01


def test_records_come_back_in_the_order_of_their_times_and_no_restart_passes_one_that_waits(
    tiers: Tiers,
) -> None:
    async def play() -> None:
        for piece, wait in ((0, 25.0), (2, 3.0), (4, 0.0)):
            await tiers.park(tiers.names[0], piece, wait)
        await tiers.bring_back(until=2)
        await tiers.bring_back(until=4)

    asyncio.run(play())
    back = [piece_of(each) for each in tiers.back()]
    assert back[:2] == [4, 2]
    # What came back ahead of one that still waits comes once more, and that one is not lost.
    assert back[2:4] == [4, 2]
    asyncio.run(tiers.bring_back(until=5, piece=0))


def test_kill_9_between_the_forward_and_the_commit_loses_nothing_and_copies_can_be_told(
    tiers: Tiers,
) -> None:
    async def park() -> None:
        for piece in range(10):
            await tiers.park(tiers.names[0], piece, 0.0)

    asyncio.run(park())
    died = subprocess.run(
        [sys.executable, "-m", "tests.integration.dying", "parking",
         tiers.broker.bootstrap, tiers.name, tiers.source, *tiers.names],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert died.returncode == KILL_9, died.stderr
    copies = len(tiers.back())
    assert copies > 0
    asyncio.run(tiers.bring_back(until=copies + 10))
    back = [
        FakeRecord("s", 0, 0, each.key(), each.value(), each.headers()) for each in tiers.back()
    ]
    said = Counter((each.piece, each.lap) for each in map(Parked.of, back) if each)
    assert set(said) == {(piece, 1) for piece in range(10)}


STRANGERS: dict[str, list[tuple[str, bytes | None]]] = {
    "without headers": [],
    "without a value": [("sb-parked-piece", None)],
    "in no text": [("sb-parked-due", b"\xff")],
    "due never": [("sb-parked-due", b"nan")],
    "due in years": [("sb-parked-due", b"9999999999")],
    "for nobody": [("sb-parked-to", b"no-such-topic")],
}


def test_a_record_that_nobody_parked_is_a_dead_letter_and_holds_nobody_up(tiers: Tiers) -> None:
    parked = Parked(7, 1, 0.0, tiers.source).record(
        tiers.names[0], FakeRecord(tiers.source, 0, 7, b"k7", b"v7")
    )
    stranger = confluent_kafka.Producer({"bootstrap.servers": tiers.broker.bootstrap})
    for words, headers in STRANGERS.items():
        said = [*parked.headers, *headers] if headers else []
        stranger.produce(tiers.names[0], words.encode(), b"k", 0, headers=said)
    stranger.produce(tiers.names[0], b"v7", b"k7", 0, headers=list(parked.headers))
    stranger.flush()
    asyncio.run(tiers.bring_back(until=1))
    assert [record.value() for record in tiers.back()] == [b"v7"]
    dead = everything(tiers.broker.bootstrap, tiers.dead)
    assert [letter.value().decode() for letter in dead] == list(STRANGERS)
    assert dict(dead[0].headers())["x-original-topic"] == tiers.names[0].encode()
    # All of it is committed: the next scheduler finds only what comes now.
    asyncio.run(tiers.park(tiers.names[0], 8, 0.0))
    asyncio.run(tiers.bring_back(until=2))
    assert len(everything(tiers.broker.bootstrap, tiers.dead)) == len(STRANGERS)


# -- a stage and the scheduler --------------------------------------------------------------------


class Processes:
    """A stage, the scheduler and the fake vendors on a broker of their own, started one by one."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder = folder
        self.bootstrap = bootstrap
        self.running: list[subprocess.Popen[str]] = []
        command = ["sandbox", "--budget", "100000"]
        self.vendors = json.loads(self._started(command, dict(os.environ)))
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("SWITCHBOARD_", "KAFKA_"))
        }
        self.env = {
            **clean,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
            "SWITCHBOARD_DATA_DIR": str(folder),
            "SWITCHBOARD_BOT_AGENT_ID": "agent-bot",
            "SWITCHBOARD_ALLOW_LIST": '["*"]',
            "SWITCHBOARD_RICHPANEL_URL": self.vendors["richpanel"],
            "SWITCHBOARD_RICHPANEL_KEY": self.vendors["key"],
            "SWITCHBOARD_VENDOR_BUDGET": "100000",
            # Each is started only after the death of its predecessor.
            "SWITCHBOARD_STATIC_MEMBERSHIP": "true",
        }

    def _started(self, command: list[str], env: dict[str, str]) -> str:
        with (self.folder / f"{command[0]}-{len(self.running)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self.running.append(process)
        assert process.stdout is not None
        return process.stdout.readline()

    def start(self, *command: str, instance: str = "0", **settings: str) -> None:
        env = {**self.env, "SWITCHBOARD_INSTANCE": instance, **settings}
        assert json.loads(self._started(["agents", *command], env))["ready"]

    def dies(self, when: str, stage: str = "act") -> None:
        """Runs a stage until it kills itself at that step."""
        died = subprocess.run(
            [sys.executable, "-m", "tests.integration.dying", stage, when],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert died.returncode == KILL_9, died.stderr[-2000:]

    def vendor(self, verb: str, path: str, **options: Any) -> Any:
        answer = httpx.request(verb, f"{self.vendors['richpanel']}/_sandbox/{path}", **options)
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> None:
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        bootstrap = kafka.start().bootstrap
        admin.apply(bootstrap, topics.plans(partitions=PARTITIONS, replication=1))
        made = Processes(tmp_path, bootstrap)
        try:
            yield made
        finally:
            made.stop()


def ticket(ticket_id: str, *comments: dict[str, Any]) -> dict[str, Any]:
    return {
        "messages": 1, "order": None,
        "ticket": {
            "id": ticket_id, "status": "OPEN", "created_at": 1.0, "assignee_id": None,
            "via": {"channel": "email"}, "tags": [], "comments": comments,
        },
    }  # fmt: skip


def said(message: str, text: str) -> dict[str, Any]:
    return {
        "id": message, "body": text, "plain_body": text, "created_at": 1.0, "type": "reply",
        "public": True, "author_id": "c1", "via": {"channel": "email", "isOperator": False},
    }  # fmt: skip


def requested(ticket_id: str, message: str, intent: str) -> Outgoing:
    accepted = AcceptedTicket(
        event_id=f"{ticket_id}-{message}", tenant="default", source="richpanel",
        conversation_id=ticket_id, channel="email", text="words",
        ingress_id=f"{ticket_id}-{message}", received_at=time.time(),
    )  # fmt: skip
    opinion = Opinion(intent, "high", "m", 0.1, 1, "p")
    request = plan(accepted, classify(accepted, opinion, None, prefix="mw"))
    headers = [("sb-ingress-id", accepted.ingress_id.encode())]
    return Outgoing(topics.REQUESTED.name, ticket_id.encode(), request.to_bytes(), headers)


@contextlib.contextmanager
def trail_of(bootstrap: str) -> Iterator[Trail]:
    trail = Trail()
    reader = TrailReader(bootstrap, trail)
    try:
        yield trail
    finally:
        reader.close()


async def live(bootstrap: str) -> None:
    async with operating(bootstrap) as operator:
        await operator.known()
        await bring(operator.lever, Mode.LIVE, reason="test", by="test")


async def produce(bootstrap: str, records: list[Outgoing]) -> None:
    producer = Producer(bootstrap, client_id="test")
    await producer.send(records)
    await producer.close()


@pytest.mark.full
def test_kill_9_around_parking_loses_and_doubles_nothing_and_a_storm_closes_two_workers(
    processes: Processes,
) -> None:
    """Act dies before, within and after the steps that park; then two workers go on.

    The storm's only 429 is the first call of the first worker. All later ones know of it from
    the control topic: no other call reaches the helpdesk before its time.
    """
    names = [f"p{number}" for number in range(12)]
    processes.vendor("POST", "tickets", json=[ticket(each) for each in names])
    asyncio.run(live(processes.bootstrap))
    records = [requested(each, "m1", "refund_request") for each in names]
    records += [requested(each, "m2", "cancel_order") for each in names]
    storm = {"kind": "status", "status": 429, "retry_after": "75", "times": 1}
    processes.vendor("PUT", "faults", json=[storm])
    with trail_of(processes.bootstrap) as trail:
        asyncio.run(produce(processes.bootstrap, records))
        for when in ("before", "record", "row", "after"):
            processes.dies(when)
        assert processes.vendor("GET", "faults")["served"] == {"429": 1}
        for number in ("0", "1"):
            processes.start("act", instance=number)
        processes.start("parking")
        shown = subprocess.run(
            [sys.executable, "-m", "console", "limits", "show", "-o", "json"],
            cwd=ROOT, env=processes.env, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        told = json.loads(shown.stdout)
        assert told["vendors"][0]["closed_for"] > 0
        assert told["vendors"][0]["reason"] == "http_429"
        assert told["vendors"][0]["queued"] >= len(records)
        assert processes.vendor("GET", "stats")["requests"] == {}
        expected = {f"{name}-{message}" for name in names for message in ("m1", "m2")}
        ends = time.monotonic() + 150
        while trail.missing(expected):
            assert time.monotonic() < ends, trail.missing(expected)
            time.sleep(0.2)
    assert processes.vendor("GET", "faults")["served"] == {"429": 1}
    stats = processes.vendor("GET", "stats")
    assert stats["double_replies"] == 0
    assert stats["effects"]["reply"] == len(names)
    assert trail.contradictions == 0
    place = {ingress_id: number for number, ingress_id in enumerate(trail.outcomes)}
    assert all(place[f"{name}-m1"] < place[f"{name}-m2"] for name in names)
    teams: dict[str, list[str]] = {}
    effects = processes.vendor("GET", "journal")["effects"]
    for effect in effects:
        if effect["kind"] == "assign":
            teams.setdefault(effect["ticket_id"], []).append(effect["detail"])
    tagged = {e["ticket_id"] for e in effects if "mw-auto-rate-limited" in e["detail"]}
    assert tagged == set(names)
    # Returns Admin for the refund, then the email team for the cancellation; never back again.
    assert set(map(tuple, teams.values())) == {("team-3", "team-1")}


def announced(ticket_id: str, message: str, text: str = "") -> Outgoing:
    accepted = AcceptedTicket(
        event_id=f"{ticket_id}-{message}", tenant="default", source="richpanel",
        conversation_id=ticket_id, channel="email", text=text,
        ingress_id=f"{ticket_id}-{message}", received_at=time.time(),
    )  # fmt: skip
    return Outgoing(topics.ACCEPTED.name, ticket_id.encode(), accepted.to_bytes(), ())


@pytest.mark.full
def test_kill_9_around_a_read_that_must_wait_loses_and_doubles_nothing_and_keeps_the_order(
    processes: Processes,
) -> None:
    """Classify dies before, within and after the step that parks a webhook without words."""
    names = [f"r{number}" for number in range(6)]
    asked = said("m1", "I want a refund")
    processes.vendor("POST", "tickets", json=[ticket(each, asked) for each in names])
    asyncio.run(live(processes.bootstrap))
    storm = {"kind": "status", "status": 429, "retry_after": "75", "times": 1}
    processes.vendor("PUT", "faults", json=[storm])
    records = [announced(each, "bare") for each in names]
    records += [announced(each, "m2", "cancel my order") for each in names]
    asyncio.run(produce(processes.bootstrap, records))
    for when in ("before", "record", "row", "after"):
        processes.dies(when, "classify")
    assert processes.vendor("GET", "stats")["requests"] == {}
    processes.start("classify")
    processes.start("parking")
    ends = time.monotonic() + 150
    while len(plans := everything(processes.bootstrap, topics.REQUESTED.name)) < len(records):
        assert time.monotonic() < ends, len(plans)
        time.sleep(0.5)
    decided: dict[str, list[tuple[str, str | None]]] = {}
    for each in plans:
        plan_ = ActionRequest.parse(each.value())
        decided.setdefault(plan_.conversation_id, []).append(
            (plan_.decision.intent, plan_.message_id)
        )
    expected = [("refund_request", "m1"), ("cancel_order", None)]
    assert decided == dict.fromkeys(names, expected)
    assert processes.vendor("GET", "faults")["served"] == {"429": 1}
    assert processes.vendor("GET", "stats")["requests"] == {"200": len(names)}
