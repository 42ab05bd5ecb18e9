"""A canary: the names of Faust, Mode and aiokafka that our layer stands on.

What the layer uses is read from its sources, so a new use without a line here fails, and a line
here without its use fails too. A new release that renames one would not fail by itself: an
override that nobody calls is silent, and what it prevents would be back.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from importlib import metadata
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faust.agents import Agent
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import Fetcher, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import Message

import pipeline.stream
from pipeline.stream.app import BatchTopic, DurableApp
from pipeline.stream.consumer import BatchConsumer, BatchTransport
from pipeline.stream.consumer_thread import BatchThread
from pipeline.stream.parking import _Forget

FOREIGN = ("faust", "mode", "aiokafka")
NO_METHOD = None

OVERRIDDEN: dict[type, dict[str, list[str] | None]] = {
    BatchConsumer: {
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
    BatchThread: {"getmany": ["active_partitions", "timeout"], "_start_thread": []},
    BatchTopic: {"decode": ["message", "propagate"], "queue": NO_METHOD, "_queue": NO_METHOD},
    DurableApp: {"on_start": [], "_new_transport": []},
    BatchTransport: {"Consumer": NO_METHOD},
    _Forget: {"on_partitions_revoked": ["revoked"], "on_partitions_assigned": ["assigned"]},
}
"""What the layer puts in the place of a foreign name, with the parameters that the foreign one has."""

INHERITED: dict[type, dict[str, list[str] | None]] = {
    BatchConsumer: {
        "_getmany": ["active_partitions", "timeout"],
        "_get_active_partitions": [],
        "_to_message": ["tp", "record"],
        "_thread": NO_METHOD,
        "_committed_offset": NO_METHOD,
        "_unacked_messages": NO_METHOD,
        "app": NO_METHOD,
        "beacon": NO_METHOD,
        "callback": NO_METHOD,
        "can_resume_flow": NO_METHOD,
        "commit": [],
        "consumer_stopped_errors": NO_METHOD,
        "earliest_offsets": ["partitions"],
        "flow_active": NO_METHOD,
        "highwater": ["tp"],
        "highwaters": ["partitions"],
        "loop": NO_METHOD,
        "position": ["tp"],
        "seek_to_committed": [],
        "seek_wait": ["partitions"],
        "should_stop": NO_METHOD,
        "sleep": ["n"],
        "suspend_flow": NO_METHOD,
        "wait": ["coros"],
        "wait_first": ["coros", "timeout"],
    },
    BatchThread: {
        "_ensure_consumer": [],
        "_fetch_records": ["consumer", "active_partitions", "timeout", "max_records"],
        "app": NO_METHOD,
        "assignment": [],
        "call_thread": ["fun", "args"],
        "thread_loop": NO_METHOD,
    },
    BatchTopic: {"_create_event": ["key", "value", "headers", "message"], "app": NO_METHOD},
    DurableApp: {
        "add_future": ["coro"],
        "conf": NO_METHOD,
        "consumer": NO_METHOD,
        "rebalancing": NO_METHOD,
        "should_stop": NO_METHOD,
        "sleep": ["n"],
        "started": NO_METHOD,
        "topic": ["topics", "key_serializer", "value_serializer"],
    },
}
"""Foreign names that are used on ``self``, with the parameters that are given; all of them where the
name is private."""

ELSEWHERE: dict[str, Any] = {"_coordinator": AIOKafkaConsumer, "_sinks": Agent}
"""Private foreign names on other objects, with whose they are."""
OURS = {"KafkaError", "confluent_kafka.KafkaError", "os", "letter"}
"""Owners of names with an underscore that are not private: librdkafka's codes, `os._exit`, `_replace`."""


# -- what the sources say ---------------------------------------------------------------------


def modules() -> list[Any]:
    names = [each.name for each in pkgutil.iter_modules(pipeline.stream.__path__)]
    return [importlib.import_module(f"pipeline.stream.{name}") for name in names]


def is_foreign(kind: type) -> bool:
    return kind.__module__.split(".")[0] in FOREIGN


def foreign(kind: type) -> type:
    """The class that `kind` is made from."""
    return next(base for base in kind.__mro__ if is_foreign(base))


def subclasses() -> set[type]:
    return {
        kind
        for module in modules()
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and any(map(is_foreign, kind.__mro__))
    }


def attributes(source: str) -> list[ast.Attribute]:
    tree = ast.parse(textwrap.dedent(source))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


@functools.cache
def source_of(kind: type) -> str:
    return inspect.getsource(kind)


def own_names(kind: type) -> set[str]:
    """What `kind` defines itself, in its body or on ``self``."""
    stored = {
        node.attr
        for node in attributes(source_of(kind))
        if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    body = re.findall(r"^    (?:async def |def )?(\w+)(?: =|\()", source_of(kind), re.MULTILINE)
    return {name for name in {*body, *stored} if not name.startswith("__")}


def used_names(kind: type) -> set[str]:
    """What `kind` uses on ``self`` and does not define."""
    used = {
        node.attr
        for node in attributes(source_of(kind))
        if ast.unparse(node.value) in ("self", "super()")
    }
    return {name for name in used - own_names(kind) if not name.startswith("__")}


def has(kind: type, name: str) -> bool:
    """Whether a foreign class has a name, in its body or as what it sets on ``self``."""
    bases = [base for base in kind.__mro__ if is_foreign(base)]
    pattern = re.compile(rf"\bself\.{name}\b[^=\n]*=")
    return hasattr(kind, name) or any(pattern.search(source_of(base)) for base in bases)


def parameters(owner: Any, name: str) -> list[str]:
    return [word for word in inspect.signature(getattr(owner, name)).parameters if word != "self"]


# -- the lists are whole ----------------------------------------------------------------------


def test_faust_is_the_release_that_was_read() -> None:
    assert metadata.version("faust-streaming") == "0.15.3"


def test_every_class_that_is_made_from_a_foreign_one_is_listed() -> None:
    assert subclasses() == set(OVERRIDDEN)


@pytest.mark.parametrize("kind", OVERRIDDEN)
def test_every_foreign_name_that_is_overridden_is_listed(kind: type) -> None:
    own = {name for name in own_names(kind) if has(foreign(kind), name)}
    assert own == set(OVERRIDDEN[kind])


@pytest.mark.parametrize("kind", OVERRIDDEN)
def test_every_foreign_name_that_is_used_on_self_is_listed(kind: type) -> None:
    assert used_names(kind) == set(INHERITED.get(kind, {}))


def test_every_private_name_of_another_object_is_listed() -> None:
    files = Path(inspect.getsourcefile(pipeline.stream) or "").parent.glob("*.py")
    defined = {name for module in modules() for name in re.findall(r"\b_\w+", own_source(module))}
    used = {
        node.attr
        for file in files
        for node in attributes(file.read_text())
        if re.match("_[^_]", node.attr)
        and ast.unparse(node.value) not in {"self", "super()", *OURS}
    }
    assert used - defined == set(ELSEWHERE)


def own_source(module: Any) -> str:
    """The lines of a module that define a name with an underscore in front."""
    source = inspect.getsource(module)
    return "\n".join(re.findall(r"(?:def|class) _\w+|self\._\w+(?=[:\s]*[^=\n]*=)", source))


# -- and right --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [(kind, name, wanted) for kind, table in OVERRIDDEN.items() for name, wanted in table.items()],
)
def test_what_is_overridden_is_there_under_the_same_parameters(
    kind: type, name: str, wanted: list[str] | None
) -> None:
    assert has(foreign(kind), name)
    if wanted is not NO_METHOD:
        assert parameters(foreign(kind), name) == wanted


@pytest.mark.parametrize(
    ("kind", "name", "given"),
    [(kind, name, given) for kind, table in INHERITED.items() for name, given in table.items()],
)
def test_what_is_used_on_self_is_there_and_takes_what_is_given(
    kind: type, name: str, given: list[str] | None
) -> None:
    assert has(foreign(kind), name)
    if given is not NO_METHOD:
        taken = parameters(foreign(kind), name)
        assert given == (taken if name.startswith("_") else [w for w in taken if w in given])


@pytest.mark.parametrize(("name", "owner"), ELSEWHERE.items())
def test_private_names_of_other_objects_are_there(name: str, owner: type) -> None:
    assert has(owner, name)


def test_every_name_of_the_driver_is_there() -> None:
    used = {
        node.attr
        for file in Path(inspect.getsourcefile(pipeline.stream) or "").parent.glob("*.py")
        for node in attributes(file.read_text())
        if ast.unparse(node.value) == "driver"
    }
    assert "ensure_aiokafka_TP" in used
    assert all(hasattr(driver, name) for name in used)


@pytest.mark.parametrize("kind", [BatchConsumer, BatchThread, BatchTopic])
def test_what_is_asked_of_the_app_is_there(kind: type) -> None:
    used = {
        node.attr for node in attributes(source_of(kind)) if ast.unparse(node.value) == "self.app"
    }
    assert used
    assert [name for name in used if name not in own_names(DurableApp) | set(dir(faust.App))] == []


def test_the_agents_queue_is_made_with_words_that_faust_knows() -> None:
    assert parameters(faust.App, "FlowControlQueue") == ["maxsize", "clear_on_resume"]


def test_a_message_carries_a_key_a_value_and_whether_it_is_acked() -> None:
    assert {"key", "value", "acked"} <= set(Message.__slots__)


def test_aiokafka_tells_a_commits_note_by_its_coordinator() -> None:
    assert parameters(GroupCoordinator, "fetch_committed_offsets") == ["partitions"]
    assert "self._coordinator" in inspect.getsource(AIOKafkaConsumer.committed)
    assert "thread_loop" in inspect.getsource(driver.AIOKafkaConsumerThread.on_start)


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


def test_the_transport_makes_our_consumer() -> None:
    assert BatchTransport.Consumer is BatchConsumer
    assert "self.Consumer" in inspect.getsource(driver.Transport.create_consumer)
