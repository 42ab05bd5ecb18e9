from __future__ import annotations

import pytest

from pipeline.domain.events import Audit, Outcome
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.tally import Tally
from pipeline.domain.windows import MOST_SERIES, Window, fold, samples_of, window_start


def audit(what: str = "routed", stage: str = "act", **fields: object) -> Audit:
    return Audit.model_validate(
        {"stage": stage, "what": what, "ingress_id": "i", "at": 12.5, "received_at": 12.0, **fields}
    )


def counts(*records: Audit) -> dict[str, int]:
    return fold(None, 10, enumerate(records)).counts


def test_a_window_is_ten_seconds() -> None:
    assert (window_start(19.99), window_start(20.0)) == (10, 20)


def test_a_record_is_folded_once_however_often_it_comes() -> None:
    records = [(3, audit()), (4, audit("ended", outcome=Outcome.ACTED))]
    once = fold(None, 10, records)
    assert fold(once, 10, records) == once
    assert once.counts["outcomes|acted"] == 1
    assert once.offset == 4
    more = fold(once, 10, [(5, audit("ended", outcome=Outcome.ACTED))])
    assert (once.counts["outcomes|acted"], more.counts["outcomes|acted"]) == (1, 2)


@pytest.mark.parametrize(
    ("record", "series"),
    [
        (audit("accepted", "dedup"), "received|accepted"),
        (
            audit("duplicated", "dedup", reason="conflict", detail={"key_strength": "weak"}),
            "idempotency_duplicates_detected|weak|conflict",
        ),
        (audit("quarantined", "dedup", reason="no_ticket_id"), "quarantined|no_ticket_id"),
        (audit("ignored", "dedup", reason="self_message"), "ignored|self_message"),
        (
            audit("classified", "classify", detail={"path": "rules", "intent": "cancel_order"}),
            "decisions_made|rules|cancel_order|none",
        ),
        (audit("withheld", reason="vip", detail={"action": "reply"}), "withheld|vip"),
        (audit("withheld", reason="vip", detail={"action": "reply"}), "actions|reply|withheld"),
        (
            audit("replied", detail={"intent": "cancel_order", "channel": "email"}),
            "auto_reply_sent|cancel_order|email",
        ),
        (audit("failed", reason="http_404"), "worker_errors|act|http_404"),
        (audit("parked", reason="gate_closed"), "stage_records|act"),
        (audit("parked", reason="http_503"), "worker_errors|act|http_503"),
        (audit("parked", "classify", reason="http_503"), "worker_errors|classify|http_503"),
        (audit("parked", "classify", reason="gate_closed"), "stage_records|classify"),
        (audit("dead_lettered", "classify", reason="exception:KeyError"), "dead_lettered|classify|exception"),
        (audit("dead_lettered", reason="poison"), "worker_errors|act|poison"),
        (audit("ended", outcome=Outcome.DEAD_LETTERED, reason="http_404"), "dead_lettered|act|http_404"),
        (audit("ended", detail={"channel": "email"}), "actions_success|none|email"),
    ],
)  # fmt: skip
def test_a_record_counts_for_its_series(record: Audit, series: str) -> None:
    assert counts(record)[series] == 1


@pytest.mark.parametrize(
    ("what", "stage"), [("accepted", "dedup"), ("ignored", "dedup"), ("classified", "classify")]
)
def test_work_that_is_repeated_counts_as_work_alone(what: str, stage: str) -> None:
    outcome = Outcome.IGNORED if what == "ignored" else None
    again = audit(what, stage, outcome=outcome, detail={"repeated": True, "path": "rules"})
    assert counts(again) == {f"stage_records|{stage}": 1}


@pytest.mark.parametrize(
    "record",
    [audit("mode_set", "control", reason="wrong words"), audit("seen", "dedup"), audit("tried")],
)
def test_what_is_no_ones_metric_counts_for_none(record: Audit) -> None:
    assert counts(record) == {}


def test_a_step_that_an_earlier_run_has_done_was_counted_then() -> None:
    replied = audit("replied", detail={"action": "reply"})
    assert counts(replied, replied.model_copy(update={"reason": "already"})) == counts(replied)
    found = audit("replied", reason="found")
    assert counts(found)["auto_reply_sent|none|none"] == 1
    assert counts(found, audit("replied", reason="found", detail={"repeated": True})) == counts(
        found
    )


def test_waiting_for_an_open_gate_is_no_error() -> None:
    assert not any(
        name.startswith("worker_errors") for name in counts(audit("parked", reason="gate_closed"))
    )


@pytest.mark.parametrize(
    ("outcome", "detail", "counted"),
    [
        (Outcome.ACTED, {}, "actions_success|acted|none"),
        (Outcome.WITHHELD, {}, "actions_success|withheld|none"),
        (Outcome.DEAD_LETTERED, {"partial": True}, "actions_partial|none"),
        (Outcome.DEAD_LETTERED, {}, None),
        (Outcome.ACTED, {"released": True}, None),
    ],
)
def test_decisions_less_successes_are_the_plans_that_did_not_come_through(
    outcome: Outcome, detail: dict[str, bool], counted: str | None
) -> None:
    found = counts(audit("classified", "classify"), audit("ended", outcome=outcome, detail=detail))
    assert found["decisions_made|none|none|none"] == 1
    assert {name for name in found if name.startswith("actions_")} == {counted} - {None}


def test_durations_go_to_their_histograms() -> None:
    def names(*records: Audit) -> set[str]:
        return set(fold(None, 0, enumerate(records)).histograms)

    assert names(audit(detail={"channel": "email"})) == {"end_to_end_seconds|email"}
    ended = audit("ended", outcome=Outcome.ACTED, detail={"seconds": 0.25})
    assert names(ended) == {"outcome_seconds|acted", "stage_duration_seconds|act"}
    classified = audit("classified", "classify", detail={"path": "model", "seconds": 1})
    assert names(classified) == {
        "classification_latency_seconds|model", "stage_duration_seconds|classify",
    }  # fmt: skip
    assert names(audit("ended", received_at=None, outcome=Outcome.ACTED)) == set()
    assert names(audit(received_at=None)) == set()


def test_what_a_process_measured_is_added_and_the_unknown_left_out() -> None:
    measured = Tally()
    measured.count("vendor_requests|openai|429", 3)
    measured.count("vendor_requests|openai", 1)
    measured.count("nonsense|openai", 1)
    measured.count("queue_depth|act", 1)
    measured.observe("vendor_request_seconds|openai", 0.5, 2)
    measured.observe("vendor_requests|openai|429", 0.5)
    measured.level("queue_depth|act", 7)
    measured.level("vendor_requests|openai|2xx", 7)
    window = fold(None, 0, [(0, audit("measured", "classify", measured=measured)), (1, audit("measured", measured=measured))])  # fmt: skip
    assert window.counts == {"vendor_requests|openai|429": 6}
    assert {name: sum(each.values()) for name, each in window.histograms.items()} == {
        "vendor_request_seconds|openai": 4
    }
    assert window.levels == {"queue_depth|act": 7}


def test_a_metric_has_only_so_many_series_in_a_window() -> None:
    letters = [f"{first}{second}" for first in "abcdefghijklmnop" for second in "abcdefghijklmnop"]
    records = [audit("withheld", reason=name) for name in letters]
    window = fold(None, 0, enumerate(records))
    found = {name: n for name, n in window.counts.items() if name.startswith("withheld|")}
    assert len(found) == MOST_SERIES + 1
    assert found["withheld|other"] == len(letters) - MOST_SERIES
    again = fold(window, 0, [(len(letters), audit("withheld", reason="zz"))])
    assert again.counts["withheld|other"] == len(letters) - MOST_SERIES + 1


def test_every_sample_is_of_the_catalogue_and_has_its_labels() -> None:
    stages, words = ("dedup", "classify", "act"), ("duplicated", "quarantined", "ignored",
        "accepted", "classified", "routed", "replied", "withheld", "failed", "parked", "ended", "dead_lettered")  # fmt: skip
    for stage in stages:
        for what in words:
            for name, values, _ in samples_of(
                audit(what, stage, outcome=Outcome.ACTED, detail={"seconds": 1})
            ):
                assert len(CATALOGUE[name].labels) == len(values), name


def test_a_window_survives_its_changelog() -> None:
    window = fold(None, 10, [(0, audit("ended", outcome=Outcome.ACTED, detail={"seconds": 0.2}))])
    assert Window.parse(window.to_bytes()) == window
