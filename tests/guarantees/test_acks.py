"""L4 to L8 and L10: what may be committed when work is slow, broken, failing or in flight."""

from __future__ import annotations

import signal

import pytest

from pipeline.stream.guard import EXIT_CRASH
from tests.guarantees.lab import Lab
from tests.guarantees.quota import limit_producer

pytestmark = pytest.mark.integration


def as_json(ident: str) -> str:
    return f'{{"id": "{ident}"}}'


@pytest.mark.full
def test_l4_stock_with_concurrency_commits_past_the_slow_event(lab: Lab) -> None:
    lab.make_all()
    lab.hold("in-e0")
    worker = lab.start("stock", "concurrent")
    lab.send("e0", "e1", "e2")
    lab.until("all three are committed", lambda: lab.committed() == 3)
    assert "e0" not in lab.values()
    worker.kill()
    lab.release("in-e0")
    lab.start("stock", "concurrent")
    lab.sentinel()
    assert "e0" not in lab.values()


def test_l4_ours_commits_nothing_above_the_slow_event(lab: Lab) -> None:
    lab.make_all(partitions=2)
    lab.hold("in-e0")
    worker = lab.start("durable", "forward", INSTANCE="a", PARTITIONS="2")
    lab.send("e0", key="slow")
    lab.send("e1", "e2", key="fast")
    lab.follows("e1", "e2")
    # One commit goes for every partition: when the other one's is seen, this one's was due too.
    lab.send("other", partition=1)
    lab.until("a commit is made", lambda: lab.committed(1) == 1)
    assert lab.committed() == 0
    worker.kill()
    lab.release("in-e0")
    lab.start("durable", "forward", INSTANCE="a", PARTITIONS="2")
    lab.follows("e0")
    lab.until("everything is committed", lambda: lab.committed() == 3)


@pytest.mark.full
def test_l5_stock_commits_past_the_slow_event_when_the_next_is_malformed(lab: Lab) -> None:
    lab.make_all()
    lab.hold("in-e0")
    worker = lab.start("stock", "parse")
    lab.send(as_json("e0"), "{malformed")
    lab.until("both are committed", lambda: lab.committed() == 2)
    assert lab.values() == []
    worker.kill()
    lab.release("in-e0")
    lab.start("stock", "parse")
    lab.sentinel(value=as_json)
    assert "e0" not in lab.values()


def test_l5_ours_keeps_the_slow_event_and_the_malformed_one(lab: Lab) -> None:
    lab.make_all(partitions=2)
    letters = f"{lab.source}.dlq"
    lab.make(letters, partitions=2)
    lab.hold("in-e0")
    worker = lab.start("durable", "parse", INSTANCE="a", PARTITIONS="2")
    lab.send(as_json("e0"), key="slow")
    lab.send("{malformed", key="fast")
    lab.until("the malformed one is kept", lambda: lab.values(letters) == ["{malformed"])
    lab.send(as_json("other"), partition=1)
    lab.until("a commit is made", lambda: lab.committed(1) == 1)
    assert lab.committed() == 0
    worker.kill()
    lab.release("in-e0")
    lab.start("durable", "parse", INSTANCE="a", PARTITIONS="2")
    lab.follows("e0")
    lab.until("everything is committed", lambda: lab.committed() == 2)


@pytest.mark.full
def test_l6_stock_never_sees_the_event_again_that_raised_once(lab: Lab) -> None:
    lab.make_all()
    lab.fail_at("in-e0")
    lab.start("stock", "forward")
    lab.send("e0")
    lab.sentinel()
    assert "e0" not in lab.values()
    lab.until("it is committed", lambda: lab.committed() > 1)


def test_l6_ours_ends_the_process_and_does_the_event_again(lab: Lab) -> None:
    lab.make_all()
    lab.fail_at("in-e0")
    worker = lab.start("durable", "forward", INSTANCE="a")
    lab.send("e0", "e1")
    assert worker.wait() == EXIT_CRASH
    assert lab.committed() == 0
    lab.start("durable", "forward", INSTANCE="a")
    lab.follows("e0", "e1")
    assert lab.values() == ["e0", "e1"]


@pytest.mark.full
@pytest.mark.parametrize(("waits", "is_lost"), [("false", True), ("true", False)])
def test_l7_stock_loses_the_event_in_flight_at_sigterm_unless_told_to_wait(
    lab: Lab, waits: str, is_lost: bool
) -> None:
    lab.make_all()
    lab.hold("in-e0")
    settings = f'{{"stream_wait_empty": {waits}}}'
    worker = lab.start("stock", "forward", SETTINGS=settings)
    lab.send("e0")
    lab.await_step("in-e0")
    worker.signal(signal.SIGTERM)
    if not is_lost:
        lab.release("in-e0")
    worker.wait()
    lab.release("in-e0")
    lab.start("stock", "forward", SETTINGS=settings)
    lab.sentinel()
    assert ("e0" not in lab.values()) is is_lost


@pytest.mark.parametrize("ends_first", [True, pytest.param(False, marks=pytest.mark.full)])
def test_l7_ours_loses_nothing_in_flight_at_sigterm(lab: Lab, ends_first: bool) -> None:
    lab.make_all()
    lab.hold("in-e0")
    worker = lab.start("durable", "forward", INSTANCE="a")
    lab.send("e0", "e1")
    lab.await_step("in-e0")
    worker.signal(signal.SIGTERM)
    if ends_first:
        lab.release("in-e0")
    assert worker.wait() == 0
    assert lab.committed() == len(lab.values())
    lab.release("in-e0")
    lab.start("durable", "forward", INSTANCE="a")
    lab.follows("e0", "e1")
    assert lab.values() == ["e0", "e1"]


@pytest.mark.full
def test_l8_stock_commits_events_whose_table_writes_are_not_durable(lab: Lab) -> None:
    """The broker holds its producer to 100 bytes a second; its commits go over another connection."""
    lab.make_all()
    limit_producer(lab.bootstrap, "slow", 100.0)
    settings = '{"broker_client_id": "slow", "producer_max_batch_size": 1024}'
    worker = lab.start("stock", "put", SETTINGS=settings)
    lab.send(*(f"e{number}" for number in range(500)))
    lab.until("a commit is ahead of the rows", lambda: lab.committed() > len(lab.rows()))
    worker.kill()
    committed, durable = lab.committed(), len(lab.rows())
    print(f"committed {committed}, durable {durable}")
    assert durable < committed


def test_l8_ours_commits_only_what_is_durable(lab: Lab) -> None:
    lab.make_all()
    worker = lab.start("durable", "dedup", INSTANCE="a", LINGER="0.5")
    lab.send(*(f"e{number}" for number in range(500)))
    lab.until("something is committed", lambda: lab.committed() > 0)
    worker.kill()
    committed = lab.committed()
    wanted = {f"e{number}" for number in range(committed)}
    assert wanted <= set(lab.rows())
    assert wanted <= set(lab.values())


@pytest.mark.full
def test_l10_stock_acks_a_batch_whose_table_write_raised(lab: Lab) -> None:
    lab.make_all()
    worker = lab.start("stock", "take")
    lab.send(*(f"e{number}" for number in range(10)))
    lab.until("the batch is committed", lambda: lab.committed() == 10)
    assert lab.values() == []
    assert lab.rows() == {}
    assert worker.is_alive
    assert "TypeError" in worker.words


def test_l10_ours_writes_the_table_for_a_whole_batch(lab: Lab) -> None:
    lab.make_all()
    wanted = [f"e{number}" for number in range(10)]
    lab.send(*wanted)
    lab.start("durable", "dedup", INSTANCE="a")
    lab.follows(*wanted)
    assert lab.values() == wanted
    assert set(lab.rows()) == set(wanted)
    lab.until("everything is committed", lambda: lab.committed() == 10)
