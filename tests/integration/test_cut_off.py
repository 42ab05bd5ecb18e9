"""One act worker of two is cut off from the control topic: it stops, the other goes on, both are told of."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2

from console.operating import operating
from console.release import everything
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.control import STALE_AFTER
from pipeline.domain.events import Audit
from pipeline.domain.modes import Mode
from pipeline.lever import Answer
from tests.integration.act_world import PARTITIONS, ActWorld, until

pytestmark = [pytest.mark.integration, pytest.mark.full]

MODULE = ("tests.integration.cut_worker",)
CALL = 3.0
"""Seconds that a call may take; the worker is silent for certain after `STALE_AFTER` more."""


def partition_of(ticket: str) -> int:
    return int(murmur2(ticket.encode()) & 0x7FFFFFFF) % PARTITIONS


class Customers:
    """Tickets on every partition, one after the other, while the block runs."""

    def __init__(self, act: ActWorld, prefix: str) -> None:
        self.act = act
        self._names = (f"{prefix}-{number}" for number in count())
        self.asked: list[str] = []

    def on(self, partition: int) -> str:
        """One more ticket, on that partition."""
        name = next(each for each in self._names if partition_of(each) == partition)
        self.act.ask(self.act.seed(name))
        self.asked.append(name)
        return name

    @contextmanager
    def writing(self) -> Iterator[None]:
        over = threading.Event()

        def write() -> None:
            while not over.wait(0.2):
                for partition in range(PARTITIONS):
                    self.on(partition)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def sends(self, partition: int) -> list[float]:
        """When each reply to tickets on that partition was begun, unix seconds."""
        mine = {f"i-{each}" for each in self.asked if partition_of(each) == partition}
        with TopicLog(self.act.bootstrap, topics.AUDIT.name) as log:
            audits = [Audit.parse(each.value()) for each in log.records()]
        return [
            float(each.detail["called_at"])
            for each in audits
            if each.ingress_id in mine and each.what == "replied" and "called_at" in each.detail
        ]

    def withheld(self, partition: int, *, since: float) -> bool:
        """Whether a reply there was withheld for the mode after `since`."""
        return any(
            each.at > since and each.reason == "mode"
            for each in everything(self.act.bootstrap)
            if each.conversation_id in self.asked
            and partition_of(each.conversation_id) == partition
        )

    def owner(self, partition: int) -> str:
        """The worker that answers there now."""
        ticket = self.on(partition)
        until(lambda: self.act.replies(ticket), f"a reply on {ticket}")
        (reply,) = self.act.console("ledger", "show", ticket)["replies"]
        return str(reply["worker"])


def stop_everything(act: ActWorld, *, patience: float) -> Answer:
    async def work() -> Answer:
        async with operating(act.bootstrap) as operator:
            await operator.known()
            return await operator.lever.set(
                Mode.STOP, reason="cut off", by="test", patience=patience
            )

    return asyncio.run(work())


@pytest.mark.timeout(500)
@pytest.mark.parametrize("is_silent", [False, True])
def test_a_worker_that_hears_nothing_of_the_lever_stops_by_itself_and_the_other_goes_on(
    act: ActWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    cut, cut_both = tmp_path / "cut", tmp_path / "cut-both"
    for name in ("0", "1"):
        # The first one's files are never made.
        monkeypatch.setenv("ACT_CUT", str(cut if name == "1" else tmp_path / "never"))
        monkeypatch.setenv("ACT_CUT_BOTH", str(cut_both if name == "1" else tmp_path / "never"))
        act.worker(name, module=MODULE, settings={"vendor_timeout": str(CALL)}).ready()
    customers = Customers(act, f"cut-{is_silent}")
    owners: dict[str, int] = {}
    while len(owners) < PARTITIONS:  # the second worker's join moves a partition
        owners = {customers.owner(partition): partition for partition in range(PARTITIONS)}
    other, lost = owners["0"], owners["1"]

    with customers.writing():
        until(lambda: customers.sends(lost) and customers.sends(other), "replies of both")
        if is_silent:
            cut_both.touch()
        cut.touch()
        since = time.time()
        until(lambda: customers.withheld(lost, since=since), "the worker cut off withholds")
        stopped = since + STALE_AFTER
        until(lambda: max(customers.sends(other)) > stopped, "the other goes on")
        assert not customers.withheld(other, since=since)
        assert max(customers.sends(lost)) <= stopped <= since + 5.0

        # A worker that still beats is waited for in vain; one that is silent cannot be acting.
        answer = stop_everything(act, patience=60 if is_silent else 5)
        acknowledged = time.time()
        assert answer.missing == (() if is_silent else ("act-1",))
        for partition in (other, lost):
            until(
                lambda: customers.withheld(partition, since=acknowledged),  # noqa: B023 - asked at once
                f"withheld on {partition}",
            )
    sent = [each["at"] for each in act.all_effects("reply") if each["ticket_id"] in customers.asked]
    assert max(sent) <= acknowledged
