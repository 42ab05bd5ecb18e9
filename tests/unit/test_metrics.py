from __future__ import annotations

import pytest

from pipeline.domain.metrics import CATALOGUE, Kind, code

SEED = {
    "idempotency_duplicates_detected", "auto_reply_sent", "decisions_made", "actions_success",
    "vendor_429_rate", "queue_depth", "queue_oldest_age_seconds", "worker_error_rate",
    "openai_error_rate", "classification_latency_seconds", "timeout_count",
}  # fmt: skip


def test_the_metrics_of_the_failure_modes_exist() -> None:
    assert set(CATALOGUE) >= SEED


def test_a_ratio_is_of_counters_and_has_labels_that_both_have() -> None:
    for metric in CATALOGUE.values():
        assert (metric.of is not None) == (metric.kind is Kind.RATIO)
        for part in metric.of or ():
            assert CATALOGUE[part.metric].kind is Kind.COUNTER
            labels = CATALOGUE[part.metric].labels
            assert set(metric.labels) <= set(labels) or part.metric == "received"
            assert {each.label for each in part.where} <= set(labels)
        assert set(metric.stored) <= set(CATALOGUE)


def test_a_series_names_the_values_of_its_labels() -> None:
    calls = CATALOGUE["vendor_requests"]
    assert calls.series("openai", "429") == "vendor_requests|openai|429"
    assert calls.labels_of("vendor_requests|openai|429") == {
        "vendor": "openai", "status_class": "429",
    }  # fmt: skip


@pytest.mark.parametrize(
    "value", ["http_429", "2xx", "email_widget", "429", "invalid_tags", "tier0"]
)
def test_codes_of_our_own_are_labels(value: str) -> None:
    assert code(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "jo@example.com", "Jane", "where is my order", "ticket_4711002", "2b1c9f00d1", "a|b",
        "1234567", "x" * 49, "evt:richpanel:1:2", "\n", "order-77",
    ],
)  # fmt: skip
def test_ids_names_and_sentences_are_not(value: str) -> None:
    assert code(value) == "other"


def test_no_value_is_none() -> None:
    assert (code(None), code("")) == ("none", "none")
