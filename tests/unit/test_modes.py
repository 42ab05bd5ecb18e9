from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.modes import (
    FIRST_MODE,
    GLOBAL,
    MODE_PREFIX,
    Change,
    Mode,
    ModeRecord,
    Standing,
    StepTooBig,
    Subject,
    change,
    effective,
    is_scope,
    mode_key,
    own_mode,
    own_modes,
    standing,
)

MODES = st.sampled_from(Mode)
SCOPES = st.sampled_from([GLOBAL, "channel=email", "intent=refund_request", "tenant=t1"])
LEVELS = st.dictionaries(SCOPES, MODES)


def record(mode: Mode) -> ModeRecord:
    return ModeRecord(mode=mode, reason="because", by="someone", at=1.0)


def applied(holds: dict[str, bytes], what: Change) -> list[dict[str, bytes]]:
    """The holds after each record of a change, in the order in which it writes them."""
    states = [{**holds, what.key: what.put.to_bytes()}]
    for key in what.remove:
        states.append({known: value for known, value in states[-1].items() if known != key})
    return states


@given(LEVELS, st.lists(SCOPES), st.lists(SCOPES))
def test_effective_is_the_minimum_whatever_the_order(
    levels: dict[str, Mode], some: list[str], more: list[str]
) -> None:
    both = effective(levels, some + more)
    assert both == min(effective(levels, some), effective(levels, more))
    assert both == effective(levels, more + some + more)
    assert both <= own_mode(levels, GLOBAL)


@given(LEVELS, SCOPES, MODES, st.lists(SCOPES))
def test_lowering_any_scope_never_allows_more(
    levels: dict[str, Mode], scope: str, to: Mode, scopes: list[str]
) -> None:
    lowered = {**levels, scope: min(to, own_mode(levels, scope))}
    assert effective(lowered, scopes) <= effective(levels, scopes)


@given(st.lists(MODES, min_size=3, max_size=3))
def test_modes_are_a_chain(three: list[Mode]) -> None:
    a, b, c = three
    assert (a <= b <= c) <= (a <= c)
    assert min(a, max(a, b)) == a
    assert (a <= b) == (min(a, b) == a)
    assert a <= a.above


def test_the_order_is_stop_shadow_route_only_draft_live() -> None:
    assert [mode.value for mode in sorted(Mode)] == [
        "stop", "shadow", "route_only", "draft", "live",
    ]  # fmt: skip
    assert Mode.LIVE.above is Mode.LIVE


def test_an_installation_begins_in_shadow_and_a_scope_that_nobody_set_takes_nothing_away() -> None:
    assert effective({}, Subject(channel="email").scopes) is FIRST_MODE is Mode.SHADOW
    assert effective({GLOBAL: Mode.LIVE}, Subject(channel="email").scopes) is Mode.LIVE
    levels = {GLOBAL: Mode.LIVE, "channel=email": Mode.DRAFT, "intent=x": Mode.STOP}
    assert effective(levels, Subject(channel="email").scopes) is Mode.DRAFT
    assert effective(levels, Subject(channel="email", intent="x").scopes) is Mode.STOP
    assert effective(levels, Subject(channel="live_chat").scopes) is Mode.LIVE


def test_a_subject_lies_in_every_scope_that_it_names() -> None:
    subject = Subject(tenant="t1", channel="email", intent="x", template="y")
    assert set(subject.scopes) == {GLOBAL, "tenant=t1", "channel=email", "intent=x", "template=y"}
    assert Subject().scopes == (GLOBAL,)


@pytest.mark.parametrize("text", ["", "email", "channel=", "planet=mars", "channel=a/b", "global="])
def test_what_is_no_scope(text: str) -> None:
    assert not is_scope(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mode/global/a", b"not json"),
        ("mode/global/a", b'{"mode":"turbo","reason":"r","by":"b","at":1}'),
        ("mode/global/a", b'{"schema_version":2,"mode":"live","reason":"r","by":"b","at":1}'),
        ("mode/planet=mars/a", record(Mode.LIVE).to_bytes()),
        ("mode/channel=email", record(Mode.LIVE).to_bytes()),
        ("mode/", b""),
    ],
)
def test_an_unreadable_hold_stops_everything_and_a_change_clears_it(key: str, value: bytes) -> None:
    good = {mode_key(GLOBAL, "b"): record(Mode.LIVE).to_bytes()}
    levels = own_modes({**good, key: value}.items())
    assert effective(levels, ()) is Mode.STOP
    mended = change({**good, key: value}, GLOBAL, record(Mode.SHADOW), hold="c")
    assert isinstance(mended, Change)
    assert key in mended.remove
    assert mended.was is Mode.STOP


def test_an_unreadable_hold_of_a_scope_stops_that_scope_alone() -> None:
    holds = {
        mode_key(GLOBAL, "a"): record(Mode.LIVE).to_bytes(),
        mode_key("channel=email", "b"): b"?",
    }
    levels = own_modes(holds.items())
    assert effective(levels, ["channel=email"]) is Mode.STOP
    assert effective(levels, ["channel=live_chat"]) is Mode.LIVE


@given(SCOPES, MODES, MODES)
def test_any_way_down_and_one_step_up(scope: str, now: Mode, to: Mode) -> None:
    holds = {mode_key(scope, "a"): record(now).to_bytes()}
    answer = change(holds, scope, record(to), hold="b")
    if to > now.above:
        assert answer == StepTooBig(now, now.above)
    else:
        assert isinstance(answer, Change)
        assert own_mode(own_modes(applied(holds, answer)[-1].items()), scope) is to


@given(SCOPES, st.lists(MODES, max_size=3), MODES)
def test_no_moment_within_a_change_allows_more_than_its_beginning_or_its_end(
    scope: str, before: list[Mode], to: Mode
) -> None:
    holds = {mode_key(scope, f"h{n}"): record(mode).to_bytes() for n, mode in enumerate(before)}
    answer = change(holds, scope, record(to), hold="new")
    if isinstance(answer, Change):
        states = [holds, *applied(holds, answer)]
        levels = [own_mode(own_modes(state.items()), scope) for state in states]
        assert max(levels) <= max(levels[0], levels[-1])


@given(MODES, st.integers(0, 3))
def test_a_raise_beside_a_panic_never_undoes_it(start: Mode, when: int) -> None:
    """The two authors know the same state; their records mix in any order."""
    holds = {mode_key(GLOBAL, "a"): record(start).to_bytes()}
    up = change(holds, GLOBAL, record(start.above), hold="up")
    panic = change(holds, GLOBAL, record(Mode.STOP), hold="panic")
    assert isinstance(up, Change)
    assert isinstance(panic, Change)
    ups: list[tuple[str, bytes | None]] = [
        (up.key, up.put.to_bytes()),
        *((k, None) for k in up.remove),
    ]
    downs: list[tuple[str, bytes | None]] = [
        (panic.key, panic.put.to_bytes()), *((k, None) for k in panic.remove),
    ]  # fmt: skip
    for order in set(itertools.permutations([0] * len(ups) + [1] * len(downs))):
        queues, state = [iter(ups), iter(downs)], dict(holds)
        has_panicked = False
        for who in order:
            key, value = next(queues[who])
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
            has_panicked = has_panicked or key == panic.key
            if has_panicked:
                assert own_modes(state.items())[GLOBAL] is Mode.STOP


def test_keys_stand_below_the_prefix() -> None:
    assert mode_key(GLOBAL, "x") == f"{MODE_PREFIX}global/x"


def test_what_stands_is_known_since_the_newest_hold_of_its_scope() -> None:
    def hold(scope: str, id_: str, mode: Mode, at: float) -> tuple[str, bytes, float]:
        value = ModeRecord(mode=mode, reason="x", by="x", at=0.0).to_bytes()
        return mode_key(scope, id_), value, at

    holds = [
        hold(GLOBAL, "a", Mode.STOP, 20.0), hold(GLOBAL, "b", Mode.DRAFT, 30.0),
        hold(GLOBAL, "c", Mode.LIVE, 10.0), hold("channel=email", "d", Mode.SHADOW, 5.0),
    ]  # fmt: skip
    assert standing(holds, unset_since=99.0) == {
        GLOBAL: Standing(Mode.STOP, 30.0), "channel=email": Standing(Mode.SHADOW, 5.0),
    }  # fmt: skip


def test_where_nobody_has_set_a_mode_the_first_one_is_known_from_when_it_was_looked_for() -> None:
    assert standing([], unset_since=99.0) == {GLOBAL: Standing(FIRST_MODE, 99.0)}
