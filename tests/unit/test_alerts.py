from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.alerts import (
    WINDOW,
    AlertState,
    BudgetState,
    Phase,
    Rule,
    RulesError,
    Severity,
    Telling,
    budget_steps,
    described,
    due,
    in_unit,
    is_worth_keeping,
    pulled,
    read_rules,
    shipped_rules,
    step,
    to_pull,
    unit_of,
)
from pipeline.domain.modes import Mode
from pipeline.domain.signals import is_askable

RULE = Rule.model_validate(
    {
        "name": "throttled", "severity": "SEV2", "title": "429", "signal": "gate_closed_seconds",
        "enter": 10, "leave": 2, "for": 5, "quiet": 20, "runbook": "a", "lever": "./switchboard lag",
    }
)  # fmt: skip
SEV0 = RULE.model_copy(update={"severity": Severity.SEV0, "pull": Mode.STOP, "for_": 0.0})
ID = "throttled/richpanel"
States = dict[str, AlertState]


def run(
    *values: tuple[float, float | None], rule: Rule = RULE, states: States | None = None
) -> States:
    """The states after (now, value) in turn; None = the rule could not be read."""
    states = states or {}
    for now, value in values:
        read = {} if value is None else {rule.name: {"richpanel": value}}
        states = step([rule], states, read, now=now)
    return states


def test_a_rule_must_stay_broken_before_it_fires() -> None:
    assert run((0, 9.9)) == {}
    assert run((0, 10), (4, 50))[ID].phase is Phase.PENDING
    assert run((0, 10), (4, 9)) == {}
    fired = run((0, 10), (4, 50), (5, 12))[ID]
    assert (fired.phase, fired.fired_at, fired.value, fired.worst) == (Phase.FIRING, 5, 12, 50)


def test_it_closes_only_after_it_has_been_quiet_below_the_lower_threshold() -> None:
    fired = run((0, 10), (5, 10))
    assert run((6, 5), (40, 3), states=fired)[ID].phase is Phase.FIRING
    assert run((6, 2), (20, 3), (21, 2), (40, 2), states=fired)[ID].phase is Phase.FIRING
    closed = run((6, 2), (26, 0), states=fired)[ID]
    assert (closed.phase, closed.since) == (Phase.CLOSED, 26)


def test_what_cannot_be_read_changes_nothing_and_a_missing_group_is_at_zero() -> None:
    fired = run((0, 10), (5, 10))
    assert run((100, None), (200, None), states=fired) == fired
    assert (
        step([RULE], step([RULE], fired, {"throttled": {}}, now=10), {"throttled": {}}, now=30)[
            ID
        ].phase
        is Phase.CLOSED
    )


@given(st.lists(st.floats(min_value=2.01, max_value=9.99), max_size=50))
def test_values_between_the_thresholds_change_nothing(values: list[float]) -> None:
    fired = run((0, 10), (5, 10))
    later = run(*((6 + 30 * n, value) for n, value in enumerate(values)), states=fired)
    assert later[ID].phase is Phase.FIRING
    assert run(*((6 + 30 * n, value) for n, value in enumerate(values))) == {}


def test_the_alert_of_a_rule_that_is_gone_is_closed() -> None:
    fired = run((0, 10), (5, 10))
    assert step([], fired, {}, now=9)[ID].phase is Phase.CLOSED


def told(states: States, now: float, **kept: object) -> AlertState:
    found = due(None, states[ID], now=now)
    assert found is not None
    return found.after.model_copy(update=kept)


def test_a_firing_is_told_of_once_and_its_end_where_it_was_told() -> None:
    fired = run((0, 10), (5, 10))
    first = due(None, fired[ID], now=5)
    assert first is not None
    assert first.kind is Telling.FIRED
    assert due(fired[ID], first.after, now=6) is None
    assert due(first.after, first.after, now=5 + 2 * WINDOW) is None
    closed = run((6, 0), (26, 0), states={ID: first.after})[ID]
    end = due(first.after, closed, now=26)
    assert end is not None
    assert end.kind is Telling.CLOSED
    assert due(closed, closed, now=27) is None
    untold = run((6, 0), (26, 0), states=fired)[ID]
    assert due(fired[ID], untold, now=26) is None


def test_a_group_that_fires_again_within_the_window_is_told_of_when_it_is_over() -> None:
    first = told(run((0, 10), (5, 10)), 5)
    closed = run((6, 0), (26, 0), states={ID: first})
    again = run((30, 10), (35, 10), states=closed)
    assert again[ID].fired_at == 35
    assert due(closed[ID], again[ID], now=35) is None
    late = due(again[ID], again[ID], now=5 + WINDOW)
    assert late is not None
    assert late.kind is Telling.FIRED
    # One that was told of and only was pending again falls back to what people know.
    assert run((30, 10), (31, 0), states=closed)[ID].phase is Phase.CLOSED
    assert run((31, 0), states=closed) == closed


def test_the_serious_ones_are_told_of_again_until_somebody_has_them() -> None:
    first = told(run((0, 10), rule=SEV0), 0, incident="i1")
    again = due(first, first, now=WINDOW)
    assert again is not None
    assert again.kind is Telling.REMINDED
    assert due(first, first, now=WINDOW, acknowledged={"i1"}) is None


def test_sev0_pulls_its_lever_when_it_fires_and_no_other_does() -> None:
    rules = {"throttled": SEV0}
    fired = run((0, 10), rule=SEV0)[ID]
    assert to_pull(rules, fired) is Mode.STOP
    assert to_pull(rules, pulled(fired, now=1, lowers=True)) is None
    assert to_pull({"throttled": RULE}, fired) is None
    assert to_pull({}, fired) is None
    assert to_pull(rules, fired.model_copy(update={"phase": Phase.CLOSED})) is None


def test_sev0_pulls_its_lever_again_for_what_has_happened_since_and_never_for_the_same() -> None:
    rules = {"throttled": SEV0}
    down = {ID: pulled(run((0, 12), rule=SEV0)[ID], now=0, lowers=True)}

    def pulls(*values: tuple[float, float | None]) -> bool:
        return to_pull(rules, run(*values, rule=SEV0, states=down)[ID]) is not None

    assert not pulls((2, 12))
    assert pulls((2, 13))
    # A case that has grown old is counted no more: the next one makes the count what it was.
    assert not pulls((2, 11))
    assert pulls((2, 11), (4, 12))
    assert pulls((2, 0), (4, 1))
    assert not pulls((2, None))
    # A row of a version that did not note the value begins with the one that it finds.
    old = {ID: down[ID].model_copy(update={"pulled_value": None})}
    assert to_pull(rules, old[ID]) is None
    assert to_pull(rules, run((2, 50), rule=SEV0, states=old)[ID]) is None
    assert to_pull(rules, run((2, 50), (4, 51), rule=SEV0, states=old)[ID]) is Mode.STOP


def test_a_lever_that_lowers_the_mode_again_is_told_of_at_once_whoever_has_the_incident() -> None:
    first = pulled(told(run((0, 10), rule=SEV0), 0, incident="i1"), now=0, lowers=True)
    risen = run((60, 11), rule=SEV0, states={ID: first})[ID]
    again = due(first, pulled(risen, now=60, lowers=True), now=62, acknowledged={"i1"})
    assert again is not None
    assert again.kind is Telling.FIRED
    still_down = pulled(risen, now=60, lowers=False)
    assert (still_down.pulled_at, still_down.has_risen) == (0, False)
    assert due(first, still_down, now=62) is None


def test_only_what_a_restart_must_know_is_kept() -> None:
    pending = run((0, 10))[ID]
    fired = run((0, 10), (5, 10))[ID]
    assert not is_worth_keeping(None, pending)
    assert is_worth_keeping(pending, fired)
    assert not is_worth_keeping(fired, fired.model_copy(update={"value": 99.0}))
    assert is_worth_keeping(fired, fired.model_copy(update={"told_at": 5.0}))
    assert is_worth_keeping(fired, fired.model_copy(update={"pulled_value": 9.0}))


def test_a_budget_is_told_of_at_each_level_once_per_window_and_only_on_the_way_up() -> None:
    states: dict[str, BudgetState] = {}
    seen = []
    for now, used in [
        (0, 0.4),
        (1, 0.5),
        (2, 0.6),
        (3, 0.95),
        (4, 0.8),
        (5, 1.2),
        (WINDOW + 2, 0.7),
    ]:
        uses, changed = budget_steps({"openai": used}, states, now=now)
        states |= changed
        seen += [(now, use.level) for use in uses]
    assert seen == [(1, 0.5), (3, 0.9), (5, 1.0), (WINDOW + 2, 0.7)]


def test_an_alert_is_described_with_what_to_do() -> None:
    fired = run((0, 10), (5, 10))[ID]
    assert described(fired, RULE)["lever"] == RULE.lever
    assert described(fired, RULE)["runbook"] == "RUNBOOK.md#a"
    assert described(fired, None)["title"] == "the rule is gone"


# -- the file ------------------------------------------------------------------------------------

LINE = """[[alert]]
name = "%s"
severity = "SEV2"
title = "t"
signal = "gate_closed_seconds"
enter = 2
leave = 1
runbook = "r"
lever = "./switchboard lag"
"""


def test_the_shipped_rules_can_all_be_asked() -> None:
    rules = shipped_rules()
    assert {rule.severity for rule in rules} == set(Severity)
    assert rules[0].severity is Severity.SEV0
    assert [rule.name for rule in rules if not is_askable(rule)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "no TOML"),
        (LINE % "a1" + LINE % "a1", "two alert rules"),
        (LINE % "a1" + 'metric = "received"', "either a metric or a signal"),
        ((LINE % "a1").replace("leave = 1", "leave = 2"), "leave must lie below enter"),
        ((LINE % "a1").replace("SEV2", "SEV0"), "SEV0 pulls its lever"),
        (LINE % "a1" + "colour = 1", "colour"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(text: str, words: str) -> None:
    with pytest.raises(RulesError, match=words):
        read_rules(text)


def test_a_value_is_told_in_the_unit_of_what_its_rule_asks() -> None:
    rules = {rule.name: rule for rule in shipped_rules()}
    told = {
        name: in_unit(value, unit_of(rules[name]))
        for name, value in {
            "vendor_throttled": 0.1549,
            "ingress_below_last_week": 0.9,
            "model_slow": 28.531,
            "gate_closed": 8.16349,
            "decisions_without_actions": 205.0,
            "queue_deep": 2100.0,
        }.items()
    }
    assert told == {
        "vendor_throttled": "15.5%",
        "ingress_below_last_week": "90.0%",
        "model_slow": "28.53 s",
        "gate_closed": "8.163 s",
        "decisions_without_actions": "205",
        "queue_deep": "2100",
    }
