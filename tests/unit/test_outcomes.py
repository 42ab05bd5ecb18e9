import pytest

from pipeline.domain.events import Outcome
from pipeline.domain.ledger import DoneOutcome
from pipeline.domain.outcomes import (
    REPLY_ENDS,
    StepEnd,
    StepResult,
    again,
    is_partial,
    limited_tag,
    marks,
    terminal_outcome,
)

R, A, W, T, F = (
    StepEnd.ROUTED,
    StepEnd.REPLIED,
    StepEnd.WITHHELD,
    StepEnd.TRIAGED,
    StepEnd.FAILED,
)


@pytest.mark.parametrize(
    ("ends", "triage", "outcome"),
    [
        pytest.param([R], False, Outcome.ACTED, id="routed, no reply planned"),
        pytest.param([R, A], False, Outcome.ACTED, id="routed and replied"),
        pytest.param([R, W], False, Outcome.WITHHELD, id="routed, the planned reply withheld"),
        pytest.param([W, W], False, Outcome.WITHHELD, id="shadow mode"),
        pytest.param([W], True, Outcome.WITHHELD, id="a fallback in shadow mode: no tag stands"),
        pytest.param([R], True, Outcome.TRIAGED, id="a fallback with its tag set"),
        pytest.param([R, W], True, Outcome.TRIAGED, id="a fallback with its tag set, no reply"),
        pytest.param([R, T], False, Outcome.TRIAGED, id="not known whether the reply went out"),
        pytest.param([W, T], False, Outcome.TRIAGED, id="a human beats withheld"),
        pytest.param([F], False, Outcome.DEAD_LETTERED, id="the route was given up"),
        pytest.param([F, T], True, Outcome.DEAD_LETTERED, id="a dead letter beats all"),
        pytest.param([R, F], False, Outcome.DEAD_LETTERED, id="the reply was given up"),
    ],
)
def test_a_plan_ends_where_it_needs_a_person_most(
    ends: list[StepEnd], triage: bool, outcome: Outcome
) -> None:
    assert terminal_outcome([StepResult(end) for end in ends], triage=triage) is outcome


@pytest.mark.parametrize(
    ("ends", "partial"),
    [([R, F], True), ([F], False), ([W, F], False), ([R, A], False)],
)
def test_a_plan_that_was_given_up_half_way_is_partial(ends: list[StepEnd], partial: bool) -> None:
    assert is_partial([StepResult(end) for end in ends]) is partial


def test_every_end_of_a_reply_in_the_ledger_is_the_end_of_a_step() -> None:
    assert REPLY_ENDS.keys() == set(DoneOutcome) - {DoneOutcome.APPLIED}


@pytest.mark.parametrize(
    ("end", "tags"),
    [
        (A, ("mw-auto-replied",)),
        (T, ("mw-send-failed", "needs_manual_triage")),
        (W, ()),
        (StepEnd.DRAFTED, ()),
    ],
)
def test_a_ticket_is_marked_with_what_became_of_its_reply(
    end: StepEnd, tags: tuple[str, ...]
) -> None:
    assert marks([("route", StepResult(R)), ("reply", StepResult(end))], "mw") == tags


def test_a_plan_without_a_reply_marks_nothing() -> None:
    assert marks([("route", StepResult(R))], "mw") == ()


def test_the_tag_of_a_limit_has_the_prefix() -> None:
    assert limited_tag("mw") == "mw-auto-rate-limited"


def test_an_empty_plan_has_no_outcome() -> None:
    with pytest.raises(ValueError, match="its plan was empty"):
        terminal_outcome([], triage=False)


def test_a_later_run_tells_that_it_wrote_nothing_itself() -> None:
    assert again(StepResult(StepEnd.REPLIED)) == StepResult(StepEnd.REPLIED, "already")
    assert again(StepResult(StepEnd.TRIAGED, "unknown")).reason == "unknown"
