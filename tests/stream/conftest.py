from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.app import Stage
from pipeline.control import follow
from pipeline.stream.app import DurableApp
from tests.stream.controls import control_at
from tests.stream.memory_broker import MemoryBroker


@pytest.fixture
def memory_broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def make_stage(memory_broker: MemoryBroker, tmp_path: Path) -> Callable[[str], Stage]:
    """A stage on the memory broker; call it inside the loop that runs it."""

    def make(name: str) -> Stage:
        app = DurableApp(name, bootstrap_servers="127.0.0.1:1", folder=tmp_path / name)
        table = memory_broker.table(tmp_path / name)
        table.assign([0])
        _, follower = follow(
            "127.0.0.1:1", memory_broker, name=name, life="1",
            monotonic=lambda: 0.0, on_crash=lambda *_: None,
        )  # fmt: skip
        return Stage(name, app, table, memory_broker, control_at("live"), follower)

    return make
