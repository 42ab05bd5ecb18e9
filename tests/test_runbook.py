"""Each alert has its section, and what a section says exists: commands, metrics and tests."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from console.bulk import moment
from console.cli import app
from console.limits import until_moment
from console.metrics import MetricsError, typed
from console.runbook import Section, anchor, sections
from pipeline.domain.alerts import Rule, shipped_rules
from pipeline.domain.notices import BUDGET_RUNBOOK
from pipeline.domain.signals import SIGNALS

ROOT = Path(__file__).parents[1]
SECTIONS = sections()
RULES = shipped_rules()
ROOT_COMMAND = typer.main.get_command(app)


def is_a_verb(command: str) -> bool:
    """Whether a command runs as it stands: its words, its options, those it needs and each value."""
    words = shlex.split(command.removeprefix("./switchboard "))
    found: Any = ROOT_COMMAND
    try:
        while isinstance(found, TyperGroup) and words:
            _, found, words = found.resolve_command(typer.Context(found), words)
        if isinstance(found, TyperGroup) or found is None:
            return False
        given = found.make_context(found.name, words).params
        since = given.get("since")
        assert since is None or moment(since) > 0
        if found.name == "close-until":
            until_moment(given["until"], given["vendor"], now=0.0)
        if found.name == "metrics" and given["name"] != "list":
            typed(*(given[each] for each in ("name", "since", "until", "step", "by")))
    except (typer.TyperException, MetricsError):
        return False
    return True


def is_a_test(name: str) -> bool:
    file, _, function = name.partition("::")
    if not (ROOT / file).exists():
        return False
    tree = ast.parse((ROOT / file).read_text())
    return function in {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_alert_has_its_section_that_names_it_and_a_lever_that_exists(rule: Rule) -> None:
    assert rule.runbook in SECTIONS
    assert f"`{rule.name}`" in (ROOT / "RUNBOOK.md").read_text()
    assert is_a_verb(rule.lever), rule.lever
    assert "TICKET" not in rule.lever, "an alert names no ticket"


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.title)
def test_every_section_is_whole_and_what_it_says_exists(section: Section) -> None:
    assert section.parts == ("Symptom", "Query", "Levers", "Prevention")
    assert section.queries
    assert section.levers
    assert section.tests
    assert [each for each in (*section.queries, *section.levers) if not is_a_verb(each)] == []
    assert [each for each in section.tests if not is_a_test(each)] == []


def test_a_budget_is_told_of_in_a_section_that_exists() -> None:
    assert BUDGET_RUNBOOK in SECTIONS


def test_every_signal_has_a_rule() -> None:
    assert {rule.signal for rule in RULES if rule.signal} == set(SIGNALS)


def test_what_does_not_exist_is_seen() -> None:
    assert not is_a_verb("./switchboard dance")
    assert not is_a_verb("./switchboard mode")
    assert not is_a_verb("./switchboard mode show --loudly")
    assert not is_a_verb("./switchboard limits reset richpanel")
    assert not is_a_verb("./switchboard limits reset nobody --reason 'it is well'")
    assert not is_a_verb("./switchboard limits close-until richpanel 10m --reason 'a minus'")
    assert not is_a_verb("./switchboard metrics nothing --since 1h")
    assert not is_a_verb("./switchboard metrics received --since 1h --by nothing")
    assert not is_a_verb("./switchboard metrics received --since yesterday")
    assert not is_a_test("tests/test_runbook.py::test_nothing")
    assert not is_a_test("tests/nowhere.py::test_nothing")
    assert anchor("The model is down, or slow") == "the-model-is-down-or-slow"
