"""The lever over a control topic in memory: what it writes, and what it refuses to."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from pipeline.control import SWEEP_AFTER, Control
from pipeline.domain.control_records import ProcessRecord
from pipeline.domain.modes import FIRST_MODE, GLOBAL, Mode
from pipeline.lever import Lever, Refused
from pipeline.stream.control import Update, View
from pipeline.stream.delivery import DeliveryError, Failure
from tests.stream.controls import Controls, Topic


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def topic() -> Topic:
    return Topic()


def test_a_mode_is_written_confirmed_and_audited(topic: Topic) -> None:
    answer = run(topic.lever().set(Mode.ROUTE_ONLY, reason="week one", by="alice"))
    assert answer.is_acknowledged
    assert answer.was is Mode.SHADOW
    assert topic.mode is Mode.ROUTE_ONLY
    audits = topic.broker.audits()
    assert [each.what for each in audits] == ["mode_set", "mode_acknowledged"]
    assert {(each.reason, each.detail["by"]) for each in audits} == {("week one", "alice")}


def test_a_change_is_told_of_by_the_brokers_clock_and_not_by_that_of_who_made_it(
    topic: Topic,
) -> None:
    held = run(topic.lever().hold(Mode.STOP, reason="drill", by="x"))
    run(topic.lever().release(held))
    audits = topic.broker.audits()
    assert [each.what for each in audits] == ["mode_set", "mode_acknowledged", "mode_released"]
    assert {each.at for each in audits} == {topic.controls.view.broker_time}


def test_who_cannot_read_the_topic_tells_of_a_change_by_its_own_clock() -> None:
    class Deaf(Topic):
        async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
            return 5

    topic = Deaf()
    lever = Lever(
        Control(View(), monotonic=lambda: 0.0), topic, topic.broker,
        now=lambda: 500.0, monotonic=lambda: 0.0, new_id=lambda: "id",
    )  # fmt: skip
    run(lever.set(Mode.STOP, reason="x", by="x", patience=0.0))
    assert [(each.what, each.at) for each in topic.broker.audits()] == [
        ("mode_set", 500.0), ("mode_unacknowledged", 500.0),
    ]  # fmt: skip


def test_a_hold_lowers_where_the_present_mode_is_not_known() -> None:
    clock = [0.0]
    topic = Topic(controls=Controls(monotonic=lambda: clock[0]).mode("live"))
    clock[0] = 100.0
    lever = topic.lever()
    assert lever.known_at() is None
    held = run(lever.hold(Mode.ROUTE_ONLY, reason="double replies", by="alerts"))
    assert (held.answer.was, held.answer.mode) == (Mode.LIVE, Mode.SHADOW)
    clock[0] = 0.0
    assert topic.mode is lever.known_at() is Mode.SHADOW


@pytest.mark.parametrize("silent", [0.0, 100.0])
def test_a_hold_raises_nothing_where_nobody_has_set_a_mode(silent: float) -> None:
    clock = [0.0]
    topic = Topic(Controls(monotonic=lambda: clock[0]))
    assert topic.mode is FIRST_MODE
    clock[0] = silent
    run(topic.lever().hold(Mode.ROUTE_ONLY, reason="double replies", by="alerts"))
    clock[0] = 0.0
    assert topic.mode is FIRST_MODE


def test_more_than_one_step_up_is_refused_and_writes_nothing(topic: Topic) -> None:
    before = topic.controls.view.position
    with pytest.raises(Refused) as refused:
        run(topic.lever().set(Mode.LIVE, reason="x", by="x"))
    assert refused.value.code == "one_step_at_a_time"
    assert str(refused.value).endswith("./switchboard mode set route_only --reason x")
    assert topic.controls.view.position == before


def test_whoever_does_not_know_the_state_may_stop_and_nothing_else() -> None:
    now = [0.0]
    topic = Topic(Controls(monotonic=lambda: now[0]).mode("live"))
    now[0] = 100.0
    with pytest.raises(Refused) as refused:
        run(topic.lever().set(Mode.SHADOW, reason="x", by="x"))
    assert refused.value.code == "unknown_state"
    assert str(refused.value).endswith("./switchboard mode show")
    answer = run(topic.lever().set(Mode.STOP, reason="x", by="x"))
    assert answer.was is None
    assert "was" not in topic.broker.audits()[0].detail
    topic.controls.hear()
    assert topic.mode is Mode.STOP


def test_who_stops_without_knowing_the_state_tells_afterwards_what_it_was() -> None:
    now = [0.0]
    topic = Topic(Controls(monotonic=lambda: now[0]).mode("live"))
    now[0] = 100.0

    def is_heard_meanwhile(_: list[tuple[str, bytes | None]]) -> bool:
        topic.controls.hear()
        return False

    topic.refuse = is_heard_meanwhile
    assert run(topic.lever().set(Mode.STOP, reason="x", by="x")).was is Mode.LIVE


def test_a_hold_that_is_released_gives_back_what_was(topic: Topic) -> None:
    topic.controls.mode("live")

    async def drill() -> None:
        held = await topic.lever().hold(Mode.STOP, reason="drill", by="x")
        assert topic.mode is Mode.STOP
        assert (await topic.lever().release(held)).mode is Mode.LIVE

    run(drill())
    assert topic.mode is Mode.LIVE


@pytest.mark.parametrize(("outlives", "mode"), [(False, Mode.LIVE), (True, Mode.STOP)])
def test_a_hold_that_the_broker_took_and_did_not_acknowledge_stays_only_if_it_outlives_its_author(
    outlives: bool, mode: Mode
) -> None:
    class Silent(Topic):
        async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
            entries = list(entries)
            offset = await super().put(entries)
            if entries[0][1] is not None:
                raise DeliveryError("_MSG_TIMED_OUT", Failure.RETRIABLE)
            return offset

    topic = Silent()
    topic.controls.mode("live")
    with pytest.raises(DeliveryError):
        run(topic.lever().hold(Mode.STOP, reason="drill", by="x", outlives=outlives))
    assert topic.mode is mode


def test_a_panic_during_a_drill_stands(topic: Topic) -> None:
    topic.controls.mode("live")

    async def drill() -> None:
        held = await topic.lever().hold(Mode.STOP, reason="drill", by="x")
        await topic.lever().hold(Mode.STOP, reason="panic", by="y")
        assert (await topic.lever().release(held)).mode is Mode.STOP

    run(drill())
    assert topic.mode is Mode.STOP


def test_old_holds_that_cannot_be_removed_leave_the_lower_mode(topic: Topic) -> None:
    topic.controls.mode("live")
    topic.refuse = lambda entries: entries[0][1] is None
    assert run(topic.lever().set(Mode.STOP, reason="x", by="x")).is_acknowledged
    assert topic.mode is Mode.STOP
    with pytest.raises(DeliveryError):
        run(topic.lever().set(Mode.SHADOW, reason="x", by="x"))
    assert topic.mode is Mode.STOP


def test_a_logbook_that_is_away_holds_nothing_up(topic: Topic) -> None:
    topic.broker.fail_next = True
    assert run(topic.lever().set(Mode.STOP, reason="x", by="x")).is_acknowledged
    assert [each.what for each in topic.broker.audits()] == ["mode_acknowledged"]


def test_a_process_that_has_not_confirmed_is_named(topic: Topic) -> None:
    other = ProcessRecord(name="act-7", confirmed=-1, silent_after=5.0)
    topic.controls.put("process/act-7/1", other.to_bytes())
    answer = run(topic.lever().set(Mode.STOP, reason="x", by="x", patience=0.0))
    assert answer.missing == ("act-7",)
    assert topic.broker.audits()[-1].what == "mode_unacknowledged"
    assert topic.lever().now_at(GLOBAL) is Mode.STOP


def test_a_template_is_switched_confirmed_and_audited(topic: Topic) -> None:
    assert run(topic.lever().switch_template("t", on=False, reason="typo", by="al")).is_acknowledged
    assert not topic.controls.control.template_is_on("t")
    assert run(topic.lever().switch_template("t", on=True, reason="ok", by="al")).is_acknowledged
    assert topic.controls.control.template_is_on("t")
    assert [each.what for each in topic.broker.audits()] == [
        "template_off", "template_acknowledged", "template_on", "template_acknowledged",
    ]  # fmt: skip


def test_what_is_left_out_is_confirmed_and_audited(topic: Topic) -> None:
    control = topic.controls.control
    assert run(topic.lever().shed("order_lookups", on=True, reason="x", by="al")).is_acknowledged
    assert control.is_shed("order_lookups")
    assert run(topic.lever().shed("order_lookups", on=False, reason="y", by="al")).is_acknowledged
    assert not control.is_shed("order_lookups")
    audits = topic.broker.audits()
    assert [each.what for each in audits] == [
        "shed_on", "shed_acknowledged", "shed_off", "shed_acknowledged",
    ]  # fmt: skip
    assert audits[0].detail["shed"] == "order_lookups"


def test_a_gate_is_closed_and_opened_confirmed_and_audited(topic: Topic) -> None:
    closed = run(topic.lever().close_gate("richpanel", 900.0, reason="they asked", by="alice"))
    assert (closed.until, closed.is_acknowledged) == (900.0, True)
    gate = topic.controls.control.gate("richpanel")
    assert gate is not None
    assert (gate.closed_until, gate.by, gate.reason) == (900.0, "alice", "they asked")
    assert run(topic.lever().open_gate("richpanel", reason="they are back", by="bob")).epoch >= 0
    opened = topic.controls.control.gate("richpanel")
    assert opened is not None
    assert opened.closed_until == 0.0
    audits = topic.broker.audits()
    assert [(each.what, each.reason, each.detail["by"]) for each in audits] == [
        ("gate_closed", "they asked", "alice"),
        ("gate_acknowledged", "they asked", "alice"),
        ("gate_opened", "they are back", "bob"),
        ("gate_acknowledged", "they are back", "bob"),
    ]
    assert audits[0].detail["closed_until"] == 900.0


def test_a_gate_is_never_closed_for_shorter_than_it_is(topic: Topic) -> None:
    topic.controls.gate("richpanel", 900.0)
    closed = run(topic.lever().close_gate("richpanel", 100.0, reason="x", by="x"))
    assert closed.until == 900.0


def test_a_gate_that_should_be_closed_until_the_past_is_told_how_to_open_it(topic: Topic) -> None:
    with pytest.raises(Refused, match=r"\./switchboard limits reset openai --reason 'it is"):
        run(topic.lever().close_gate("openai", 0.0, reason="x", by="x"))


def test_the_command_of_a_scope_names_it_and_its_reason(topic: Topic) -> None:
    topic.controls.mode("stop", "channel=email")
    with pytest.raises(Refused) as refused:
        run(topic.lever().set(Mode.DRAFT, scope="channel=email", reason="it's well", by="x"))
    command = str(refused.value).partition(": ./")[2]
    assert shlex.split(command) == [
        "switchboard", "mode", "set", "shadow", "--scope", "channel=email", "--reason", "it's well",
    ]  # fmt: skip


def test_who_has_not_confirmed_a_gate_is_named(topic: Topic) -> None:
    other = ProcessRecord(name="act-7", confirmed=-1, silent_after=5.0)
    topic.controls.put("process/act-7/1", other.to_bytes())
    closed = run(topic.lever().close_gate("openai", 9.0, reason="x", by="x", patience=0.0))
    assert closed.missing == ("act-7",)
    assert topic.broker.audits()[-1].what == "gate_unacknowledged"


def test_a_lowered_mode_is_acknowledged_by_its_hold_alone(topic: Topic) -> None:
    topic.controls.mode("live")
    lowered = run(topic.lever().set(Mode.SHADOW, reason="x", by="x"))
    holds = list(topic.controls.view.items("mode/"))
    assert [entry.offset for _, entry in holds] == [lowered.epoch]
    raised = run(topic.lever().set(Mode.ROUTE_ONLY, reason="x", by="x"))
    assert all(entry.offset < raised.epoch for _, entry in topic.controls.view.items("mode/"))


def test_the_long_dead_are_swept(topic: Topic) -> None:
    view = topic.controls.view
    at = view.broker_time
    view.apply([Update("observer/old", b"{}", view.position, at - SWEEP_AFTER - 1)])
    view.apply([Update("process/young/1", b"{}", view.position, at)])
    assert topic.controls.control.swept() == ["observer/old"]
