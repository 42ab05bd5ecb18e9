"""L1, L2: an event is known by the place of the record that won, not by presence."""

from __future__ import annotations

import signal

import pytest

from tests.guarantees.lab import Lab

pytestmark = pytest.mark.integration


@pytest.mark.full
@pytest.mark.parametrize("store", ["memory://", "rocksdb://"])
def test_l1_stock_drops_the_original_after_kill_9_behind_its_mark(lab: Lab, store: str) -> None:
    lab.make_all()
    settings = f'{{"store": "{store}"}}'
    lab.hold("marked-e0")
    worker = lab.start("stock", "dedup", SETTINGS=settings)
    lab.send("e0")
    lab.await_step("marked-e0")
    lab.until("the mark is durable", lambda: bool(lab.rows()))
    worker.kill()
    lab.release("marked-e0")
    lab.start("stock", "dedup", SETTINGS=settings)
    lab.sentinel()
    assert "e0" not in lab.values()
    lab.until("the original is committed", lambda: lab.committed() > 0)


@pytest.mark.full
def test_l2_stock_drops_the_original_when_its_local_store_is_ahead(lab: Lab) -> None:
    lab.make_all()
    settings = '{"store": "rocksdb://"}'
    lab.die_at("put-e0")
    worker = lab.start("stock", "dedup", SETTINGS=settings)
    lab.send("e0")
    assert worker.wait() == -signal.SIGKILL
    assert lab.rows() == {}
    lab.start("stock", "dedup", SETTINGS=settings)
    lab.sentinel()
    assert "e0" not in lab.values()


@pytest.mark.parametrize("step", [pytest.param("begun", marks=pytest.mark.full), "marked", "acked"])
def test_l1_l2_ours_passes_the_original_again_and_no_duplicate(lab: Lab, step: str) -> None:
    lab.make_all()
    lab.die_at(step)
    worker = lab.start("durable", "dedup", INSTANCE="a")
    lab.send("e0")
    assert worker.wait() == -signal.SIGKILL
    assert lab.committed() == 0
    assert len(lab.rows()) == (step != "begun")
    lab.start("durable", "dedup", INSTANCE="a")
    passes = 1 + (step == "acked")
    lab.until("the original passes", lambda: lab.values().count("e0") == passes)
    lab.send("e0", "e1")
    lab.follows("e1")
    assert lab.values().count("e0") == passes
    lab.until("everything is committed", lambda: lab.committed() == 3)
