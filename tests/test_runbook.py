"""Each alert has its section, and what a section says exists: commands, metrics and tests."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import pytest
import typer

from console.cli import app
from console.runbook import Section, anchor, sections
from pipeline.domain.alerts import Rule, shipped_rules
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.notices import BUDGET_RUNBOOK
from pipeline.domain.signals import SIGNALS

ROOT = Path(__file__).parents[1]
SECTIONS = sections()
RULES = shipped_rules()
ROOT_COMMAND = typer.main.get_command(app)


def is_a_verb(command: str) -> bool:
    """Whether every word of a command that names a verb does, and each of its options exists."""
    words = shlex.split(command.removeprefix("./switchboard "))
    found: object = ROOT_COMMAND
    while words and (known := getattr(found, "commands", None)) is not None:
        found = known.get(words.pop(0))
    if found is None or hasattr(found, "commands"):
        return False
    options = {name for each in found.params for name in (*each.opts, *each.secondary_opts)}  # type: ignore[attr-defined]
    return {word for word in words if word.startswith("--")} <= options


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


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.title)
def test_every_section_is_whole_and_what_it_says_exists(section: Section) -> None:
    assert section.parts == ("Symptom", "Query", "Levers", "Prevention")
    assert section.queries
    assert section.levers
    assert section.tests
    assert [each for each in (*section.queries, *section.levers) if not is_a_verb(each)] == []
    assert [each for each in section.tests if not is_a_test(each)] == []
    asked = [shlex.split(each)[2] for each in section.queries if " metrics " in each]
    assert [name for name in asked if name not in CATALOGUE] == []


def test_a_budget_is_told_of_in_a_section_that_exists() -> None:
    assert BUDGET_RUNBOOK in SECTIONS


def test_every_signal_has_a_rule() -> None:
    assert {rule.signal for rule in RULES if rule.signal} == set(SIGNALS)


def test_what_does_not_exist_is_seen() -> None:
    assert not is_a_verb("./switchboard dance")
    assert not is_a_verb("./switchboard mode")
    assert not is_a_verb("./switchboard mode show --loudly")
    assert not is_a_test("tests/test_runbook.py::test_nothing")
    assert not is_a_test("tests/nowhere.py::test_nothing")
    assert anchor("The model is down, or slow") == "the-model-is-down-or-slow"
