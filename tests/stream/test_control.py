from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import telemetry
from pipeline.control import STALE_AFTER, Control, show_modes
from pipeline.domain.control_records import ProcessRecord
from pipeline.domain.modes import SCOPE_KINDS, Mode, Subject
from pipeline.stream.control import Update, View
from tests.stream.controls import Controls, control_at

ANY = Subject()


def update(key: str, value: bytes | None, offset: int) -> Update:
    return Update(key, value, offset, float(offset))


# -- what is known, and as of when ------------------------------------------------------------


def test_nothing_is_known_before_an_own_record_came_back() -> None:
    view = View()
    view.apply([update("a", b"1", 0)])
    assert not view.is_fresh(0.0, 5.0)
    view.written(1, began=10.0)
    assert view.known_at is None
    view.apply([update("me", b"", 1)])
    assert view.known_at == 10.0


def test_a_record_read_before_its_acknowledgement_counts_too() -> None:
    view = View()
    view.apply([update("me", b"", 0)])
    view.written(0, began=3.0)
    assert view.is_fresh(8.0, 5.0)
    assert not view.is_fresh(8.1, 5.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2)), max_size=60))
def test_what_is_known_as_of_a_moment_was_all_read(steps: list[tuple[bool, float]]) -> None:
    """A log that others write to, a reader that lags at will: freshness is never claimed wrongly."""
    view, now, log, own = View(), 0.0, 0, False
    written_at: list[float] = []
    for read, pause in steps:
        now += pause
        if read and view.position < log:
            view.apply([update("x", b"", view.position)])
        else:
            written_at.append(now)
            own = not own
            if own:
                view.written(log, began=now)
            log += 1
        if view.known_at is not None:
            unread = written_at[view.position :]
            assert all(at >= view.known_at for at in unread)


def test_keys_are_kept_removed_and_told() -> None:
    view, told = View(), []
    view.on_change("a/", lambda each: told.append((each.key, each.value)))
    view.apply([update("a/1", b"x", 0), update("b/1", b"y", 1), update("a/1", None, 2)])
    assert told == [("a/1", b"x"), ("a/1", None)]
    assert view.get("a/1") is None
    assert [key for key, _ in view.items("b/")] == ["b/1"]


# -- the typed reader -------------------------------------------------------------------------


def test_an_empty_topic_is_shadow_and_a_stale_state_is_stop() -> None:
    clock = [100.0]
    controls = Controls(monotonic=lambda: clock[0])
    assert controls.control.effective(ANY) is Mode.SHADOW
    controls.mode("live")
    assert controls.control.effective(ANY) is Mode.LIVE
    clock[0] += STALE_AFTER
    assert controls.control.effective(ANY) is Mode.LIVE
    clock[0] += 0.01
    assert controls.control.effective(ANY) is Mode.STOP
    controls.hear()
    assert controls.control.effective(ANY) is Mode.LIVE


def test_scopes_take_away_and_a_removed_hold_gives_back() -> None:
    controls = Controls().mode("live").mode("route_only", "channel=email")
    assert controls.control.effective(Subject(channel="email")) is Mode.ROUTE_ONLY
    assert controls.control.effective(Subject(channel="live_chat")) is Mode.LIVE
    controls.put("mode/channel=email/hold", None)
    assert controls.control.effective(Subject(channel="email")) is Mode.LIVE


def test_switches_flags_and_gates_are_read_and_the_unreadable_is_restrictive() -> None:
    controls = Controls()
    control = controls.control
    assert control.template_is_on("t")
    assert not control.is_shed("orders")
    assert control.gate("richpanel") is None
    controls.template("t", on=False)
    controls.shed("orders")
    controls.gate("richpanel", 99.0)
    assert not control.template_is_on("t")
    assert control.is_shed("orders")
    gate = control.gate("richpanel")
    assert gate is not None
    assert gate.closed_until == 99.0
    for key in ("template/t", "shed/orders", "gate/richpanel"):
        controls.put(key, b"?")
    assert not control.template_is_on("t")
    assert control.is_shed("orders")
    gate = control.gate("richpanel")
    assert gate is not None
    assert math.isinf(gate.closed_until)


def test_a_change_is_confirmed_only_when_calls_begun_before_it_have_ended() -> None:
    controls, told = Controls(), []
    control = controls.control
    control.on_confirmed = lambda: told.append(control.confirmed)
    first = controls.put("mode/global/1", b"?")
    with control.on_the_wire():
        second = controls.put("mode/global/2", b"?")
        with control.on_the_wire():
            pass
        assert control.confirmed == first
    assert control.confirmed == second
    assert told == [first, second]


def test_signs_of_life_move_no_epoch() -> None:
    controls = Controls()
    first = controls.put("mode/global/1", b"?")
    controls.hear()
    controls.put("observer/x", b"{}")
    assert controls.control.confirmed == first


@pytest.mark.parametrize("readable", [True, False])
def test_a_live_process_that_has_not_confirmed_is_named(readable: bool) -> None:
    controls = Controls()
    record = ProcessRecord(name="act-9", confirmed=3, silent_after=15.0)
    controls.put("process/test-0/1", None)
    controls.put("process/act-9/1", record.to_bytes() if readable else b"?")
    assert controls.control.unconfirmed(4) == ["act-9" if readable else "process/act-9/1"]
    assert controls.control.unconfirmed(3) == ([] if readable else ["process/act-9/1"])


def test_a_step_of_the_brokers_clock_confirms_nothing_and_real_silence_does() -> None:
    view = View()
    control = Control(view, monotonic=lambda: 0.0)
    record = ProcessRecord(name="act-9", confirmed=-1, silent_after=15.0).to_bytes()
    view.apply([Update("process/act-9/1", record, 0, 1000.0)])
    view.apply([Update("mode/global/1", b"?", 1, 1000.0 + 3600.0)])
    assert control.unconfirmed(1) == ["act-9"]
    beats = [Update("observer/x", b"{}", 2 + n, 4600.0 + n) for n in range(17)]
    view.apply(beats[:14])
    assert control.unconfirmed(1) == ["act-9"]
    view.apply(beats[14:])
    assert control.unconfirmed(1) == []


def test_a_clock_that_is_set_back_confirms_nothing_either() -> None:
    view = View()
    control = Control(view, monotonic=lambda: 0.0)
    record = ProcessRecord(name="act-9", confirmed=-1, silent_after=3.0).to_bytes()
    view.apply([Update("process/act-9/1", record, 0, 1000.0)])
    view.apply(Update("observer/x", b"{}", 1 + n, 10.0 + n) for n in range(5))
    assert control.unconfirmed(1) == []  # 4 s after the step it has been silent for 4 s
    view.apply([Update("process/act-9/1", record, 6, 15.0), Update("mode/global/1", b"?", 7, 2e9)])
    assert control.unconfirmed(7) == ["act-9"]


def test_a_control_in_memory_says_what_it_was_given() -> None:
    assert control_at("draft").effective(ANY) is Mode.DRAFT


def shown() -> dict[str, str]:
    """Scope kind -> the one mode that `switchboard_mode` says counts."""
    samples = next(iter(telemetry.MODE.collect())).samples
    assert len(samples) == (1 + len(SCOPE_KINDS)) * len(Mode)
    on = [sample.labels for sample in samples if sample.value == 1]
    assert len(on) == 1 + len(SCOPE_KINDS)
    return {labels["scope"]: labels["mode"] for labels in on}


def test_the_metric_tells_the_lowest_mode_of_each_kind_of_scope_and_stop_when_stale() -> None:
    now = [0.0]
    controls = Controls(monotonic=lambda: now[0]).mode("live")
    controls.mode("shadow", "channel=email").mode("draft", "channel=sms").mode("draft", "intent=x")
    show_modes(controls.control)
    assert shown() == {
        "global": "live", "channel": "shadow", "intent": "draft",
        "template": "live", "tenant": "live",
    }  # fmt: skip
    controls.mode("route_only")
    assert shown()["channel"] == "shadow"
    assert shown()["intent"] == shown()["template"] == "route_only"
    now[0] = STALE_AFTER + 0.1
    assert set(shown().values()) == {"stop"}
