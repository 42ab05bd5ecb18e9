"""A control state in memory, for tests of what asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count

from pipeline.control import Control
from pipeline.domain.control_records import GateRecord, ProcessRecord, SwitchRecord
from pipeline.domain.modes import GLOBAL, Mode, ModeRecord, Subject, mode_key
from pipeline.lever import Lever
from pipeline.stream.control import Update, View
from pipeline.stream.delivery import DeliveryError, Failure
from tests.stream.memory_broker import MemoryBroker


@dataclass
class Controls:
    """Writes as an operator would; `control` is what the process under test is given."""

    monotonic: Callable[[], float] = lambda: 0.0
    view: View = field(default_factory=View)

    def __post_init__(self) -> None:
        self.control = Control(self.view, monotonic=self.monotonic)
        self.hear()

    def hear(self) -> None:
        """The follower's sign of life has come back just now."""
        self.put("process/test-0/1", b"{}")
        self.view.written(self.view.position - 1, self.monotonic())

    def put(self, key: str, value: bytes | None) -> int:
        offset = self.view.position
        self.view.apply([Update(key, value, offset, 1_700_000_000.0)])
        return offset

    def mode(self, mode: str, scope: str = GLOBAL) -> Controls:
        record = ModeRecord(mode=Mode(mode), reason="test", by="test", at=0.0)
        self.put(mode_key(scope, "hold"), record.to_bytes())
        return self

    def template(self, template: str, *, on: bool) -> None:
        record = SwitchRecord(on=on, by="test", reason="test", at=0.0)
        self.put(f"template/{template}", record.to_bytes())

    def shed(self, what: str, *, on: bool = True) -> None:
        record = SwitchRecord(on=on, by="test", reason="test", at=0.0)
        self.put(f"shed/{what}", record.to_bytes())

    def gate(self, vendor: str, closed_until: float) -> None:
        record = GateRecord(closed_until=closed_until, by="test", reason="http_429")
        self.put(f"gate/{vendor}", record.to_bytes())


@dataclass
class Topic:
    """A topic that is read back at once; `refuse` says which puts the broker does not take."""

    controls: Controls = field(default_factory=Controls)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    ids: Iterator[int] = field(default_factory=count)
    refuse: Callable[[list[tuple[str, bytes | None]]], bool] = lambda _: False

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        entries = list(entries)
        if self.refuse(entries):
            raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
        offset = max([self.controls.put(key, value) for key, value in entries], default=-1)
        confirmed = ProcessRecord(name="test-0", confirmed=offset, silent_after=5.0)
        self.controls.put("process/test-0/1", confirmed.to_bytes())
        return offset

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        if not holds():
            await asyncio.Event().wait()

    def lever(self) -> Lever:
        return Lever(
            self.controls.control, self, self.broker,
            now=lambda: 0.0, monotonic=lambda: 0.0, new_id=lambda: f"id{next(self.ids)}",
        )  # fmt: skip

    @property
    def mode(self) -> Mode:
        return self.controls.control.effective(Subject())


def control_at(mode: str) -> Control:
    """A fresh control state in which everything is at `mode`."""
    return Controls().mode(mode).control
