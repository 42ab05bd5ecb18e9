"""What a topic that exists may be like, and what makes a process refuse to start."""

from __future__ import annotations

import pytest

from pipeline import topics
from pipeline.stream.admin import COPIES, MIN_INSYNC, PARTITIONS, UNCLEAN, Found, Misfit, misfits

PLAN = topics.plan(topics.RECEIVED, partitions=2, replication=3)
AS_PLANNED = {**PLAN.config, UNCLEAN: "false"}


def found(copies: tuple[int, ...] = (3, 3), **config: str) -> list[Misfit]:
    other = {name.replace("_", "."): value for name, value in config.items()}
    return misfits(PLAN, Found(copies, {**AS_PLANNED, **other}))


def test_a_topic_as_planned_fits() -> None:
    assert found() == []


def test_a_topic_that_is_not_there_is_missing() -> None:
    assert misfits(PLAN, None) == [Misfit(PLAN.name)]


@pytest.mark.parametrize("copies", [(1, 1), (3, 1)])
def test_a_trial_with_one_copy_does_not_become_production_by_a_setting_alone(
    copies: tuple[int, ...],
) -> None:
    (misfit,) = found(copies)
    assert misfit == Misfit(PLAN.name, COPIES, "1", "3")
    assert "has a partition with 1 of 3 copies" in str(misfit)


def test_an_acknowledgement_of_fewer_disks_than_planned_is_no_fit() -> None:
    assert found(min_insync_replicas="1") == [Misfit(PLAN.name, MIN_INSYNC, "1", "2")]


def test_more_copies_than_planned_are_fine() -> None:
    assert found((4, 3), min_insync_replicas="10") == []


def test_a_leader_without_what_was_acknowledged_may_not_be_elected() -> None:
    assert found(unclean_leader_election_enable="true") == [
        Misfit(PLAN.name, UNCLEAN, "true", "false")
    ]


def test_a_setting_that_the_broker_does_not_tell_is_not_judged() -> None:
    assert misfits(PLAN, Found((3, 3), PLAN.config)) == []


def test_everything_that_differs_is_told() -> None:
    settings = [misfit.setting for misfit in found((1,), cleanup_policy="compact")]
    assert settings == [PARTITIONS, COPIES, "cleanup.policy"]


def test_retention_and_sizes_are_the_operators_to_tune() -> None:
    assert found(retention_ms="1") == []
