from __future__ import annotations

import inspect
import re
from collections import Counter
from typing import Any

import pytest
from aiokafka.partitioner import murmur2
from typer.testing import CliRunner

from console.cli import app
from console.drill import confirmed_after, slowest
from console.environment import PARTITIONS
from console.scenario import all_scenarios, is_held
from console.scenarios.burst_429 import evenly
from console.world import World
from pipeline.domain.control_records import ProcessRecord

NOTHING: Any = None


def test_every_scenario_has_a_name_to_type_and_a_play() -> None:
    known = all_scenarios()
    assert "kill-switch" in known
    for name, scenario in known.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert scenario.name == name
        assert scenario.summary
        assert inspect.iscoroutinefunction(scenario.play)


def test_list_names_them_and_a_stranger_is_refused() -> None:
    listed = CliRunner().invoke(app, ["scenario", "list"])
    assert all(name in listed.output for name in all_scenarios())
    assert CliRunner().invoke(app, ["scenario", "sunshine"]).exit_code == 2


@pytest.mark.parametrize(
    ("promises", "held"),
    [({"a": True}, True), ({"a": True, "b": False}, False), ({}, False)],
)
def test_one_broken_promise_breaks_the_day_and_so_does_none_at_all(
    promises: dict[str, bool], held: bool
) -> None:
    assert is_held({"promises": promises}) is held


def test_a_promise_that_broke_once_stays_broken() -> None:
    said: list[str] = []
    world = World(NOTHING, NOTHING, NOTHING, NOTHING, trail=NOTHING, say=said.append)
    world.promise("no_reply", held=True)
    world.promise("no_reply", held=False)
    world.promise("no_reply", held=True)
    assert world.promises == {"no_reply": False}
    assert said[1] == "BROKEN: no reply"


def test_a_drill_takes_each_processes_first_confirmation() -> None:
    def sign(name: str, confirmed: int, at: float) -> tuple[ProcessRecord, float]:
        return ProcessRecord(name=name, confirmed=confirmed, silent_after=5.0), at

    signs = [sign("a", 6, 99.0), sign("b", 7, 100.25), sign("a", 7, 100.5), sign("b", 7, 101.0)]
    assert confirmed_after(signs, 7, 100.0) == {"a": 0.5, "b": 0.25}
    assert slowest(signs, 7) == "a"
    assert slowest(signs, 8) == "nobody"


@pytest.mark.parametrize("count", [100, 900])
def test_the_burst_has_as_many_messages_for_each_partition_and_so_do_its_second_ones(
    count: int,
) -> None:
    tickets = evenly([f"t{number}" for number in range(4000)], 900)[:count]
    on = Counter((murmur2(ticket.encode()) & 0x7FFFFFFF) % PARTITIONS for ticket in tickets)
    assert sorted(on.values()) == [count // PARTITIONS] * PARTITIONS
