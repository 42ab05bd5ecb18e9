"""One running environment: broker, topics, fake vendors, ingress and every stage, as children."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from console.operating import bring, operating
from console.processes import Supervisor, python
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.modes import Mode
from pipeline.settings import load_settings
from pipeline.stream import admin

STAGES = ("dedup", "classify", "act", "observe")
WORKERS = (*STAGES, "parking")
BUDGET = 3000
"""Requests per 30 s that the fake helpdesk allows in `dev`; the real one allows 50, at which 500
tickets take a quarter of an hour."""
REAL_BUDGET = 50
WINDOW = 30
PARTITIONS = 4


@dataclass(frozen=True)
class Urls:
    """Where the parts of an environment listen."""

    broker: str
    richpanel: str
    openai: str
    shopify: str
    ingress: str
    stages: Mapping[str, str]
    token: str
    console: str
    """The control API, for the bearer token `token`."""


@dataclass(frozen=True)
class Setup:
    """How an environment differs from the usual one."""

    mode: Mode = Mode.LIVE
    budget: int = BUDGET
    """Requests per `window` that the fake helpdesk allows and the stages are told of."""
    window: float = WINDOW
    """Seconds."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """Stage -> processes, where it is not one; the second of `act` is called ``act-1``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process of ours, beside and above the usual ones."""
    is_private: bool = False
    """Start a broker even where `KAFKA_BOOTSTRAP_SERVERS` names one."""


class Environment:
    """Starts everything in `folder` and stops all of it again."""

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        *,
        on_progress: Callable[[str], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self._setup = setup
        self._progress = on_progress
        self.supervisor = Supervisor(folder / "log", on_failure=on_failure)

    async def start(self) -> Urls:
        """Brings everything up.

        Raises:
            ProcessError: a part did not come up; the text names its log.
        """
        setup = self._setup
        broker = await self._broker()
        self._progress("creating the topics")
        await asyncio.to_thread(
            admin.apply, broker, topics.plans(partitions=PARTITIONS, replication=1)
        )
        self._progress("starting the fake helpdesk, model and shop")
        journal = self.folder / "journal.jsonl"
        command = python("sandbox", "--budget", str(setup.budget), "--window", str(setup.window))
        vendors = await self.supervisor.start(
            "vendors", [*command, "--journal", str(journal)], dict(os.environ)
        )
        token = secrets.token_hex(16)
        env = self._settings(broker, vendors.ready, token)
        self._progress("starting ingress and the stages")
        started = await asyncio.gather(
            self.supervisor.start("ingress", python("ingress"), env),
            self.supervisor.start("console", python("console", "serve"), env),
            *(
                self.supervisor.start(
                    f"{name}-{number}" if number else name,
                    python("agents", name),
                    {**env, "SWITCHBOARD_INSTANCE": str(number)},
                )
                for name in WORKERS
                for number in range(setup.workers.get(name, 1))
            ),
        )
        self._progress(f"raising the mode to {setup.mode.value}")
        await self._bring(broker)
        urls = {child.name: str(child.ready["url"]) for child in started}
        return Urls(
            broker=broker,
            richpanel=str(vendors.ready["richpanel"]),
            openai=str(vendors.ready["openai"]),
            shopify=str(vendors.ready["shopify"]),
            ingress=urls.pop("ingress"),
            console=urls.pop("console"),
            stages=urls,
            token=token,
        )

    async def _bring(self, broker: str) -> None:
        async with operating(broker) as operator:
            await operator.known()
            now = operator.lever.now_at()
            # On a broker of the user's own, what an operator has set stands.
            is_theirs = self._given_broker() is not None and operator.control.epoch >= 0
            if not (is_theirs and now < self._setup.mode):
                await bring(operator.lever, self._setup.mode, reason="development", by="dev")

    def _given_broker(self) -> str | None:
        if self._setup.is_private or not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
            return None
        return brokers(load_settings())

    async def _broker(self) -> str:
        given = self._given_broker()
        if given:
            self._progress(f"using the broker at {given}")
            return given
        self._progress("starting Apache Kafka (the first start downloads it, about 45 MB)")
        folder = str(self.folder / "kafka")
        child = await self.supervisor.start(
            "kafka", python("sandbox.broker", "serve", "--folder", folder), dict(os.environ)
        )
        return str(child.ready["bootstrap"])

    def _settings(self, broker: str, vendors: Mapping[str, str], token: str) -> dict[str, str]:
        login = () if self._given_broker() is None else ("SWITCHBOARD_KAFKA_",)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SWITCHBOARD_") or name.startswith(login)
        }
        return {
            **inherited,
            "KAFKA_BOOTSTRAP_SERVERS": broker,
            "SWITCHBOARD_DATA_DIR": str(self.folder),
            "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
            "SWITCHBOARD_WEBHOOK_TOKENS": f'["{token}"]',
            "SWITCHBOARD_CONTROL_TOKENS": f'{{"dev": "{token}"}}',
            "SWITCHBOARD_INGRESS_RATE": "1000",
            "SWITCHBOARD_BOT_AGENT_ID": "agent-bot",
            "SWITCHBOARD_ALLOW_LIST": '["*"]',
            "SWITCHBOARD_RICHPANEL_URL": vendors["richpanel"],
            "SWITCHBOARD_RICHPANEL_KEY": vendors["key"],
            "SWITCHBOARD_VENDOR_BUDGET": str(self._setup.budget),
            "SWITCHBOARD_VENDOR_WINDOW": str(self._setup.window),
            "SWITCHBOARD_OPENAI_BASE_URL": f"{vendors['openai']}/v1",
            "SWITCHBOARD_OPENAI_API_KEY": vendors["key"],
            "SWITCHBOARD_OPENAI_REQUESTS": "100000",
            "SWITCHBOARD_OPENAI_TOKENS": "100000000",
            "SWITCHBOARD_SHOPIFY_URL": vendors["shopify"],
            "SWITCHBOARD_SHOPIFY_TOKEN": vendors["key"],
            # The fake helpdesk shows a write at once, so a lost answer is settled in seconds.
            "SWITCHBOARD_REPLY_LEASE": "10",
            "SWITCHBOARD_REPLY_SETTLE": "3",
            # The supervisor starts a stage again only after its death.
            "SWITCHBOARD_STATIC_MEMBERSHIP": "true",
            **self._setup.settings,
        }

    async def stop(self) -> None:
        """Stops every part; nothing is left behind."""
        await self.supervisor.stop()
