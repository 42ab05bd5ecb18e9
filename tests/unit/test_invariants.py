from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.domain import invariants
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.invariants import Broken, Invariants
from pipeline.domain.modes import GLOBAL, Mode, Standing
from pipeline.domain.parking import due_after

T = 1_000_000.0


class Told:
    """A trail that is written as the stages do; every record gets the next offset."""

    def __init__(self) -> None:
        self.state = Invariants()
        self.offset = 0

    def record(self, stage: str, what: str, at: float, partition: int = 0, **fields: Any) -> Told:
        audit = Audit.model_validate(
            {"stage": stage, "what": what, "at": T + at, "ingress_id": "i1", **fields}
        )
        self.state.add(audit, partition=partition, offset=self.offset)
        self.offset += 1
        return self

    def accepted(self, at: float, id_: str = "i1", **fields: Any) -> Told:
        return self.record("dedup", "accepted", at, ingress_id=id_, conversation_hash=f"c-{id_}", **fields)  # fmt: skip

    def ended(self, at: float, id_: str = "i1", **fields: Any) -> Told:
        return self.record("act", "ended", at, ingress_id=id_, outcome=Outcome.ACTED, **fields)

    def parked(
        self, at: float, due: float | None, reason: str = "http_429", id_: str = "i1",
        by: str = "act",
    ) -> Told:  # fmt: skip
        return self.record(
            by, "parked", at, ingress_id=id_, conversation_hash=f"c-{id_}", reason=reason,
            detail={} if due is None else {"wait": 9.0, "due": T + due},
        )  # fmt: skip

    def mode(
        self, what: str, at: float, mode: str, was: str, *, scope: str = "global",
        seconds: object = 0.0,
    ) -> Told:  # fmt: skip
        detail = {"mode": mode, "was": was, "scope": scope, "seconds": seconds}
        return self.record("control", what, at, detail=detail)

    def did(self, what: str, at: float, **detail: object) -> Told:
        return self.record("act", what, at, action_id=f"a{self.offset}", detail=detail)

    def broken(
        self, at: float, standing: Mapping[str, Standing] = {}, *, is_idle: bool = False
    ) -> Broken:
        return self.state.broken(T + at, standing, is_idle=is_idle)


def stands(mode: str, since: float, scope: str = GLOBAL) -> dict[str, Standing]:
    return {scope: Standing(Mode(mode), T + since)}


# -- one terminal outcome ------------------------------------------------------------------------


def test_an_event_that_others_overtook_is_told_of_within_a_minute() -> None:
    told = Told().accepted(0).accepted(15, "i2").ended(16, "i2")
    assert told.broken(50).without_outcome == 0
    assert told.broken(60).without_outcome == 1
    assert told.ended(61).broken(62).without_outcome == 0


def test_an_event_that_waits_in_line_is_told_of_when_that_takes_too_long() -> None:
    told = Told().accepted(0).accepted(15, "i2")
    assert told.broken(290).without_outcome == 0
    assert told.broken(316).without_outcome == 2
    # A neighbour that was a little faster overtakes nobody.
    assert Told().accepted(0).accepted(5, "i2").ended(6, "i2").broken(100).without_outcome == 0


def test_an_event_that_nothing_can_be_waiting_for_is_told_of_within_a_minute() -> None:
    told = Told().accepted(0)
    assert told.broken(50, is_idle=True).without_outcome == 0
    assert told.broken(60, is_idle=True).without_outcome == 1
    assert told.broken(60, is_idle=False).without_outcome == 0
    # Until it is due, whatever a look at the tiers says.
    assert Told().accepted(0).parked(1, 601).broken(600, is_idle=True).without_outcome == 0


def test_an_outcome_at_any_stage_ends_an_event_and_its_order_does_not_matter() -> None:
    told = Told().record("act", "dead_lettered", 2, outcome=Outcome.DEAD_LETTERED).accepted(1)
    assert told.broken(999).without_outcome == 0
    # The same record again, later: a redelivery, which ends once more.
    assert told.accepted(3).broken(999).without_outcome == 1
    assert told.ended(4).broken(999).without_outcome == 0


@pytest.mark.parametrize("stage", ["classify", "act"])
def test_parked_work_is_waited_for_and_so_is_what_waits_behind_it(stage: str) -> None:
    told = Told().accepted(0).parked(1, 601, by=stage).accepted(15, "i2").ended(16, "i2")
    assert told.broken(930).without_outcome == 0
    assert told.broken(932).without_outcome == 1
    assert told.parked(610, 670).broken(932).without_outcome == 0
    assert told.parked(620, None).broken(1001).without_outcome == 1
    # Of an event that was never seen accepted nothing is known.
    assert Told().parked(1, 601, id_="i9").broken(5000).without_outcome == 0


def test_work_that_was_parked_is_overtaken_by_who_came_after_it_was_back_in_line() -> None:
    told = Told().accepted(0).parked(1, 601)
    told.accepted(620, "i2").ended(621, "i2")
    assert told.broken(700).without_outcome == 0
    told.accepted(645, "i3").ended(646, "i3")
    assert told.broken(680).without_outcome == 0
    assert told.broken(690).without_outcome == 1


def test_work_whose_jitter_makes_it_late_is_not_overtaken_before_it_is_due() -> None:
    due = due_after(T, 2000, uniform=lambda _, latest: latest) - T
    told = Told().accepted(0).parked(0, due).accepted(2080, "i2").ended(2081, "i2")
    assert told.broken(due).without_outcome == 0


def test_a_reply_that_stays_unknown_is_told_of() -> None:
    told = Told().accepted(0).parked(10, 110, "unsettled").parked(200, 300, "unsettled")
    assert told.broken(300).unknown_replies == 0
    assert told.broken(311).unknown_replies == 1
    assert told.ended(312).broken(313).unknown_replies == 0


@pytest.mark.parametrize("reason", ["http_503", "gate_closed"])
def test_a_reply_stays_unknown_while_the_helpdesk_cannot_be_read(reason: str) -> None:
    told = Told().accepted(0).parked(10, 110, "unsettled").parked(111, 211, reason)
    assert told.broken(300).unknown_replies == 0
    assert told.broken(311).unknown_replies == 1


@pytest.mark.parametrize("what", ["replied", "drafted", "triaged"])
def test_a_reply_whose_end_is_known_is_unknown_no_more_though_its_plan_waits(what: str) -> None:
    told = Told().accepted(0).parked(10, 110, "unsettled").did("routed", 111)
    assert told.broken(311).unknown_replies == 1
    told.did(what, 312).parked(313, 413, "http_503")
    assert told.broken(900).unknown_replies == 0


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "MOST_OPEN", 2)
    monkeypatch.setattr(invariants, "MOST_ENDED", 1)
    told = Told().accepted(0, "i1").accepted(0, "i2").accepted(0, "i3")
    assert told.broken(301) == Broken(without_outcome=2, forgotten=1)
    assert told.ended(302, "i2").ended(302, "i3").broken(303).without_outcome == 0


# -- one send per key ----------------------------------------------------------------------------


def test_two_sends_of_one_key_are_told_of_for_a_while() -> None:
    told = (
        Told().record("act", "replied", 1, action_id="a").record("act", "replied", 2, action_id="b")
    )
    assert told.broken(3).double_sends == 0
    told.record("act", "replied", 4, action_id="a", partition=1)
    assert told.broken(5).double_sends == 1
    assert told.broken(5 + invariants.RECENT).double_sends == 0


def test_a_reply_that_was_found_or_done_before_is_no_second_send() -> None:
    told = Told().record("act", "replied", 1, action_id="a")
    told.record("act", "replied", 2, action_id="a", reason="found")
    told.record("act", "replied", 3, action_id="a", reason="already")
    told.record("act", "replied", 3)
    assert told.broken(5).double_sends == 0


def test_the_same_record_read_twice_is_one() -> None:
    told = Told().record("act", "replied", 1, action_id="a")
    told.offset = 0
    assert told.record("act", "replied", 1, action_id="a").broken(2).double_sends == 0


# -- nothing against the mode --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "mode", "is_violation"),
    [
        ("replied", "draft", True), ("replied", "live", False), ("drafted", "draft", False),
        ("drafted", "route_only", True), ("routed", "shadow", True), ("marked", "route_only", False),
        ("withheld", "stop", False), ("routed", "nonsense", False),
    ],
)  # fmt: skip
def test_what_the_worker_itself_saw_must_allow_it(what: str, mode: str, is_violation: bool) -> None:
    assert Told().did(what, 1, mode=mode).broken(2).mode_violations == int(is_violation)


def test_a_call_after_all_had_confirmed_the_stop_is_a_violation() -> None:
    def told() -> Told:
        lowered = Told().mode("mode_set", 10, "stop", "live").mode("mode_acknowledged", 11, "stop", "live")  # fmt: skip
        return lowered.mode("mode_set", 20, "shadow", "stop").mode("mode_acknowledged", 25, "shadow", "stop")  # fmt: skip

    assert told().did("routed", 14, mode="live", called_at=T + 13).broken(50).mode_violations == 1
    # Before the confirmation, or within the clocks' tolerance, it may still have been on its way.
    for called_at in (5, 10.5, 11.5):
        late = told().did("routed", 14, mode="live", called_at=T + called_at)
        assert late.broken(50).mode_violations == 0
    # Raised far enough meanwhile.
    raised = told().mode("mode_set", 26, "route_only", "shadow")
    assert raised.did("routed", 30, mode="live", called_at=T + 28).broken(50).mode_violations == 0
    assert raised.did("replied", 30, mode="live", called_at=T + 28).broken(50).mode_violations == 1
    assert raised.did("replied", 30, called_at="?").broken(50).mode_violations == 1


def test_a_call_after_a_stop_of_which_it_is_not_told_what_was_before_is_a_violation() -> None:
    detail = {"mode": "stop", "scope": "global"}
    told = Told().record("control", "mode_acknowledged", 1, detail=detail)
    assert told.did("replied", 9, mode="live", called_at=T + 9).broken(50).mode_violations == 1


def test_other_scopes_and_other_words_of_the_control_stage_change_nothing() -> None:
    told = Told().mode("mode_acknowledged", 1, "stop", "live", scope="channel=email")
    told.mode("mode_acknowledged", 1, "?", "live").mode("mode_acknowledged", 1, "stop", "?")
    told.mode("template_off", 1, "stop", "live").mode("mode_acknowledged", 1, "stop", "live", scope="?")  # fmt: skip
    told.did("replied", 9, called_at=T + 9)
    told.did("replied", 9, called_at=T + 9, channel="live_chat", intent="refund_request")
    assert told.broken(50).mode_violations == 0


@pytest.mark.parametrize("scope", ["channel=email", "intent=refund_request"])
def test_a_mode_of_a_scope_binds_what_lies_in_it(scope: str) -> None:
    told = Told().mode("mode_acknowledged", 1, "stop", "live", scope=scope)
    told.did("replied", 9, called_at=T + 9, channel="email", intent="refund_request")
    assert told.broken(50).mode_violations == 1
    told.mode("mode_set", 60, "live", "stop", scope=scope)
    told.did("replied", 70, called_at=T + 70, channel="email", intent="refund_request")
    assert told.broken(100).mode_violations == 1


def test_a_worker_that_replies_under_a_mode_set_days_ago_is_told_of() -> None:
    told = Told().did("replied", 9, mode="live", called_at=T + 9)
    assert told.broken(50, stands("shadow", -500_000.0)).mode_violations == 1
    email = Told().did("replied", 9, mode="live", called_at=T + 9, channel="email")
    assert email.broken(50, stands("draft", -500_000.0, "channel=email")).mode_violations == 1


def test_what_stands_now_is_not_held_against_what_was_done_before_all_obeyed_it() -> None:
    told = Told()
    for called_at in (-900, 5, 10.5, 15.5):
        told.did("replied", called_at, mode="live", called_at=T + called_at)
    assert told.broken(50, stands("shadow", 10)).mode_violations == 0
    told.did("replied", 17, mode="live", called_at=T + 17)
    assert told.broken(50, stands("shadow", 10)).mode_violations == 1


def test_of_what_the_trail_tells_and_what_stands_the_later_counts() -> None:
    raised = Told().mode("mode_set", 3, "live", "draft").did("replied", 9, called_at=T + 9)
    assert raised.broken(50, stands("draft", 1)).mode_violations == 0
    # The logbook lacks the raise: no act fails for it.
    unlogged = Told().mode("mode_acknowledged", 1, "stop", "live").did("replied", 9, called_at=T + 9)  # fmt: skip
    assert unlogged.broken(50, stands("live", 2)).mode_violations == 0


def test_a_hold_that_was_released_binds_no_more() -> None:
    told = (
        Told().mode("mode_acknowledged", 1, "stop", "live").mode("mode_released", 5, "live", "stop")
    )
    assert told.did("replied", 9, called_at=T + 9).broken(50).mode_violations == 0


@pytest.mark.parametrize("what", ["mode_set", "mode_released"])
def test_a_raise_binds_from_when_its_write_began_though_it_is_told_of_later(what: str) -> None:
    told = Told().mode("mode_acknowledged", 1, "stop", "live").mode(what, 30, "live", "stop", seconds=20.0)  # fmt: skip
    assert told.did("replied", 12, mode="live", called_at=T + 12).broken(50).mode_violations == 0
    assert told.did("replied", 5, mode="live", called_at=T + 5).broken(50).mode_violations == 1
    unreadable = Told().mode("mode_acknowledged", 1, "stop", "live").mode(what, 30, "live", "stop", seconds="?")  # fmt: skip
    assert unreadable.did("replied", 31, called_at=T + 31).broken(50).mode_violations == 0


def test_a_drill_that_ends_under_a_panic_binds_nobody_before_the_panic_does() -> None:
    told = Told().mode("mode_acknowledged", 1, "stop", "live").mode("mode_set", 9, "live", "draft")
    told.mode("mode_acknowledged", 20, "stop", "live")
    told.mode("mode_released", 22, "stop", "stop", seconds=12.0)
    assert told.did("replied", 15, called_at=T + 15).broken(50).mode_violations == 0
    assert told.did("replied", 25, called_at=T + 25).broken(50).mode_violations == 1


def test_changes_count_by_their_time_in_whatever_order_they_are_read() -> None:
    told = Told().did("replied", 9, mode="live", called_at=T + 9)
    told.mode("mode_set", 7, "live", "draft").mode("mode_set", 5, "draft", "route_only")
    assert told.broken(9 + invariants.SETTLE + 1).mode_violations == 0


def test_a_call_is_not_judged_before_what_allowed_it_can_have_been_read() -> None:
    told = Told().mode("mode_set", 1, "shadow", "stop").did("replied", 9, called_at=T + 9)
    assert told.broken(9 + invariants.SETTLE).mode_violations == 0
    assert told.broken(9 + invariants.SETTLE + 1).mode_violations == 1


def test_calls_that_wait_to_be_judged_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "MOST_ENDED", 2)
    told = Told().mode("mode_set", 1, "shadow", "stop")
    for at in (9, 10, 11):
        told.did("replied", at, called_at=T + at)
    assert told.broken(50).mode_violations == 2
