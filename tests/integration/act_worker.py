"""`python -m tests.integration.act_worker`: the act stage, with moments at which it kills or stops itself.

At `broken_read` it meets a bug of its own instead, in every read of the ticket after the send.
ACT_AT=POINT:TICKET names the moment and the ticket whose reply meets it; ACT_SIGNAL is the signal
that the process sends itself then. Of several workers the first one alone meets it: it leaves the
file ACT_MET. Nothing of this is in the product.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from agents.__main__ import main
from pipeline.clients.richpanel import Richpanel
from pipeline.domain.ledger import Done, DoneOutcome, Intent
from pipeline.stream.batch import Assignment
from pipeline.stream.producer import Producer
from tables.ledger import LedgerTable

KILLED_AT = (
    "before_intent",
    "intent_queued",
    "intent_durable",
    "applied_no_response",
    "response_no_done",
    "done_queued",
    "done_no_ack",
    "acked_no_commit",
)
"""The kill points of R9; `done_queued` lies between two of them."""
POINT, _, TICKET = os.environ.get("ACT_AT", "").partition(":")
SIGNAL = signal.Signals[os.environ.get("ACT_SIGNAL", "SIGKILL")]


class Moments:
    """Which reply is watched, and what has happened to it."""

    action = ""
    is_done = False
    is_sent = False


def meet(point: str) -> None:
    if point != POINT:
        return
    with contextlib.suppress(FileExistsError):
        Path(os.environ["ACT_MET"]).touch(exist_ok=False)
        os.kill(os.getpid(), SIGNAL)


def watch_ledger() -> None:
    reserve, finish = LedgerTable.reserve, LedgerTable.finish

    async def watched_reserve(
        self: LedgerTable, partition: int, intent: Intent, ticket: Any, counted: Any
    ) -> None:
        is_mine = ticket.conversation_id == TICKET
        if is_mine:
            Moments.action = intent.action_id
            meet("before_intent")
        await reserve(self, partition, intent, ticket, counted)
        if is_mine:
            meet("intent_durable")

    async def watched_finish(
        self: LedgerTable, partition: int, done: Sequence[Done], **rest: Any
    ) -> None:
        ends = list(done)
        await finish(self, partition, ends, **rest)
        if any(is_end_of_reply(each) for each in ends):
            Moments.is_done = True
            meet("done_no_ack")

    LedgerTable.reserve = watched_reserve  # type: ignore[method-assign]
    LedgerTable.finish = watched_finish  # type: ignore[method-assign,assignment]


def is_end_of_reply(done: Done) -> bool:
    return done.action_id == Moments.action and done.outcome is not DoneOutcome.APPLIED


def watch_producer() -> None:
    send = Producer.send
    points = {"#intent": "intent_queued", "#done": "done_queued"}

    async def watched_send(self: Producer, records: Any, changes: Any = None) -> int:
        keys = [] if changes is None else [key.decode("utf-8", "replace") for key in changes.rows]
        sending = asyncio.ensure_future(send(self, records, changes))
        for ending, point in points.items():
            if Moments.action and f"{Moments.action}{ending}" in keys:
                await asyncio.sleep(0)  # the records are with librdkafka now, and no further
                meet(point)
        return await sending

    Producer.send = watched_send  # type: ignore[method-assign]


def watch_helpdesk() -> None:
    send_reply, read = Richpanel.send_reply, Richpanel.ticket

    async def watched_read(self: Richpanel, ticket_id: str) -> Any:
        if POINT == "broken_read" and ticket_id == TICKET and Moments.is_sent:
            raise LookupError
        return await read(self, ticket_id)

    async def watched_send_reply(self: Richpanel, ticket: Any, *, body: str) -> None:
        if ticket.id != TICKET:
            await send_reply(self, ticket, body=body)
            return
        meet("fence_passed")
        Moments.is_sent = True
        before = taken() if POINT == "applied_no_response" else 0
        sending = asyncio.ensure_future(send_reply(self, ticket, body=body))
        if POINT == "applied_no_response":
            await asyncio.to_thread(wait_until_taken, before)
            meet("applied_no_response")
        await sending
        meet("response_no_done")

    Richpanel.send_reply = watched_send_reply  # type: ignore[method-assign]
    Richpanel.ticket = watched_read  # type: ignore[method-assign]


def sandbox(path: str) -> Any:
    return httpx.get(f"{os.environ['SWITCHBOARD_RICHPANEL_URL']}/_sandbox/{path}").json()


def taken() -> int:
    """Requests that the helpdesk has taken to apply them later."""
    return int(sandbox("faults")["served"].get("late", 0))


def wait_until_taken(before: int) -> None:
    """Returns when the reply is applied, or taken to be applied later."""
    while True:
        effects = sandbox("journal")["effects"]
        if any(each["kind"] == "reply" and each["ticket_id"] == TICKET for each in effects):
            return
        if taken() > before:
            return
        time.sleep(0.05)


def watch_acks() -> None:
    finish = Assignment.finish

    def watched_finish(self: Assignment, offset: int) -> None:
        finish(self, offset)
        if Moments.is_done:
            meet("acked_no_commit")

    Assignment.finish = watched_finish  # type: ignore[method-assign]


if __name__ == "__main__":
    watch_ledger()
    watch_producer()
    watch_helpdesk()
    watch_acks()
    sys.exit(main(["act"]))
