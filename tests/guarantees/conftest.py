from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.kafka import Broker, EmbeddedKafka
from tests.guarantees.lab import Lab


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real broker for the whole session; tests keep apart by the names of their topics."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.start()


@pytest.fixture
def lab(broker: Broker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A test's own topics and files; its workers end with it."""
    name = re.sub(r"\W+", "-", request.node.name)[-80:].strip("-")
    made = Lab(broker.bootstrap, name, tmp_path)
    yield made
    made.close()
