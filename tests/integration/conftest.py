from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.kafka import Broker, EmbeddedKafka


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real broker for the whole test session; tests keep apart by the names of their topics."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.start()
