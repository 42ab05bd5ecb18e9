from __future__ import annotations

from pipeline.stream.watchdog import PATIENCE, Sight, Watchdog

WAITING = Sight(reached=5, end=9, is_idle=True)


def test_records_that_wait_a_minute_with_nobody_at_work_are_a_stall() -> None:
    dog = Watchdog()
    assert dog.stalled({"p": WAITING}, 0.0) is None
    assert dog.stalled({"p": WAITING}, PATIENCE - 1) is None
    assert dog.stalled({"p": WAITING}, PATIENCE) == "p"


def test_progress_work_in_hand_and_an_empty_log_are_no_stall() -> None:
    for fine in (
        Sight(reached=6, end=9, is_idle=True),
        Sight(reached=5, end=9, is_idle=False),
        Sight(reached=5, end=5, is_idle=True),
    ):
        dog = Watchdog()
        dog.stalled({"p": WAITING}, 0.0)
        assert dog.stalled({"p": fine}, PATIENCE - 1) is None
        assert dog.stalled({"p": WAITING}, PATIENCE) is None


def test_a_partition_that_went_away_is_forgotten() -> None:
    dog = Watchdog()
    dog.stalled({"p": WAITING}, 0.0)
    dog.stalled({}, 10.0)
    assert dog.stalled({"p": WAITING}, PATIENCE) is None
