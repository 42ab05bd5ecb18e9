"""Histories of one reply, drawn at random: deaths between any two steps, lost answers, bugs, modes.

What is played is the act stage itself, life after life, on what the life before it left behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.app import Stage
from pipeline.control import follow
from pipeline.domain.events import Outcome
from pipeline.ports import Ambiguous, Permanent, RateLimited, TicketState, Transient
from pipeline.stream.app import DurableApp
from pipeline.stream.producer import Changes, Outgoing
from tests.stream.controls import Controls, control_at
from tests.stream.memory_broker import MemoryBroker, batch_of
from tests.stream.test_act_agent import Clock, Desk, Setting, acting, recorded, request_for


class Killed(BaseException):
    """kill -9: nothing after this line happens in this life."""


@dataclass(frozen=True)
class Life:
    """One process with the request in hand."""

    dies_at: int = 99
    """The step, counted over the broker and the helpdesk, at which it is killed."""
    after: bool = False
    """Whether what that step does has happened by then."""
    send: tuple[Exception | None, bool] = (None, True)
    """What the helpdesk answers to a send, and whether it has taken it."""
    shows: bool = True
    """Whether a read shows what was sent."""
    read_breaks: bool = False
    """Whether our own code breaks on a ticket that shows more than the customer's message."""
    mode: str = "live"
    before: float = 0.0
    """Seconds since the last life."""


@dataclass
class Fate:
    """Counts the steps of one life and ends it."""

    life: Life = field(default_factory=Life)
    steps: int = 0

    def step(self) -> bool:
        """Called before a step; whether the life ends after it."""
        self.steps += 1
        if self.steps > self.life.dies_at or (
            self.steps == self.life.dies_at and not self.life.after
        ):
            raise Killed
        return self.steps == self.life.dies_at


class MortalBroker(MemoryBroker):
    fate = Fate()

    async def send(self, records: Sequence[Outgoing], changes: Changes | None = None) -> int:
        ends = self.fate.step()
        offset = await super().send(records, changes)
        if ends:
            raise Killed
        return offset


class MortalDesk(Desk):
    fate = Fate()

    async def ticket(self, ticket_id: str) -> TicketState:
        self.fate.step()
        life, seen = self.fate.life, await super().ticket(ticket_id)
        if life.read_breaks and len(seen.comments) > 1:
            raise LookupError
        return seen if life.shows else TicketState(**{**vars(seen), "comments": seen.comments[:1]})

    async def apply_route(self, ticket: TicketState, **wanted: Any) -> None:
        await self._done(super().apply_route(ticket, **wanted))

    async def add_tags(self, ticket_id: str, tags: tuple[str, ...]) -> None:
        await self._done(super().add_tags(ticket_id, tags))

    async def send_reply(self, ticket: TicketState, *, body: str) -> None:
        self.send_failures = [self.fate.life.send]  # type: ignore[list-item]
        await self._done(super().send_reply(ticket, body=body))

    async def add_note(self, ticket: TicketState, *, body: str) -> None:
        await self._done(super().add_note(ticket, body=body))

    async def _done(self, call: Any) -> None:
        try:
            ends = self.fate.step()
            await call
        finally:
            call.close()
        if ends:
            raise Killed


@dataclass
class History:
    """What outlives each process: the broker's logs, the disk, the helpdesk."""

    folder: Path
    broker: MortalBroker = field(default_factory=MortalBroker)
    desk: MortalDesk = field(default_factory=MortalDesk)
    clock: Clock = field(default_factory=Clock)

    def live(self, life: Life) -> None:
        """Lives it to its end."""
        self.broker.fate = self.desk.fate = Fate(life)
        self.clock.at += life.before
        asyncio.run(self._live(life))

    async def _live(self, life: Life) -> None:
        ended = asyncio.Event()
        stage = self._stage()
        await stage.table.ready(0)
        setting = Setting(
            Controls().mode(life.mode),
            clock=self.clock,
            lease=5.0,
            on_crash=lambda where, error: ended.set(),
        )
        batch = batch_of([recorded(request_for())])
        batch.assignment.on_progress = ended.set
        batch.assignment.sleep = self._sleep  # type: ignore[method-assign]
        agent = acting(stage, self.desk, setting)
        async with agent.test_context() as running:
            await running.put(batch)
            await asyncio.wait_for(ended.wait(), 10)
        agent.app.consumer._thread.thread_loop.close()
        await stage.table.close()

    async def _sleep(self, seconds: float) -> None:
        self.clock.at += max(0.0, seconds)

    def _stage(self) -> Stage:
        app = DurableApp("act", bootstrap_servers="127.0.0.1:1", folder=self.folder)
        table = self.broker.table(self.folder)
        table.assign([0])
        _, follower = follow(
            "127.0.0.1:1", self.broker, name="act", life="1",
            monotonic=lambda: 0.0, on_crash=lambda *_: None,
        )  # fmt: skip
        return Stage("act", app, table, self.broker, control_at("live"), follower)

    @property
    def written(self) -> int:
        """Replies and drafts that the helpdesk has taken."""
        return len(self.desk.replies) + len(self.desk.notes)

    def outcomes(self) -> list[Outcome]:
        return [each.outcome for each in self.broker.audits() if each.outcome is not None]


answers = st.sampled_from(
    [
        (None, True),
        (Ambiguous("http_502"), True),
        (Ambiguous("timeout"), False),
        (LookupError("a bug"), True),
        (LookupError("a bug"), False),
        (RateLimited("http_429", 0.1), False),
        (Transient("unreachable"), False),
        (Permanent("http_422"), False),
    ]
)
lives = st.builds(
    Life,
    dies_at=st.integers(1, 20),
    after=st.booleans(),
    send=answers,
    shows=st.booleans(),
    read_breaks=st.booleans(),
    mode=st.sampled_from(["live", "live", "live", "draft", "route_only", "stop"]),
    before=st.floats(0, 30),
)


@settings(max_examples=60)
@given(st.lists(lives, min_size=1, max_size=5))
def test_whatever_happens_one_reply_is_written_at_most_and_nothing_ends_silently(
    history: list[Life],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = History(Path(folder))
        for life in history:
            world.live(life)
            assert world.written <= 1
        world.live(Life(before=30.0))
        assert world.written <= 1
        last = world.outcomes()[-1]
        tags = world.desk.state.tags
        assert last is not Outcome.ACTED or world.written == 1
        assert last is not Outcome.TRIAGED or "needs_manual_triage" in tags
        assert last in {Outcome.ACTED, Outcome.TRIAGED, Outcome.WITHHELD}


def test_a_history_without_trouble_is_one_reply(tmp_path: Path) -> None:
    world = History(tmp_path)
    world.live(Life())
    world.live(Life(before=30.0))
    assert (len(world.desk.replies), world.outcomes()) == (1, [Outcome.ACTED, Outcome.ACTED])
