"""The act stage put together: everything but the vendor's client, which the process names."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

from agents.act import Acting, attach_act
from agents.calls import Calls
from agents.counts import CustomerCounts
from agents.gate import Gate
from agents.orders import Orders
from agents.parked import Parking
from agents.permits import Permits
from agents.plan_records import Releasable
from agents.reply import Replier
from agents.sending import Lease, Sending
from pipeline import topics
from pipeline.app import Stage
from pipeline.brokers import brokers
from pipeline.domain.permit import Policy
from pipeline.ports import Helpdesk, Shop
from pipeline.settings import Settings
from pipeline.stream.broker_clock import BrokerClock
from pipeline.stream.control import Follower, View
from pipeline.stream.delivery import DeliveryError
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Sender
from tables.ledger import LedgerTable

SWEEP = 600.0
"""Seconds between two removals of counts that no cap looks at any more."""


def policy_of(settings: Settings) -> Policy:
    """What the operator has set for all tickets."""
    return Policy(
        reply_channels=settings.reply_channels,
        allow_list=settings.allow_list,
        has_bot_agent=settings.bot_agent_id is not None,
        per_ticket_10m=settings.cap_ticket_10m,
        per_ticket_24h=settings.cap_ticket_24h,
        per_customer_24h=settings.cap_customer_24h,
        max_age=settings.reply_max_age,
    )


def assemble(
    stage: Stage,
    helpdesk: Helpdesk,
    gate: Gate,
    settings: Settings,
    *,
    shop: Shop | None,
    shop_gate: Gate,
    on_crash: Crash,
) -> None:
    """Attaches the agent to `stage`, and what runs alongside it."""
    # What other processes read is by one clock: when parked work is due and for how long it has
    # waited, and when a call began that a mode had to allow.
    broker_now = BrokerClock(stage.control.view, monotonic=time.monotonic)
    calls, shop_calls = (
        Calls(each, deadline=settings.act_deadline, now=broker_now, uniform=random.uniform)
        for each in (gate, shop_gate)
    )
    view = View()
    counts = CustomerCounts(view, monotonic=time.monotonic)
    permits = Permits(
        stage.control,
        counts,
        policy=policy_of(settings),
        tag_prefix=settings.tag_prefix,
        longest_call=settings.vendor_timeout,
        now=time.time,
    )
    ledger = LedgerTable(stage.table, stage.producer)
    lease = Lease(settings.reply_lease, settings.reply_settle, settings.reply_unsettled)
    sending = Sending(
        ledger,
        helpdesk,
        calls,
        permits,
        counts=counts,
        stalls=stage.app.stalls,
        worker=settings.instance,
        lease=lease,
        now=time.time,
        broker_now=broker_now,
        monotonic=time.monotonic,
    )
    replier = Replier(ledger, helpdesk, calls, sending, lease=lease, broker_now=broker_now)
    work = Acting(
        stage,
        helpdesk,
        calls,
        permits,
        replier,
        parking=Parking(
            stage, deadline=settings.act_deadline, now=broker_now, uniform=random.uniform
        ),
        orders=Orders(
            helpdesk,
            calls,
            shop,
            shop_calls,
            is_shed=lambda what: not settings.order_lookups or stage.control.is_shed(what),
        ),
        releasable=Releasable(reply=settings.reply_max_age, others=settings.act_deadline),
        tag_prefix=settings.tag_prefix,
        now=time.time,
        broker_now=broker_now,
        monotonic=time.monotonic,
    )
    attach_act(stage, work, concurrency=settings.act_concurrency, on_crash=on_crash)
    follower = Follower(
        brokers(settings),
        topics.COUNTED.name,
        view=view,
        sender=stage.producer,
        key=f"worker/{settings.instance}",
        beat=lambda: b"{}",
        monotonic=time.monotonic,
        on_crash=on_crash,
    )
    sweep = Sweep(counts, stage.producer, now=time.time)
    stage.alongside.extend([follower, Task(sweep.run)])


class Task:
    """Something that runs until it is stopped."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self._run = run
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins."""
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class Sweep:
    """Removes counts that are too old for any cap; `now` gives unix seconds."""

    def __init__(self, counts: CustomerCounts, sender: Sender, *, now: Callable[[], float]) -> None:
        self._counts = counts
        self._sender = sender
        self._now = now

    async def run(self) -> None:
        """Sweeps until it is cancelled."""
        while True:
            # What is not removed now is removed next time; it only costs memory meanwhile.
            with contextlib.suppress(DeliveryError):
                await self._sender.send(list(self._counts.too_old(self._now())))
            await asyncio.sleep(SWEEP)
