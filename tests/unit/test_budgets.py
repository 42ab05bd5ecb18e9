from __future__ import annotations

import pytest

from console.budgets import VENDORS, Waiting, budgets, in_use
from console.limits import gate_of
from pipeline.domain.control_records import GateRecord, Heard, ProcessRecord
from pipeline.settings import Settings

SETTINGS = Settings(vendor_budget=50, vendor_window=30.0, vendor_kept_share=0.2, read_share=0.15)


def test_the_helpdesk_is_split_between_acting_reading_and_people() -> None:
    (budget,) = budgets(SETTINGS, "richpanel")
    assert budget.in_words() == "50 requests in 30 s"
    parts = budget.parts
    assert (parts.acting, parts.reading, parts.people) == pytest.approx((34.0, 6.0, 10.0))


def worker(name: str, *, at: float = 100.0, **settings: float) -> Heard:
    theirs = SETTINGS.model_copy(update=settings).budgets if settings else {}
    return Heard(ProcessRecord(name=name, confirmed=0, silent_after=5.0, budgets=theirs), at)


def test_a_budget_is_that_of_the_workers_that_run_and_not_of_this_shell() -> None:
    heard = [
        worker("classify-0", vendor_budget=9),
        worker("act-1", vendor_budget=3000),
        worker("act-0", vendor_budget=3000),
        worker("act-2", vendor_budget=1, at=90.0),
        worker("dedup-0"),
    ]
    used = in_use(SETTINGS, heard, "richpanel", now=100.0)
    assert [each.limit for each in used.budgets] == [3000]
    assert (used.of, used.in_words()) == ("act-0", "act-0")


def test_workers_with_other_settings_are_named() -> None:
    heard = [worker("act-0", vendor_budget=50), worker("act-1", vendor_budget=60)]
    used = in_use(SETTINGS, heard, "richpanel", now=100.0)
    assert used.in_words() == "act-0, UNLIKE act-1"


def test_where_no_worker_runs_it_is_said_that_the_figures_are_this_shells() -> None:
    for heard in ([], [worker("act-0")], [worker("act-0", at=90.0, vendor_budget=3000)]):
        used = in_use(SETTINGS, heard, "richpanel", now=100.0)
        assert [each.limit for each in used.budgets] == [50]
        assert used.of is None
        assert "this shell's settings" in used.in_words()


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_part_is_lost_and_none_is_given_twice(vendor: str) -> None:
    for budget in budgets(SETTINGS, vendor):
        parts = budget.parts
        assert parts.acting + parts.reading + parts.people == pytest.approx(budget.limit)
        assert parts.people == pytest.approx(budget.limit * SETTINGS.vendor_kept_share)


def test_the_model_is_counted_in_requests_and_in_tokens() -> None:
    assert [each.unit for each in budgets(SETTINGS, "openai")] == ["requests", "tokens"]


def test_what_waits_is_told_for_the_vendor_that_it_waits_for() -> None:
    left = Waiting(parked={"30s": 2, "1h": 1}, act=4, classify=5)
    assert {vendor: left.queued(vendor) for vendor in VENDORS} == {
        "richpanel": 7, "openai": 5, "shopify": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("until", "closed_for"), [(130.0, 30.0), (90.0, 0.0), (float("inf"), None)]
)
def test_a_gate_tells_for_how_long_it_is_closed(until: float, closed_for: float | None) -> None:
    told = gate_of(GateRecord(closed_until=until, by="ann", reason="x"), now=100.0)
    assert told["closed_for"] == closed_for
    assert told["closed_until"] == (None if closed_for is None else until)
    assert gate_of(None, now=100.0)["closed_for"] == 0.0
