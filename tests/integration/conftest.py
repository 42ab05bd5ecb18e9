from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.domain.modes import Mode
from sandbox.kafka import Broker, EmbeddedKafka
from tests.integration.act_world import ActWorld, act_world


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One real broker for the whole test session; tests keep apart by the names of their topics."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka.start()


@pytest.fixture(scope="session")
def act_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActWorld]:
    with act_world(tmp_path_factory.mktemp("act")) as world:
        yield world


@pytest.fixture
def act(act_session: ActWorld) -> Iterator[ActWorld]:
    """A broker and a helpdesk for act workers, `live` and without faults; tickets tell tests apart."""
    yield act_session
    act_session.fail()
    act_session.close_workers()
    act_session.mode(Mode.LIVE)
