from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.alert_facts import (
    SAMPLE_EVERY,
    SAMPLE_KEPT,
    FactsReader,
    HelpdeskSample,
    LastWebhook,
    waiting,
)
from pipeline import topics
from pipeline.domain.alerts import AlertState, Phase, shipped_rules, step
from pipeline.domain.control_records import ProcessRecord
from pipeline.domain.invariants import Broken
from pipeline.domain.lag import Cause, Lag, Place, State
from pipeline.domain.modes import FIRST_MODE, GLOBAL, Mode, Standing
from pipeline.domain.query import Line, Question, answer
from pipeline.domain.signals import LAST_WEEK, values_of
from pipeline.domain.windows import Window
from pipeline.ports import Transient
from pipeline.stream.control import Update
from tests.stream.controls import Controls

NOW = 1_700_000_000.0
SIGN = ProcessRecord(name="observe-0", confirmed=0, silent_after=5).to_bytes()


@dataclass
class Desk:
    """A helpdesk that counts how often it is asked."""

    written: list[float] = field(default_factory=lambda: [NOW - 5])
    asked: int = 0
    fails: bool = False

    async def customers_wrote(self) -> list[float]:
        self.asked += 1
        if self.fails:
            raise Transient("http_503")
        return self.written


def look(sample: HelpdeskSample, at: float, *, last: float = 0.0, is_closed: bool = False) -> Any:
    return asyncio.run(sample.look(NOW + last, NOW + at, is_closed=is_closed))


def test_the_helpdesk_is_asked_only_while_no_webhook_comes_and_then_rarely() -> None:
    desk = Desk()
    sample = HelpdeskSample(desk)
    assert look(sample, 5) == ()
    assert desk.asked == 0
    for at in range(11, 41):
        assert look(sample, at) == desk.written
    assert desk.asked == 30 / SAMPLE_EVERY
    assert look(sample, 41, last=40) == ()


def test_a_look_that_fails_leaves_the_last_one_for_a_while() -> None:
    desk = Desk()
    sample = HelpdeskSample(desk)
    look(sample, 20)
    desk.fails = True
    assert look(sample, 40) == desk.written
    assert look(sample, 21 + SAMPLE_KEPT) is None


def test_a_closed_gate_and_a_desk_without_a_key_are_not_asked() -> None:
    desk = Desk()
    assert look(HelpdeskSample(desk), 20, is_closed=True) is None
    assert desk.asked == 0
    assert look(HelpdeskSample(None), 20) is None


def lag(stage: str, state: State, *, records: int, age: float, is_rewound: bool = False) -> Lag:
    return Lag(
        Place(f"switchboard-{stage}", "t", 0), state, Cause.NONE, committed=0, end=records,
        read=None, lag=records, age=age, trend=0.0, progress=0.0, owner=None, is_complete=True, is_rewound=is_rewound,
    )  # fmt: skip


def test_what_waits_is_added_up_by_stage() -> None:
    found = waiting(
        [
            lag("act", State.STALL, records=5, age=70.0, is_rewound=True),
            lag("act", State.OK, records=2, age=1.0),
            lag("dedup", State.WARN, records=1, age=0.5),
        ]
    )
    assert found is not None
    assert (found["act"].depth, found["act"].age, found["act"].stands) == (7, 70.0, True)
    assert found["act"].is_rewound
    assert not found["dedup"].stands
    assert not found["dedup"].is_rewound
    assert waiting([]) is None


@dataclass
class Known:
    """What stands for broker, lag and trail."""

    fresh: Sequence[Lag] = ()
    last: float | None = NOW - 1
    asked_at: float | None = None
    standing: Mapping[str, Standing] = field(default_factory=dict)
    is_idle: bool | None = None
    missed: Sequence[Place] = ()

    def look(self) -> float | None:
        return self.last

    def broken(
        self, now: float, standing: Mapping[str, Standing], *, is_idle: bool
    ) -> Broken | None:
        self.asked_at, self.standing, self.is_idle = now, standing, is_idle
        return Broken(double_sends=2)


def reader(windows: list[Window], known: Known, controls: Controls) -> FactsReader:
    async def ask(questions: Iterable[Question]) -> dict[Question, list[Line]]:
        return {each: answer(windows, each) for each in questions}

    anything: Any = known
    return FactsReader(
        shipped_rules(), controls.control, ask, known, anything, anything, HelpdeskSample(Desk()),
        {"richpanel": 2.0}, lambda: NOW,
    )  # fmt: skip


def test_all_that_is_known_comes_together_in_the_values_of_the_rules() -> None:
    counts = {
        "vendor_requests|richpanel|2xx": 30, "vendor_requests|richpanel|429": 30,
        "received|accepted": 5,
    }  # fmt: skip
    last_week = Window(start=int(NOW - LAST_WEEK) - 20, counts={"received|accepted": 50})
    windows = [Window(start=int(NOW) - 10, counts=counts), last_week]
    controls = Controls().mode("live")
    controls.gate("richpanel", NOW + 12)
    facts, used = asyncio.run(
        reader(windows, Known((lag("act", State.STOP, records=9, age=200.0),)), controls).look()
    )
    assert used == {"richpanel": 0.5}
    values = values_of(shipped_rules(), facts)
    assert values["vendor_throttled"] == {"richpanel": 0.5}
    assert values["gate_closed"] == {"richpanel": 12.0}
    assert values["queue_standing"] == {"act": 1.0}
    assert values["ingress_below_last_week"] == {"all": 0.9}
    assert values["reply_sent_twice"] == {"all": 2.0}
    assert values["ingress_silent"] == {"all": 0.0}
    assert facts.heard is not None


def test_the_trail_is_judged_by_the_brokers_clock_while_that_is_known() -> None:
    seconds = [0.0]
    controls = Controls(monotonic=lambda: seconds[0])
    known = Known()
    made = reader([], known, controls)
    made.now = lambda: NOW + 60
    asyncio.run(made.look())
    assert known.asked_at == controls.view.broker_time == NOW
    seconds[0] = 100.0
    asyncio.run(made.look())
    assert known.asked_at == NOW + 60


def test_the_trail_is_judged_with_the_modes_that_stand() -> None:
    seconds = [0.0]
    controls, known = Controls(monotonic=lambda: seconds[0]), Known()
    made = reader([], known, controls)
    made.watching_since = NOW - 30
    asyncio.run(made.look())
    assert known.standing == {GLOBAL: Standing(FIRST_MODE, NOW - 30)}
    controls.mode("route_only").mode("draft", "channel=email")
    asyncio.run(made.look())
    assert known.standing == {
        GLOBAL: Standing(Mode.ROUTE_ONLY, NOW), "channel=email": Standing(Mode.DRAFT, NOW),
    }  # fmt: skip
    seconds[0] = 100.0
    asyncio.run(made.look())
    assert known.standing == {}


def test_the_trail_is_told_whether_any_stage_has_something_to_do() -> None:
    def of(topic: str, records: int) -> Lag:
        there = lag("any", State.OK, records=records, age=0.0)
        return replace(there, place=replace(there.place, topic=topic))

    work = [each for of_group in topics.GROUPS.values() for each in of_group]
    known = Known()
    made = reader([], known, Controls())
    for busy in work:
        known.fresh = [of(each, int(each == busy)) for each in work]
        asyncio.run(made.look())
        # The trail itself may be folded later: what it says is read beside.
        assert known.is_idle is (busy == topics.AUDIT.name)
    known.fresh = ()
    asyncio.run(made.look())
    assert known.is_idle is False
    made.lag = None
    asyncio.run(made.look())
    assert known.is_idle is False


def test_a_process_that_is_started_anew_has_time_until_its_next_sign_of_life() -> None:
    controls = Controls().mode("live")
    made = reader([], Known(), controls)
    made.watching_since = NOW - 3600
    rule = next(each for each in shipped_rules() if each.name == "process_silent")

    def silent(at: float) -> float:
        controls.view.apply([Update("process/observe-0/1", SIGN, controls.view.position, NOW + at)])
        facts, _ = asyncio.run(made.look())
        return values_of([rule], facts)["process_silent"]["act"]

    controls.put(
        "process/act-0/1", ProcessRecord(name="act-0", confirmed=0, silent_after=5).to_bytes()
    )
    assert silent(1) == 1.0
    controls.put("process/act-0/1", None)
    assert silent(3) == 3.0 < rule.enter
    assert silent(rule.enter) == rule.enter


def test_a_control_topic_that_is_not_followed_says_nothing() -> None:
    controls = Controls(monotonic=lambda: 0.0).mode("live")
    cut_off = replace(controls, monotonic=lambda: 100.0)
    cut_off.view.known_at = 0.0
    made = reader([], Known(last=0.0), controls)
    made.control = type(controls.control)(controls.view, monotonic=lambda: 100.0)
    facts, used = asyncio.run(made.look())
    assert (facts.gates, facts.heard, facts.waiting, used) == (None, None, None, {})
    assert facts.last_webhook_at == 0.0


def test_a_look_at_the_lag_without_a_known_group_closes_no_alert_of_it() -> None:
    standing = lag("act", State.STALL, records=9, age=400.0)
    rules = [rule for rule in shipped_rules() if (rule.signal or "").startswith("queue_")]
    known = Known((standing, lag("dedup", State.OK, records=0, age=0.0)))
    made = reader([], known, Controls().mode("live"))
    states: dict[str, AlertState] = {}

    def judged(at: float) -> set[str]:
        nonlocal states
        facts, _ = asyncio.run(made.look())
        states = step(rules, states, values_of(rules, facts), now=NOW + at)
        return {id_ for id_, each in states.items() if each.phase is Phase.FIRING}

    fires = judged(0)
    assert fires == {"queue_standing/act", "queue_old/act", "queue_very_old/act"}
    known.fresh, known.missed = known.fresh[1:], (standing.place,)
    assert [judged(at) for at in range(2, 42, 2)] == [fires] * 20
    known.missed = ()
    assert [judged(at) for at in range(42, 84, 2)][-1] == set()


def test_a_broker_that_does_not_tell_of_webhooks_makes_nobody_miss_one() -> None:
    made = reader([], Known(last=None), Controls().mode("live"))
    desk = Desk(written=[NOW - 300, NOW - 60])
    made.sample = HelpdeskSample(desk)
    facts, _ = asyncio.run(made.look())
    assert "ingress_silent" not in values_of(shipped_rules(), facts)
    assert desk.asked == 0


def test_no_broker_is_not_the_same_as_no_webhook() -> None:
    assert LastWebhook("127.0.0.1:9", timeout=0.2).look() is None


def test_who_was_missed_before_a_restart_is_missed_after_it() -> None:
    made = reader([], Known(last=NOW - 600), Controls().mode("live"))
    made.watching_since = NOW - 1
    made.sample = HelpdeskSample(Desk(written=[NOW - 500, NOW - 300, NOW - 60]))
    facts, _ = asyncio.run(made.look())
    assert values_of(shipped_rules(), facts)["ingress_silent"] == {"all": 3.0}


def test_where_no_webhook_ever_came_those_before_the_start_were_not_missed() -> None:
    made = reader([], Known(last=0.0), Controls().mode("live"))
    made.watching_since = NOW - 100
    made.sample = HelpdeskSample(Desk(written=[NOW - 500, NOW - 60]))
    facts, _ = asyncio.run(made.look())
    assert facts.judging_since == NOW - 100
    assert values_of(shipped_rules(), facts)["ingress_silent"] == {"all": 1.0}


def test_a_rule_whose_windows_are_not_all_there_is_not_judged() -> None:
    counts = {"vendor_requests|richpanel|429": 30, "dead_lettered|act|poison": 9}
    windows = [Window(start=int(NOW) - 10, counts=counts)]
    made = reader(windows, Known(), Controls().mode("live"))

    async def ask(questions: Iterable[Question]) -> dict[Question, list[Line]]:
        asked = (each for each in questions if each.metric.name == "dead_lettered")
        return {each: answer(windows, each) for each in asked}

    made.ask = ask
    facts, used = asyncio.run(made.look())
    values = values_of(shipped_rules(), facts)
    assert values["dead_letters"] == {"all": 9}
    of_metrics = {rule.name for rule in shipped_rules() if rule.metric}
    assert of_metrics & set(values) == {"dead_letters", "dead_letters_many"}
    assert "ingress_below_last_week" not in values
    assert used == {}
