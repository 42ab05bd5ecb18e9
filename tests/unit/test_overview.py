from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from console import alerts, board, lag
from console.board import Now
from console.overview import Facts, Level, Section, sections
from console.status import screen
from pipeline.alert_board import Judgement
from pipeline.domain.notices import GivenUp
from pipeline.domain.signals import KINDS


def process(name: str, **changes: Any) -> dict[str, Any]:
    usual = {"name": name, "is_live": True, "has_confirmed": True, "version": "1"}
    return {**usual, **changes}


def row(stage: str, state: str = "OK", cause: str = "none", **changes: Any) -> dict[str, Any]:
    usual = {
        "group": f"switchboard-{stage}", "topic": "switchboard.actions.requested.v1",
        "partition": 0, "state": state, "cause": cause, "committed": 5, "end": 5, "lag": 0,
        "age": 0.0, "owner": "someone",
    }  # fmt: skip
    return {**usual, **changes}


WELL = Facts(
    modes={"global": {"mode": "live", "by": "ann", "reason": "go"}},
    processes=[process(f"{kind}-0") for kind in KINDS],
    vendors=[
        {
            "vendor": "richpanel",
            "queued": None,
            "closed_for": 0,
            "until": "",
            "by": "",
            "reason": "",
        }
    ],
    lags=[row("act"), row("parking")],
    lag_source="observe-0",
    letters={"switchboard.tickets.received.v1.dlq": {"all": 0, "last_hour": 0}},
    alerts=[],
)


def found(**changes: Any) -> dict[str, Section]:
    return {section.title: section for section in sections(replace(WELL, **changes))}


def texts(section: Section) -> str:
    return "\n".join(line.text for line in section.lines)


def test_a_system_without_trouble_is_well_in_every_section() -> None:
    assert {section.level for section in sections(WELL)} == {Level.WELL}
    assert next(section.title for section in sections(WELL)) == "alerts"


def test_the_worst_section_comes_first() -> None:
    facts = replace(
        WELL,
        vendors=[{"vendor": "richpanel", "queued": 31, "closed_for": 30, "until": "14:32:10 UTC",
                  "by": "act-0", "reason": "http_429"}],
        lags=[row("act", "STOP", "dead", lag=9, age=70.0, owner=None), row("parking")],
    )  # fmt: skip
    titles = [section.title for section in sections(facts)]
    assert titles[:3] == ["oldest waiting", "lag", "vendors"]
    assert "closed until 14:32:10 UTC, 31 queued: http_429, by act-0" in texts(sections(facts)[2])
    assert "70 s for act" in texts(sections(facts)[0])
    assert "STOP act actions.requested: no worker: start python -m agents act" in texts(
        sections(facts)[1]
    )


def test_an_alert_is_as_bad_as_its_severity_and_names_its_lever() -> None:
    alert = {"alert": "vendor_throttled/richpanel", "severity": "SEV2", "incident": "20261124-1",
             "title": "A vendor answers 429", "lever": "./switchboard limits show", "worst": 0.25, "unit": "share",
             "since": 1_700_000_000.0, "runbook": "RUNBOOK.md#a-vendor-refuses-calls"}  # fmt: skip
    section = found(alerts=[alert])["alerts"]
    assert section.level is Level.LOOK
    assert texts(section) == (
        "SEV2 A vendor answers 429: richpanel: 25.0% since 2023-11-14 22:13:20 UTC "
        "(vendor_throttled, incident 20261124-1)\n"
        "./switchboard limits show  # RUNBOOK.md#a-vendor-refuses-calls"
    )
    worse = {**alert, "severity": "SEV1", "incident": None}
    assert found(alerts=[worse, alert])["alerts"].level is Level.BAD


def test_alerts_that_nobody_judges_are_no_calm() -> None:
    section = found(doubts=["not judged since 12:00"])["alerts"]
    assert (section.level, texts(section)) == (Level.LOOK, "not judged since 12:00")


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        (None, "nobody has judged the alerts: start python -m agents observe"),
        (Judgement(), "nobody has judged the alerts: start python -m agents observe"),
        (Judgement(at=1_700_000_000.0), "not judged since 2023-11-14 22:13:20+00:00: see the log of observe"),
        (Judgement(at=1_700_000_090.0, unknown=("mode_violated", "reply_sent_twice")),
         "not judged, what they ask cannot be found out: mode_violated, reply_sent_twice"),
    ],
)  # fmt: skip
def test_no_alert_is_a_calm_only_where_all_was_judged_a_moment_ago(
    judged: Judgement | None, says: str
) -> None:
    doubts = board.doubts(judged, now=1_700_000_100.0)
    out = StringIO()
    Console(file=out, width=200).print(alerts.screen(Now([], None, doubts)))
    assert (doubts, out.getvalue()) == ([says], f"{says}\n")


@pytest.mark.parametrize(
    ("at", "unknown", "before"),
    [
        (1_700_000_090.0, (), []),
        (1_700_000_090.0, ("dead_letters",),
         ["not judged, what they ask cannot be found out: dead_letters"]),
        (1_700_000_000.0, (), ["not judged since 2023-11-14 22:13:20+00:00: see the log of observe"]),
    ],
)  # fmt: skip
def test_what_a_sink_was_never_told_is_told_with_what_mends_it(
    at: float, unknown: tuple[str, ...], before: list[str]
) -> None:
    lost = GivenUp(sink="slack", notices=3, since=1_700_000_000.0, code="http_410")
    judged = Judgement(at=at, unknown=unknown, given_up=(lost,))
    says = (
        "3 notices to slack were given up since 2023-11-14 22:13:20+00:00 (http_410): "
        "mend SWITCHBOARD_ALERT_SLACK_URL and start observe again; "
        "what they told: ./switchboard alerts --all"
    )
    assert board.doubts(judged, now=1_700_000_100.0) == [*before, says]


def test_no_alert_fires_where_all_was_judged() -> None:
    assert board.doubts(Judgement(at=1_700_000_090.0), now=1_700_000_100.0) == []
    out = StringIO()
    Console(file=out, width=200).print(alerts.screen(Now([], None, [])))
    assert out.getvalue() == "no alert fires\n"


def test_what_nobody_told_is_said_and_is_never_well() -> None:
    missing = {"alerts": "no observe answers", "letters": "timed out"}
    sections_found = found(alerts=None, letters=None, lags=None, missing=missing)
    assert texts(sections_found["alerts"]) == "not known: no observe answers"
    assert texts(sections_found["lag"]) == "not known: nobody told"
    for title in ("alerts", "dead letters", "lag", "oldest waiting"):
        assert sections_found[title].level is Level.LOOK


def test_dead_letters_of_the_last_hour_are_to_be_looked_at_and_old_ones_are_told() -> None:
    old = {"a.dlq": {"all": 7, "last_hour": 0}}
    assert found(letters=old)["dead letters"].level is Level.WELL
    new = found(letters={**old, "b.dlq": {"all": 2, "last_hour": 1}})["dead letters"]
    assert new.level is Level.LOOK
    assert texts(new).startswith("b.dlq: 1 in the last hour, 2 kept")


def test_a_kind_of_process_that_nobody_hears_is_bad() -> None:
    silent = [process(f"{kind}-0", is_live=kind not in {"ingress", "parking"}) for kind in KINDS]
    section = found(processes=silent)["processes"]
    assert section.level is Level.BAD
    assert [line.text for line in section.lines if line.level is Level.BAD] == [
        "no ingress gives a sign of life: start python -m ingress",
        "no parking gives a sign of life: start python -m agents parking",
    ]


def test_a_process_that_has_not_confirmed_is_bad_and_two_versions_are_told() -> None:
    processes = [*WELL.processes, process("act-1", has_confirmed=False, version="2")]
    section = found(processes=processes)["processes"]
    assert "act-1 has not confirmed the last change" in texts(section)
    assert "several versions run: 1, 2" in texts(section)


def test_the_mode_stop_or_one_that_an_alert_has_lowered_is_to_be_looked_at() -> None:
    stopped = {"global": {"mode": "stop", "by": "ann", "reason": "wrong template"}}
    section = found(modes=stopped)["mode"]
    assert (section.level, texts(section)) == (Level.LOOK, "global stop, by ann: wrong template")
    lowered = {"global": {"mode": "route_only", "by": "alerts", "reason": "alert reply_sent_twice"}}
    assert found(modes=lowered)["mode"].level is Level.LOOK


def test_the_screen_says_how_it_stands_before_anything_else() -> None:
    out = StringIO()
    Console(file=out, width=100).print(screen(sections(replace(WELL, alerts=None)), at=0.0))
    assert "look at this" in out.getvalue().splitlines()[0]
    assert "1970-01-01 00:00:00 UTC" in out.getvalue()


def test_what_to_do_about_lag_is_told_in_the_order_of_its_rows() -> None:
    rows = [
        row("act", "STOP", "dead", lag=9, age=70.0, read=None, trend=0.0, is_complete=True),
        row("dedup", "WARN", "slow", lag=5, age=31.0, read=5, trend=3.21, is_complete=True),
    ]
    out = StringIO()
    Console(file=out, width=100).print(lag.screen(lag.Seen("observe-0", rows)))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [
        "state",
        "STOP",
        "WARN",
        "act:",
        "dedup:",
        "from",
    ]
    assert lines[2].rstrip().endswith("31 s  +3.2/s")
