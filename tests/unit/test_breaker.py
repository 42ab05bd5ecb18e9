from pipeline.domain.breaker import CircuitBreaker


def opened(*, at: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(5):
        breaker.failed(at)
    return breaker


def test_four_failures_in_a_row_still_pass() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.failed(100.0)
    assert breaker.try_pass(100.0)


def test_the_fifth_failure_in_a_row_opens_it() -> None:
    assert opened().is_open
    assert not opened().try_pass(104.9)


def test_a_success_between_failures_starts_the_count_again() -> None:
    breaker = CircuitBreaker()
    for _ in range(4):
        breaker.failed(100.0)
    breaker.succeeded()
    breaker.failed(100.0)
    assert not breaker.is_open


def test_after_five_seconds_one_probe_passes_and_the_others_do_not() -> None:
    breaker = opened()
    assert breaker.try_pass(105.0)
    assert not breaker.try_pass(105.0)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.try_pass(105.0)
    breaker.succeeded()
    assert breaker.try_pass(105.0)
    assert not breaker.is_open


def test_a_probe_that_fails_keeps_it_open_for_another_five_seconds() -> None:
    breaker = opened()
    breaker.try_pass(105.0)
    breaker.failed(107.0)
    assert not breaker.try_pass(111.9)
    assert breaker.try_pass(112.0)


def test_a_probe_that_never_reports_does_not_hold_it_open_for_ever() -> None:
    breaker = opened()
    assert breaker.try_pass(105.0)
    assert breaker.try_pass(110.0)
