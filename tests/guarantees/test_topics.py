"""L18, L19, L20: topics that are not there yet, are missing, or have other partitions."""

from __future__ import annotations

import pytest

from pipeline.stream.guard import EXIT_CONFIG
from tests.guarantees.lab import Lab

pytestmark = pytest.mark.integration

BACKLOG = [f"e{number}" for number in range(10)]
SILENCE = 10.0
"""Seconds in which a stock worker does nothing; with its topics it needs three."""
NO_DECLARE = '{"topic_allow_declare": false}'


@pytest.mark.full
def test_l18_stock_loses_what_comes_before_its_changelog_is_known(lab: Lab) -> None:
    """At a first start Faust makes the changelog itself and may not see it in time.

    Here it is late for certain: the worker may not make it, and it comes after the events.
    """
    lab.make(lab.source, lab.out)
    lab.send(*BACKLOG)
    worker = lab.start("stock", "remember", SETTINGS=NO_DECLARE)
    lab.until("something is committed", lambda: lab.committed() > 0)
    assert lab.values() == []
    worker.kill()
    lab.make(lab.changelog)
    lab.start("stock", "remember", SETTINGS=NO_DECLARE)
    lab.sentinel()
    assert BACKLOG[0] not in lab.values()


@pytest.mark.full
def test_l19_stock_lives_on_with_a_changelog_of_other_partitions(lab: Lab) -> None:
    lab.make(lab.source, lab.out, partitions=4)
    lab.make(lab.changelog, partitions=2)
    for partition in range(4):
        lab.send(*BACKLOG, partition=partition)
    worker = lab.start("stock", "remember", PARTITIONS="4")
    lab.until("something is committed", lambda: any(lab.commits().values()))
    assert not lab.comes(lambda: bool(lab.values()), SILENCE)
    assert worker.is_alive
    assert "PartitionsMismatch" in worker.words


@pytest.mark.full
def test_l20_stock_lives_on_without_its_source(lab: Lab) -> None:
    lab.make(lab.out)
    worker = lab.start("stock", "forward", SETTINGS=NO_DECLARE)
    lab.until("it warns", lambda: f"Ignoring missing topic: '{lab.source}'" in worker.words)
    assert not lab.comes(lambda: not worker.is_alive, SILENCE)


@pytest.mark.parametrize(
    ("missing", "partitions", "said"),
    [
        ("changelog", 0, "is missing"),  # L18, L19
        ("changelog", 2, "has 2 partitions, not 4"),  # L19
        ("source", 0, "is missing"),  # L20
    ],
)
def test_l18_l19_l20_ours_refuses_to_start_and_says_what_is_wrong(
    lab: Lab, missing: str, partitions: int, said: str
) -> None:
    wrong = getattr(lab, missing)
    lab.make(*({lab.source, lab.out, lab.changelog} - {wrong}), partitions=4)
    if partitions:
        lab.make(wrong, partitions=partitions)
    if missing != "source":
        lab.send(*BACKLOG)
    worker = lab.start("durable", "dedup", PARTITIONS="4", INSTANCE="a")
    assert worker.wait() == EXIT_CONFIG
    assert f"{wrong} {said}" in worker.words
    if missing == "source":
        return
    assert lab.committed() == 0
    if not partitions:
        lab.make(wrong, partitions=4)
        lab.start("durable", "dedup", PARTITIONS="4", INSTANCE="a")
        lab.follows(*BACKLOG)


@pytest.mark.parametrize("commit_survives", [False, True])
def test_a_source_that_was_made_anew_is_read_from_its_beginning(
    lab: Lab, commit_survives: bool
) -> None:
    """By offsets its first records are done long ago.

    A broker that lost the log alone still has the commit; one that deletes a topic forgets it.
    """
    lab.make_all()
    worker = lab.start("durable", "forward")
    lab.send(*BACKLOG)
    lab.follows(*BACKLOG)
    lab.until("all of it is committed", lambda: lab.committed() == len(BACKLOG))
    if commit_survives:
        worker.terminate()
    lab.make_anew(lab.source)
    if commit_survives:
        lab.commit(len(BACKLOG))
        worker = lab.start("durable", "forward")
    lab.send("new-0", "new-1")
    lab.follows("new-0", "new-1")
    # A worker that lived on may have committed once more in between.
    assert not commit_survives or "all that it holds is read again" in worker.words
