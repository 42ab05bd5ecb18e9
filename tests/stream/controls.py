"""A control state in memory, for tests of what asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.control import Control
from pipeline.domain.control_records import GateRecord, SwitchRecord
from pipeline.domain.modes import GLOBAL, Mode, ModeRecord, mode_key
from pipeline.stream.control import Update, View


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


def control_at(mode: str) -> Control:
    """A fresh control state in which everything is at `mode`."""
    return Controls().mode(mode).control
