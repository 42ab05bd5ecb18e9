from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.retry import (
    BACKOFF_RANGES,
    RETRY_AFTER_DEFAULT,
    RETRY_AFTER_MAX,
    ErrorKind,
    GiveUp,
    GiveUpReason,
    RetryAfter,
    closed_seconds,
    decide,
    retry_after_seconds,
)

NOW = 1_700_000_000.0


def low(least: float, _most: float) -> float:
    return least


def after(
    kind: ErrorKind,
    *,
    attempt: int = 1,
    elapsed: float = 0.0,
    deadline: float = 1e9,
    retry_after: float | None = None,
    repeatable: bool = False,
) -> RetryAfter | GiveUp:
    return decide(
        kind,
        attempt=attempt,
        elapsed=elapsed,
        deadline=deadline,
        retry_after=retry_after,
        uniform=low,
        repeatable=repeatable,
    )


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2.0), (2, 10.0), (3, 60.0)])
def test_each_of_the_first_attempts_waits_longer(attempt: int, seconds: float) -> None:
    assert after(ErrorKind.TRANSIENT, attempt=attempt) == RetryAfter(seconds)


def test_the_vendors_own_delay_beats_the_formula() -> None:
    assert after(ErrorKind.RATE_LIMITED, attempt=1, retry_after=42.0) == RetryAfter(42.0)


def test_a_permanent_failure_is_never_tried_again() -> None:
    assert after(ErrorKind.PERMANENT) == GiveUp(GiveUpReason.PERMANENT)


def test_an_ambiguous_write_is_never_tried_again() -> None:
    assert after(ErrorKind.AMBIGUOUS) == GiveUp(GiveUpReason.AMBIGUOUS)


def test_an_ambiguous_write_that_may_be_repeated_is() -> None:
    assert after(ErrorKind.AMBIGUOUS, repeatable=True) == RetryAfter(2.0)


def test_attempts_are_bounded() -> None:
    assert after(ErrorKind.TRANSIENT, attempt=10) == GiveUp(GiveUpReason.ATTEMPTS)


def test_a_429_is_bounded_by_the_deadline_alone() -> None:
    storm = after(ErrorKind.RATE_LIMITED, attempt=10, retry_after=5.0)
    assert storm == RetryAfter(5.0)


def test_a_vendor_that_keeps_refusing_is_left_alone_for_longer() -> None:
    assert [closed_seconds(1.0, refusals) for refusals in (1, 2, 3, 5)] == [2.0, 2.0, 3.0, 15.0]
    assert closed_seconds(42.0, 3) == 42.0
    assert closed_seconds(0.0, 10_000) == RETRY_AFTER_MAX


@pytest.mark.parametrize("retry_after", [0.0, 0.2, 1.0])
def test_a_closing_lasts_until_the_others_have_heard_of_it(retry_after: float) -> None:
    assert closed_seconds(retry_after, 1) == 2.0


@pytest.mark.parametrize("retry_after", [None, 2.0])
def test_a_wait_that_would_end_at_the_deadline_is_not_begun(retry_after: float | None) -> None:
    late = after(ErrorKind.RATE_LIMITED, elapsed=8.0, deadline=10.0, retry_after=retry_after)
    assert late == GiveUp(GiveUpReason.DEADLINE)


@given(
    data=st.data(),
    kind=st.sampled_from(ErrorKind),
    attempt=st.integers(1, 20),
    retry_after=st.none() | st.floats(0, 600),
)
def test_no_retry_begins_past_the_deadline_or_before_the_vendor_allows(
    data: st.DataObject, kind: ErrorKind, attempt: int, retry_after: float | None
) -> None:
    elapsed = data.draw(st.floats(0, 10_000))
    deadline = data.draw(st.floats(0, 10_000))
    move = decide(
        kind,
        attempt=attempt,
        elapsed=elapsed,
        deadline=deadline,
        retry_after=retry_after,
        uniform=lambda least, most: data.draw(st.floats(least, most)),
        repeatable=data.draw(st.booleans()),
    )
    if isinstance(move, RetryAfter):
        assert elapsed + move.seconds < deadline
        formula = BACKOFF_RANGES[min(attempt, len(BACKOFF_RANGES)) - 1]
        least, most = formula if retry_after is None else (retry_after, retry_after + 1.0)
        assert least <= move.seconds <= most


@pytest.mark.parametrize(("attempt", "longest"), [(4, 600.0), (5, 3600.0), (9, 3600.0)])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_jitter_is_full_where_waits_are_long_and_at_the_cap_too(
    attempt: int, longest: float, fraction: float
) -> None:
    move = decide(
        ErrorKind.TRANSIENT,
        attempt=attempt,
        elapsed=0.0,
        deadline=1e9,
        retry_after=None,
        uniform=lambda least, most: least + fraction * (most - least),
    )
    assert move == RetryAfter(fraction * longest)


def test_who_was_told_the_same_delay_does_not_come_back_at_once() -> None:
    move = decide(
        ErrorKind.RATE_LIMITED,
        attempt=1,
        elapsed=0.0,
        deadline=1e9,
        retry_after=30.0,
        uniform=lambda _least, most: most,
    )
    assert move == RetryAfter(31.0)


@pytest.mark.parametrize(
    ("header", "seconds"), [("17", 17.0), ("0", 0.0), ("1.5", 1.5), (" 3 ", 3.0)]
)
def test_retry_after_in_seconds_is_taken_as_it_is(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


def test_retry_after_as_a_date_counts_from_now() -> None:
    header = format_datetime(datetime.fromtimestamp(NOW + 40, UTC), usegmt=True)
    assert retry_after_seconds(header, now=NOW) == 40.0


def test_retry_after_as_a_date_without_zone_means_utc() -> None:
    header = datetime.fromtimestamp(NOW + 40, UTC).strftime("%a %b %d %H:%M:%S %Y")
    assert retry_after_seconds(header, now=NOW) == 40.0


def test_retry_after_as_a_date_in_the_past_means_now() -> None:
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now=NOW) == 0.0


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "nan", "inf", "Wed, 99 Foo 2015"])
def test_retry_after_that_cannot_be_read_is_a_bounded_default(header: str | None) -> None:
    assert retry_after_seconds(header, now=NOW) == RETRY_AFTER_DEFAULT


def test_an_absurd_retry_after_is_clamped() -> None:
    assert retry_after_seconds("86400", now=NOW) == RETRY_AFTER_MAX


@given(st.text() | st.from_regex(r"\w{3}, \d{1,4} \w{3} \d{1,6} \d\d:\d\d:\d\d [-+]\d{1,9}"))
def test_no_header_breaks_the_reader(header: str) -> None:
    assert 0.0 <= retry_after_seconds(header, now=NOW) <= RETRY_AFTER_MAX
