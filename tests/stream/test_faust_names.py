"""A canary: the names of Faust and Mode that are not public but that our layer stands on.

Each is overridden or called in `pipeline/stream`. A new release that renames one would not fail by
itself: an override that nobody calls is silent, and what it prevents would be back.
"""

from __future__ import annotations

import inspect
from importlib import metadata
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.topics import Topic
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import Fetcher, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver

from pipeline.stream.app import BatchTopic, DurableApp
from pipeline.stream.consumer import BatchConsumer, BatchTransport
from pipeline.stream.consumer_thread import BatchThread

OVERRIDDEN: dict[tuple[Any, Any], dict[str, list[str]]] = {
    (driver.Consumer, BatchConsumer): {
        "on_partitions_assigned": ["assigned", "generation_id"],
        "perform_seek": [],
        "wait_empty": [],
        "ack": ["message"],
        "verify_event_path": ["now", "tp"],
        "_filter_tps_with_pending_acks": ["topics"],
        "_new_offset": ["tp"],
        "_commit": ["offsets"],
        "_new_consumer_thread": [],
        "_drain_messages": ["fetcher"],
    },
    (driver.AIOKafkaConsumerThread, BatchThread): {
        "getmany": ["active_partitions", "timeout"],
        "_start_thread": [],
    },
    (Topic, BatchTopic): {"decode": ["message", "propagate"]},
    (faust.App, DurableApp): {"_new_transport": []},
}
CALLED: dict[Any, dict[str, list[str]]] = {
    driver.Consumer: {
        "_getmany": ["active_partitions", "timeout"],
        "_get_active_partitions": [],
        "_to_message": ["tp", "record"],
        "seek_to_committed": [],
        "seek_wait": ["partitions"],
        "earliest_offsets": ["partitions"],
        "highwaters": ["partitions"],
        "highwater": ["tp"],
    },
    driver.AIOKafkaConsumerThread: {
        "_ensure_consumer": [],
        "_fetch_records": ["consumer", "active_partitions", "timeout", "max_records"],
    },
    Topic: {"_create_event": ["key", "value", "headers", "message"]},
}


def parameters(owner: Any, name: str) -> list[str]:
    return [word for word in inspect.signature(getattr(owner, name)).parameters if word != "self"]


def test_faust_is_the_release_that_was_read() -> None:
    assert metadata.version("faust-streaming") == "0.15.3"


@pytest.mark.parametrize(
    ("owner", "name", "names"),
    [(pair[0], name, names) for pair, table in OVERRIDDEN.items() for name, names in table.items()],
)
def test_what_is_overridden_is_there_under_the_same_parameters(
    owner: Any, name: str, names: list[str]
) -> None:
    assert parameters(owner, name) == names


@pytest.mark.parametrize(
    ("pair", "name"), [(pair, name) for pair, table in OVERRIDDEN.items() for name in table]
)
def test_what_is_overridden_is_overridden(pair: tuple[Any, Any], name: str) -> None:
    assert getattr(pair[1], name) is not getattr(pair[0], name)


@pytest.mark.parametrize(
    ("owner", "name", "names"),
    [(owner, name, names) for owner, table in CALLED.items() for name, names in table.items()],
)
def test_what_is_called_is_there_under_the_same_parameters(
    owner: Any, name: str, names: list[str]
) -> None:
    assert parameters(owner, name) == names


@pytest.mark.parametrize(
    ("caller", "called"),
    [
        (Fetcher._fetcher.fun, "_drain_messages"),
        (BaseConsumer.force_commit, "_filter_tps_with_pending_acks"),
        (BaseConsumer._filter_committable_offsets, "_new_offset"),
        (BaseConsumer._commit_offsets, "_commit"),
        (ThreadDelegateConsumer.__init__, "_new_consumer_thread"),
        (faust.App._on_partitions_revoked, "wait_empty"),
    ],
)
def test_faust_still_calls_what_is_overridden(caller: Any, called: str) -> None:
    assert called in inspect.getsource(caller)


@pytest.mark.parametrize("name", ["_unacked_messages", "_committed_offset", "suspend_flow", "can_resume_flow", "flow_active", "consumer_stopped_errors"])  # fmt: skip
def test_attributes_that_are_read_are_set_by_faust(name: str) -> None:
    source = "".join(inspect.getsource(kind) for kind in driver.Consumer.__mro__[:-1])
    assert name in source


def test_aiokafka_tells_a_commits_note_by_its_coordinator() -> None:
    assert parameters(GroupCoordinator, "fetch_committed_offsets") == ["partitions"]
    assert "self._coordinator" in inspect.getsource(AIOKafkaConsumer.committed)
    assert parameters(driver.AIOKafkaConsumerThread, "_ensure_consumer") == []
    assert "thread_loop" in inspect.getsource(driver.AIOKafkaConsumerThread.on_start)


def test_the_transport_makes_our_consumer() -> None:
    assert BatchTransport.Consumer is BatchConsumer
    assert "self.Consumer" in inspect.getsource(driver.Transport.create_consumer)
