from __future__ import annotations

from io import StringIO

from rich.console import Console

from console.alerts import screen
from console.board import Now, unheard
from pipeline.alert_board import AlertBoard
from pipeline.domain.alerts import AlertState, Phase, Severity, described, shipped_rules
from pipeline.domain.notices import Delivery, Notice
from pipeline.stream.control import Update, View

RULE = next(rule for rule in shipped_rules() if rule.name == "dead_letters")


def test_an_alert_is_shown_with_its_title_its_day_its_value_and_the_runbooks_section() -> None:
    state = AlertState(
        rule=RULE.name, group="all", severity=Severity.SEV2, phase=Phase.FIRING,
        since=1_700_000_000.0, value=3.0, worst=4.0, incident="i1",
    )  # fmt: skip
    out = StringIO()
    Console(file=out, width=200).print(screen(Now([described(state, RULE)], None, [])))
    for each in (
        RULE.title,
        "2023-11-14 22:13:20",
        "UTC",
        "3",
        RULE.lever,
        "RUNBOOK.md#dead-letters",
    ):
        assert each in out.getvalue()


def test_a_sink_that_notices_do_not_reach_is_told_of() -> None:
    view = View()
    board = AlertBoard(view)
    for offset, (sink, tries) in enumerate(
        [("slack", 0), ("slack", 2), ("slack", 5), ("webhook", 0)]
    ):
        notice = Notice(
            id=f"n{offset}", kind="fired", severity="SEV2", rule=RULE.name, group="all",
            title=RULE.title, value=3.0, at=1.0, since=0.0, runbook="RUNBOOK.md#dead-letters",
            lever=RULE.lever,
        )  # fmt: skip
        delivery = Delivery(notice=notice, sink=sink, tries=tries, next_at=0.0)
        view.apply([Update(delivery.key, delivery.to_bytes(), offset, 0.0)])
    assert unheard(board) == ["2 notices do not reach slack, tried 5 times: see the log of observe"]
