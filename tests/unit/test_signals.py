from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain.alerts import WHOLE, AlertState, Phase, Rule, shipped_rules, step
from pipeline.domain.invariants import Broken
from pipeline.domain.query import Line, answer
from pipeline.domain.signals import (
    SIGNALS,
    Facts,
    Waiting,
    below,
    is_askable,
    last_heard,
    measured,
    missed,
    questions_of,
    silence,
    values_of,
)
from pipeline.domain.tally import Tally, bucket
from pipeline.domain.windows import Window


def rule(**fields: Any) -> Rule:
    return Rule.model_validate(
        {
            "name": "r1", "severity": "SEV2", "title": "t", "enter": 2, "leave": 1, "runbook": "r",
            "lever": "./switchboard lag", **fields,
        }
    )  # fmt: skip


def lines(asked: Rule, counts: dict[str, int]) -> list[list[Line]]:
    """What the windows say to each question of a rule."""
    tally = Tally(counts=counts)
    window = Window(start=990, counts=tally.counts)
    return [answer([window], question) for question in questions_of(asked, 1000.0)]


def test_a_counter_is_filtered_grouped_and_added_up() -> None:
    by_action = rule(metric="actions", where={"outcome": "triaged"}, by="action")
    counts = {"actions|reply|triaged": 3, "actions|route|triaged": 1, "actions|reply|replied": 9}
    assert measured(by_action, *lines(by_action, counts)) == {"reply": 3, "route": 1}
    whole = rule(metric="actions", where={"outcome": "triaged"})
    assert measured(whole, *lines(whole, counts)) == {WHOLE: 4}


def test_a_rule_may_look_at_several_values_of_a_label() -> None:
    asked = rule(metric="actions", where={"outcome": ["triaged", "failed"], "action": "reply"})
    counts = {"actions|reply|triaged": 3, "actions|reply|failed": 2, "actions|reply|replied": 9}
    assert measured(asked, *lines(asked, {**counts, "actions|route|failed": 1})) == {WHOLE: 5}


def test_a_share_of_too_few_says_nothing() -> None:
    asked = rule(metric="vendor_429_rate", by="vendor", least=5)
    few = {"vendor_requests|richpanel|429": 2, "vendor_requests|richpanel|2xx": 2}
    assert measured(asked, *lines(asked, few)) == {"richpanel": 0.0}
    enough = few | {"vendor_requests|richpanel|2xx": 6}
    assert measured(asked, *lines(asked, enough)) == {"richpanel": 0.25}
    assert measured(asked, *lines(asked, {})) == {}
    nothing = rule(metric="duplicate_rate")
    assert measured(nothing, *lines(nothing, {})) == {WHOLE: 0.0}


def test_what_was_done_is_taken_off_what_was_decided() -> None:
    asked = rule(metric="decisions_made", minus="actions_success")
    counts = {"decisions_made|model|refund_request|email": 9, "actions_success|acted|email": 4}
    assert measured(asked, *lines(asked, counts)) == {WHOLE: 5}
    counts["actions_success|acted|email"] = 40
    assert measured(asked, *lines(asked, counts)) == {WHOLE: 0}


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        ({"signal": "gate_closed_seconds"}, True),
        ({"signal": "weather"}, False),
        ({"metric": "weather"}, False),
        ({"metric": "actions", "by": "action"}, True),
        ({"metric": "actions", "by": "colour"}, False),
        ({"metric": "actions", "where": {"colour": "red"}}, False),
        ({"metric": "actions", "point": "p95"}, False),
        ({"metric": "end_to_end_seconds", "point": "p95"}, True),
        ({"metric": "end_to_end_seconds"}, False),
        ({"metric": "vendor_429_rate", "where": {"vendor": "openai"}}, False),
        ({"metric": "decisions_made", "minus": "actions_success"}, True),
        ({"metric": "decisions_made", "minus": "weather"}, False),
    ],
)
def test_a_rule_must_ask_for_what_exists(fields: dict[str, Any], is_one: bool) -> None:
    assert is_askable(rule(**fields)) is is_one


def test_every_signal_comes_of_the_facts_and_what_is_not_known_is_left_out() -> None:
    rules = [rule(name=f"r{n}", signal=name) for n, name in enumerate(SIGNALS)]
    rules.append(rule(name="m1", metric="received"))
    assert values_of(rules, Facts(now=100.0)) == {}
    facts = Facts(
        now=100.0,
        gates={"openai": 130.0, "shopify": 90.0},
        heard={"act": 3.0},
        waiting={"act": Waiting(5, 60.0, stands=True, is_rewound=True)},
        last_webhook_at=50.0,
        written_at=[40.0, 60.0, 99.0],
        webhooks=5,
        webhooks_last_week=50,
        broken=Broken(1, 2, 3, 4),
        values={"m1": {WHOLE: 7.0}},
    )
    found = values_of(rules, facts)
    by_signal = {each.signal or each.metric: found[each.name] for each in rules}
    assert by_signal["process_silent_seconds"]["act"] == 3.0
    del by_signal["process_silent_seconds"]
    assert by_signal == {
        "gate_closed_seconds": {"openai": 30.0, "shopify": 0.0},
        "queue_depth": {"act": 5},
        "queue_age_seconds": {"act": 60.0},
        "queue_stands": {"act": 1.0},
        "queue_rewound": {"act": 1.0},
        "webhooks_missed": {WHOLE: 1.0},
        "below_last_week": {WHOLE: 0.9},
        "events_without_outcome": {WHOLE: 1.0},
        "replies_unknown": {WHOLE: 2.0},
        "reply_keys_sent_twice": {WHOLE: 3.0},
        "mode_violations": {WHOLE: 4.0},
        "received": {WHOLE: 7.0},
    }


def test_a_kind_is_as_lively_as_its_liveliest_process() -> None:
    signs = [("act-0", 30.0), ("act-1", 59.5), ("parking-0", 58.0)]
    heard = last_heard({}, signs, now=60.0)
    assert heard == {"act": 59.5, "parking": 58.0}


def test_a_kind_that_has_taken_its_sign_away_was_last_heard_when_it_was() -> None:
    before = last_heard({}, [("act-0", 50.0), ("process/act-0/1", 50.0)], now=51.0)
    after = last_heard(before, [("parking-0", 58.0)], now=60.0)
    assert after == {"act": 50.0, "parking": 58.0}


def test_the_sign_that_a_killed_process_left_does_not_hide_that_its_kind_was_heard_later() -> None:
    before = last_heard({}, [("act-0", 20.0), ("act-0", 50.0)], now=51.0)
    assert last_heard(before, [("act-0", 20.0)], now=60.0) == {"act": 50.0}


def test_behind_a_clock_that_was_set_back_a_kind_falls_silent_from_then_on() -> None:
    before = last_heard({}, [("act-0", 5000.0)], now=5001.0)
    set_back = last_heard(before, [], now=100.0)
    assert last_heard(set_back, [], now=130.0) == {"act": 100.0}


def test_a_kind_is_silent_since_it_was_heard_and_never_for_longer_than_anybody_judges() -> None:
    kinds = silence({"act": 0.5, "parking": 2.0, "dedup": 3600.0}, 7.0)
    assert kinds["act"] == 0.5
    assert kinds["parking"] == 2.0
    assert kinds["dedup"] == 7.0
    assert kinds["ingress"] == 7.0


def test_at_a_first_start_a_kind_has_time_to_begin() -> None:
    rules = [each for each in shipped_rules() if each.name == "process_silent"]
    first = values_of(rules, Facts(now=102.0, heard={"observe": 0.5}, judging_since=100.0))
    assert all(seconds < rules[0].enter for seconds in first["process_silent"].values())
    later = values_of(rules, Facts(now=130.0, heard={"observe": 0.5}, judging_since=100.0))
    assert later["process_silent"]["act"] == 30.0 >= rules[0].enter


def test_a_customer_counts_as_missed_after_the_time_that_a_webhook_takes() -> None:
    assert missed([10.0, 20.0, 96.0], 15.0, 100.0) == 1
    assert missed([10.0], 15.0, 100.0) == 0


def test_last_week_counts_where_it_says_enough() -> None:
    assert below(0, 5) == 0.0
    assert below(5, 50) == 0.9
    assert below(60, 50) == 0.0


# -- the design's own load -----------------------------------------------------------------------

EVERY = 3600 / 211
"""Seconds between two messages at the load that this is built for."""
WITHIN = 900
"""Seconds within which it must be seen."""
GOOD = Tally(
    counts={
        "received|accepted": 1,
        "decisions_made|model|refund_request|email": 1,
        "stage_records|act": 1,
        "vendor_requests|richpanel|2xx": 5,
        "vendor_requests|openai|2xx": 1,
    },
    histograms={
        "end_to_end_seconds|email": {bucket(5.0): 1},
        "classification_latency_seconds|model": {bucket(2.0): 1},
    },
)
BAD = {
    "webhooks_refused": Tally(counts={"ingress_requests|richpanel|unauthorized": 1}),
    "webhooks_not_persisted": Tally(counts={"ingress_requests|richpanel|unavailable": 1}),
    "webhooks_throttled": Tally(counts={"ingress_requests|richpanel|throttled": 1}),
    "webhooks_malformed": Tally(
        counts={f"ingress_requests|richpanel|{each}": 1 for each in ("empty", "too_slow")}
    ),
    "webhooks_unreadable": Tally(counts={"quarantined|broken_json": 1}),
    "duplicates": Tally(
        counts={"received|duplicated": 1, "idempotency_duplicates_detected|strong|seen": 1}
    ),
    "vendor_throttled": Tally(counts={"vendor_requests|richpanel|429": 2}),
    "vendor_failing": Tally(counts={"vendor_requests|richpanel|5xx": 5}),
    "model_failing": Tally(counts={"vendor_requests|openai|5xx": 2}),
    "model_slow": Tally(histograms={"classification_latency_seconds|model": {bucket(9.5): 1}}),
    "vendor_timeouts": Tally(counts={"timeout_count|openai": 2}),
    "routing_slow_p95": Tally(histograms={"end_to_end_seconds|email": {bucket(90.0): 1}}),
    "routing_slow_p99": Tally(histograms={"end_to_end_seconds|email": {bucket(200.0): 1}}),
    "replies_above_messages": Tally(counts={"auto_reply_sent|order_status|email": 3}),
    "worker_errors": Tally(counts={"worker_errors|act|timeout": 1}),
    "partial_effects": Tally(counts={"actions|reply|triaged": 1}),
    "plans_half_done": Tally(counts={"actions_partial|email": 1}),
    "decisions_without_actions": Tally(),
    "dead_letters": Tally(counts={"dead_lettered|act|poison": 1}),
    "dead_letters_many": Tally(counts={"dead_lettered|act|poison": 1}),
}
"""Rule -> what a message that this happens to leaves in the windows beside `GOOD`."""
TWIN = "_steadily"


@pytest.mark.parametrize("name", BAD)
def test_what_happens_to_every_second_message_is_seen_at_the_designs_own_load(name: str) -> None:
    rules = [each for each in shipped_rules() if each.name in {name, name + TWIN}]
    seen = [state for state in day(rules, BAD[name]) if state.phase is Phase.FIRING]
    assert seen, f"{name} did not fire"


def test_every_rule_over_a_metric_is_tried_at_the_designs_own_load() -> None:
    over_metrics = {rule.name.removesuffix(TWIN) for rule in shipped_rules() if rule.metric}
    assert over_metrics == set(BAD)


def day(rules: list[Rule], bad: Tally) -> list[AlertState]:
    """The alerts after `WITHIN` seconds of which every second message is `bad`."""
    windows: dict[int, Window] = {}
    for number in range(int(WITHIN / EVERY)):
        start = int((10_000 + number * EVERY) // 10) * 10
        window = windows.setdefault(start, Window(start=start))
        window.add(GOOD)
        if number % 2:
            window.add(bad)
        else:
            window.count("actions_success|acted|email")
    states: dict[str, AlertState] = {}
    for now in range(10_000, 10_000 + WITHIN, 2):
        past = [window for start, window in windows.items() if start < now]
        values = {rule.name: asked_of(rule, past, float(now)) for rule in rules}
        states = step(rules, states, values, now=now)
    return list(states.values())


def asked_of(rule: Rule, windows: list[Window], now: float) -> dict[str, float]:
    return measured(rule, *(answer(windows, each) for each in questions_of(rule, now)))
