from __future__ import annotations

import pytest

from pipeline.domain.events import ActionRequest, Decision, HeldState, ReplyStep, Withheld
from pipeline.domain.withheld import Filter, chosen, fold, mark, released, state_at

REQUEST = ActionRequest(
    event_id="e1",
    tenant="default",
    conversation_id="t1",
    channel="email",
    ingress_id="i1",
    received_at=1000.0,
    decision=Decision(
        intent="refund_request", confidence="high", path="rules", team="Returns Admin", tags=()
    ),
    steps=(ReplyStep(action_id="a1", template="t_refund_request_intake"),),
)


def held(action_id: str = "a1", **changes: object) -> Withheld:
    fields: dict[str, object] = {
        "action_id": action_id, "event_id": "e1", "conversation_id": "t1", "mode": "shadow",
        "reason": "mode", "kind": "reply", "rendered": "Hello", "at": 1001.0,
        "expires_at": 1900.0, "request": REQUEST,
    }  # fmt: skip
    return Withheld.model_validate({**fields, **changes})


def test_the_last_record_of_a_step_is_where_it_stands() -> None:
    assert fold([held(), held("a2"), held(reason="vip")]) == [held(reason="vip"), held("a2")]


def test_what_an_operator_did_keeps_text_and_plan() -> None:
    by_ann = mark(held(), HeldState.RELEASED, by="ann", at=1100.0)
    assert by_ann.rendered is None
    (stands,) = fold([held(), by_ann])
    assert (stands.state, stands.by, stands.at) == ("released", "ann", 1100.0)
    assert (stands.rendered, stands.request) == ("Hello", REQUEST)


def test_a_mark_whose_step_is_not_kept_any_more_stands_for_itself() -> None:
    by_ann = mark(held(), HeldState.EXPIRED, by="ann", at=1100.0)
    assert fold([by_ann]) == [by_ann]


def test_a_released_step_that_is_withheld_again_stands_open_again() -> None:
    by_ann = mark(held(), HeldState.RELEASED, by="ann", at=1100.0)
    again = held(at=1101.0, reason="vip")
    assert fold([held(), by_ann, again]) == [again]


def test_a_mark_that_comes_after_its_step_was_withheld_again_does_not_close_it() -> None:
    by_ann = mark(held(), HeldState.RELEASED, by="ann", at=1100.0)
    again = held(at=1100.1, reason="vip")
    assert fold([held(), again, by_ann]) == [again]


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (held(), HeldState.WITHHELD),
        (held(expires_at=1500.0), HeldState.EXPIRED),
        (held(expires_at=None), HeldState.WITHHELD),
        (held(state="released", expires_at=1.0), HeldState.RELEASED),
        (held(state="expired"), HeldState.EXPIRED),
    ],
)
def test_time_alone_expires_a_step(record: Withheld, state: HeldState) -> None:
    assert state_at(record, 1500.0) is state


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Filter(since=0.0), True),
        (Filter(since=1001.1), False),
        (Filter(since=0.0, until=1001.0), True),
        (Filter(since=0.0, until=1000.9), False),
        (Filter(since=0.0, reason="mode", mode="shadow", kind="reply"), True),
        (Filter(since=0.0, reason="vip"), False),
        (Filter(since=0.0, mode="stop"), False),
        (Filter(since=0.0, kind="route"), False),
        (Filter(since=0.0, state=HeldState.RELEASED), False),
        (Filter(since=0.0, state=None), True),
    ],
)
def test_a_filter_means_what_all_of_its_words_say(asked: Filter, found: bool) -> None:
    assert chosen([held()], asked, now=1100.0) == ([held()] if found else [])


def test_a_time_alone_is_no_filter() -> None:
    assert not Filter(since=0.0).is_narrow
    assert Filter(since=0.0, kind="reply").is_narrow


def test_a_release_is_the_same_plan_with_the_same_ids() -> None:
    plan = released(held(), by="ann")
    assert plan == REQUEST.model_copy(update={"released_by": "ann"})
    assert released(held(request=None), by="ann") is None
