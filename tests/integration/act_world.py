"""Act workers on a real broker beside a fake helpdesk whose journal is the truth."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import confluent_kafka
import httpx

from console.operating import Operator, bring, operating
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.domain.classification import Opinion, classify, plan
from pipeline.domain.control_records import TEMPLATE_PREFIX, SwitchRecord
from pipeline.domain.events import AcceptedTicket, ActionRequest, Audit
from pipeline.domain.modes import Mode
from pipeline.stream import admin
from sandbox.kafka import EmbeddedKafka

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
LEASE, SETTLE = 2.0, 1.0


def until(holds: Callable[[], object], what: str, *, within: float = 180.0) -> Any:
    """What `holds` returned once it was true."""
    ends = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < ends, f"not within {within:.0f} s: {what}"
        time.sleep(0.1)
    return found


@dataclass
class Worker:
    """One act process."""

    process: subprocess.Popen[bytes]
    log: Path

    def ready(self) -> None:
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline() or b"{}").get("ready"), (
            self.log.read_text()
        )

    def ends(self, *, within: float = 180.0) -> int:
        """Its exit code."""
        return self.process.wait(within)

    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        return "\nState:\tT" in Path(f"/proc/{self.process.pid}/status").read_text()

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it in order: deaths without a commit between them would make a poison event."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class ActWorld:
    """What a test has in hand."""

    folder: Path
    bootstrap: str
    vendors: Mapping[str, str]
    workers: list[Worker] = field(default_factory=list)
    _taken_before: dict[str, int] = field(default_factory=dict)

    # -- processes ----------------------------------------------------------------------------

    def worker(
        self,
        name: str = "0",
        *,
        at: str = "",
        with_signal: str = "SIGKILL",
        static: bool = True,
        settings: Mapping[str, str] | None = None,
        module: Sequence[str] = ("tests.integration.act_worker",),
    ) -> Worker:
        """Starts a worker; `at` is POINT:TICKET."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SWITCHBOARD_")}
        env = {
            **inherited,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SWITCHBOARD_DATA_DIR": str(self.folder),
            "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
            "SWITCHBOARD_INSTANCE": name,
            "SWITCHBOARD_STATIC_MEMBERSHIP": str(static),
            "SWITCHBOARD_BOT_AGENT_ID": "agent-bot",
            "SWITCHBOARD_ALLOW_LIST": '["*"]',
            "SWITCHBOARD_RICHPANEL_URL": self.vendors["richpanel"],
            "SWITCHBOARD_RICHPANEL_KEY": self.vendors["key"],
            "SWITCHBOARD_VENDOR_BUDGET": "100000",
            "SWITCHBOARD_REPLY_LEASE": str(LEASE),
            "SWITCHBOARD_REPLY_SETTLE": str(SETTLE),
            "ACT_AT": at,
            "ACT_MET": str(self.folder / f"met-{at.replace(':', '-')}"),
            "ACT_SIGNAL": with_signal,
            **{f"SWITCHBOARD_{key.upper()}": value for key, value in (settings or {}).items()},
        }
        env = {name: value for name, value in env.items() if value}
        log = self.folder / f"act-{name}-{len(self.workers)}.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    def parking(self) -> None:
        """Starts the scheduler that brings parked work back."""
        self.worker("parking", module=("agents", "parking")).ready()

    def close_workers(self) -> None:
        for each in self.workers:
            each.close()
        self.workers.clear()

    def console(self, *arguments: str, ok: bool = True) -> Any:
        """What a verb answers, as JSON."""
        env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap}
        answer = subprocess.run(
            [sys.executable, "-m", "console", *arguments, "-o", "json"],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert (answer.returncode == 0) is ok, answer.stdout + answer.stderr
        return json.loads(answer.stdout) if answer.stdout else None

    def mode(self, mode: Mode) -> None:
        """Brings the global mode there, confirmed by every worker."""
        self._operate(lambda op: bring(op.lever, mode, reason="test", by="test"))

    def template_off(self, template: str) -> None:
        record = SwitchRecord(on=False, by="test", reason="test", at=time.time())
        self._operate(lambda op: op.follower.put([(TEMPLATE_PREFIX + template, record.to_bytes())]))

    def _operate(self, act: Callable[[Operator], Awaitable[Any]]) -> None:
        async def work() -> None:
            async with operating(self.bootstrap) as operator:
                await operator.known()
                await act(operator)

        asyncio.run(work())

    # -- the helpdesk -------------------------------------------------------------------------

    def seed(self, ticket_id: str, **changes: Any) -> str:
        """Puts a ticket with one customer message, named m1."""
        channel = changes.pop("channel", "email")
        ticket = {
            "id": ticket_id, "number": 1, "status": "OPEN", "assignee_id": None, "tags": [],
            "email": f"{ticket_id}@example.com", "created_at": time.time(),
            "updated_at": time.time(), "via": {"channel": channel},
            "comments": [comment("m1", "words")],
            **changes,
        }  # fmt: skip
        rows = [{"ticket": ticket, "order": None, "messages": 1}]
        self._sandbox("POST", "tickets", rows)
        return ticket_id

    def say(self, ticket_id: str, said: Mapping[str, Any]) -> None:
        """Adds a comment to a ticket, written just now."""
        now = {**said, "created_at": time.time()}
        self._sandbox("POST", "comments", {"ticket_id": ticket_id, "comment": now})

    def fail(self, *rules: Mapping[str, Any]) -> None:
        self._sandbox("PUT", "faults", list(rules))

    def taken(self, ticket_id: str) -> int:
        """Requests that the helpdesk took to apply them later; of tickets that `late` was called for."""
        return self._served("late") - self._taken_before[ticket_id]

    def late(self, ticket_id: str, seconds: float) -> None:
        """Has the helpdesk say yes to the replies of a ticket and show them so much later."""
        self._taken_before[ticket_id] = self._served("late")
        rule = {"kind": "late", "status": 200, "match": f"{ticket_id}/send-message"}
        self.fail({**rule, "delay_s": seconds})

    def _served(self, fault: str) -> int:
        served: dict[str, int] = self._sandbox("GET", "faults")["served"]
        return served.get(fault, 0)

    def _sandbox(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.vendors['richpanel']}/_sandbox/{path}"
        answer = httpx.request(method, url, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def effects(self, ticket_id: str, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.all_effects(kind) if each["ticket_id"] == ticket_id]

    def all_effects(self, kind: str) -> list[dict[str, Any]]:
        effects = self._sandbox("GET", "journal")["effects"]
        return [each for each in effects if each["kind"] == kind]

    def replies(self, ticket_id: str) -> int:
        return len(self.effects(ticket_id, "reply"))

    def tags(self, ticket_id: str) -> str:
        """All tags that were ever set, the last ones last."""
        return " ".join(each["detail"] for each in self.effects(ticket_id, "tags"))

    # -- requests -----------------------------------------------------------------------------

    def ask(self, ticket_id: str, **changes: Any) -> ActionRequest:
        """Writes a plan with a route and a reply, as classify would."""
        request = request_for(ticket_id, **changes)
        self.put(request)
        return request

    def put(self, request: ActionRequest) -> None:
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.bootstrap, "partitioner": "murmur2_random"}
        )
        key = request.conversation_id.encode()
        headers = [("sb-ingress-id", request.ingress_id.encode())]
        producer.produce(topics.REQUESTED.name, request.to_bytes(), key, headers=headers)
        assert producer.flush(10) == 0

    def audits(self, ticket_id: str) -> list[Audit]:
        with TopicLog(self.bootstrap, topics.AUDIT.name) as log:
            audits = [Audit.parse(each.value()) for each in log.records()]
        return [each for each in audits if each.ingress_id == f"i-{ticket_id}"]

    def audited(self, ticket_id: str, what: str) -> bool:
        return any(each.what == what for each in self.audits(ticket_id))

    def outcome(self, ticket_id: str, *, within: float = 180.0) -> str:
        """The terminal outcome once it is there; always the same one."""
        ended = until(
            lambda: [each.outcome for each in self.audits(ticket_id) if each.outcome],
            f"an outcome of {ticket_id}",
            within=within,
        )
        assert len(set(ended)) == 1, ended
        return str(ended[0])


def comment(name: str, body: str, *, operator: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "body": body, "author_id": "agent-1" if operator else "customer",
        "created_at": time.time() - 60, "type": "message",
        "via": {"channel": "email", "isOperator": operator}, **more,
    }  # fmt: skip


def request_for(
    ticket_id: str, *, intent: str = "refund_request", message: str = "m1", **changes: Any
) -> ActionRequest:
    ticket = AcceptedTicket(
        event_id=f"e-{ticket_id}-{message}", tenant="default", source="richpanel",
        conversation_id=ticket_id, message_id=message, channel="email",
        text="I want my money back", ingress_id=f"i-{ticket_id}", received_at=time.time(),
    )  # fmt: skip
    opinion = Opinion(intent, "high", "m", 0.1, 1, "p")
    made = plan(ticket, classify(ticket, opinion, None, prefix="mw"))
    return made.model_copy(update=changes)


@contextmanager
def act_world(folder: Path) -> Iterator[ActWorld]:
    """A broker with topics, the fake vendors, everything `live`; workers are the test's own."""
    command = [sys.executable, "-m", "sandbox", "--budget", "100000", "--error-rate", "0"]
    with (
        EmbeddedKafka(folder / "kafka") as kafka,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as vendors,
    ):
        try:
            bootstrap = kafka.start().bootstrap
            admin.apply(bootstrap, topics.plans(partitions=PARTITIONS, replication=1))
            assert vendors.stdout is not None
            world = ActWorld(folder, bootstrap, json.loads(vendors.stdout.readline()))
            world.mode(Mode.LIVE)
            try:
                yield world
            finally:
                world.close_workers()
        finally:
            vendors.terminate()
