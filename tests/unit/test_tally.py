from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.tally import Tally, bucket, bucket_value, quantile

SECONDS = st.floats(0.0002, 1000)


@given(SECONDS)
def test_a_bucket_is_within_one_per_cent(seconds: float) -> None:
    assert bucket_value(bucket(seconds)) == pytest.approx(seconds, rel=0.01)


@given(st.lists(SECONDS, min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99, 1.0]), st.integers(1, 7))  # fmt: skip
def test_quantiles_of_merged_histograms_are_within_one_per_cent_of_the_exact_ones(
    values: list[float], share: float, parts: int
) -> None:
    shards = [Tally() for _ in range(parts)]
    for n, value in enumerate(values):
        shards[n % parts].observe("latency", value)
    whole = Tally()
    for shard in shards:
        whole.add(shard)
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert quantile(whole.histograms["latency"], share) == pytest.approx(exact, rel=0.01)


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None


def test_adding_adds_counts_and_buckets_and_keeps_the_highest_level() -> None:
    left, right = Tally(), Tally()
    assert not left
    left.count("a")
    left.level("depth", 5)
    right.count("a", 2)
    right.level("depth", 3)
    right.level("age", -1)
    right.observe("s", 0.5, 4)
    left.add(right)
    assert left
    assert left.counts == {"a": 3}
    assert left.levels == {"depth": 5, "age": -1}
    assert left.histograms == {"s": {bucket(0.5): 4}}
