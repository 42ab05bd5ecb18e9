from __future__ import annotations

from pipeline.domain.alerts import AlertState, Phase, Severity
from pipeline.domain.incidents import (
    Entry,
    Incident,
    Kind,
    Line,
    entries_for_firing,
    fold,
    incident_id,
    markdown,
    timeline,
)

AT = 1_700_000_000.0


def alert(rule: str = "throttled", severity: Severity = Severity.SEV2) -> AlertState:
    return AlertState(
        rule=rule,
        group="all",
        severity=severity,
        phase=Phase.FIRING,
        since=AT,
        value=0.5,
        worst=0.5,
    )


def entry(kind: Kind, at: float = AT, by: str = "ann", **fields: object) -> Entry:
    return Entry.model_validate(
        {"incident": "i1", "kind": kind, "at": at, "by": by, **fields}
    )  # fmt: skip


def of(*entries: Entry) -> dict[str, Incident]:
    return fold(entries)


def test_an_alert_opens_an_incident_named_after_its_second() -> None:
    opened, fired = entries_for_firing(alert(), "A vendor answers 429", {}, at=AT)
    assert opened.incident == fired.incident == incident_id(AT) == "20231114-221320"
    incident = of(opened, fired)[opened.incident]
    assert (incident.state, incident.title) == ("open", "A vendor answers 429")
    assert incident.open_alerts == {"throttled/all"}


def test_what_breaks_together_is_one_incident_and_the_worst_names_it() -> None:
    first = entries_for_firing(alert(), "429", {}, at=AT)
    (joined,) = entries_for_firing(alert("lost", Severity.SEV1), "lost", fold(first), at=AT + 5)
    assert joined.incident == first[0].incident
    whole = fold([*first, joined])[joined.incident]
    assert whole.severity is Severity.SEV1
    assert whole.open_alerts == {"throttled/all", "lost/all"}


def test_an_alert_that_fires_again_comes_back_to_its_own_incident_until_that_is_closed() -> None:
    first = entries_for_firing(alert(), "429", {}, at=AT)
    id_ = first[0].incident
    ended = Entry(
        incident=id_, kind=Kind.ALERT_CLOSED, at=AT + 9, by="alerts", alert="throttled/all"
    )
    quiet = fold([*first, ended])
    assert quiet[id_].open_alerts == frozenset()
    assert len(entries_for_firing(alert(), "429", quiet, at=AT + 20)) == 1
    # Another one that fires while this is quiet is another story.
    assert len(entries_for_firing(alert("other"), "o", quiet, at=AT + 20)) == 2
    closed = fold([*first, ended, Entry(incident=id_, kind=Kind.CLOSED, at=AT + 15, by="ann")])
    assert closed[id_].state == "closed"
    again = entries_for_firing(alert(), "429", closed, at=AT)
    assert again[0].incident == f"{id_}-2"


def test_people_open_acknowledge_and_close() -> None:
    opened = entry(Kind.OPENED, severity="SEV1", text="customers complain")
    incident = of(opened)["i1"]
    assert (incident.state, incident.severity, incident.opened_by) == ("open", "SEV1", "ann")
    acked = of(opened, entry(Kind.ACKNOWLEDGED, AT + 1, "bob"))["i1"]
    assert (acked.state, acked.acknowledged_by) == ("acknowledged", "bob")
    closed = of(entry(Kind.CLOSED, AT + 2), opened)["i1"]
    assert (closed.state, closed.closed_at) == ("closed", AT + 2)
    # Without its first entry it is still an incident, of the least severity.
    lone = of(entry(Kind.NOTED, text="hm"))["i1"]
    assert (lone.severity, lone.state) == (Severity.SEV2, "open")
    assert of(entry(Kind.ALERT_FIRED))["i1"].open_alerts == frozenset()
    assert opened.key == entry(Kind.OPENED, severity="SEV1", text="other words").key


def test_an_acknowledgement_ends_when_all_was_quiet_and_something_fires_again() -> None:
    def fired(at: float, alert: str) -> Entry:
        return entry(Kind.ALERT_FIRED, AT + at, "alerts", severity="SEV1", alert=alert)

    def over(at: float, alert: str) -> Entry:
        return entry(Kind.ALERT_CLOSED, AT + at, "alerts", alert=alert)

    story = [entry(Kind.OPENED), fired(0, "a/all"), entry(Kind.ACKNOWLEDGED, AT + 5, "bob")]
    assert of(*story)["i1"].is_attended
    # What joins while it lasts is looked at with it.
    story += [fired(10, "b/all"), over(20, "a/all"), over(21, "b/all")]
    assert of(*story)["i1"].acknowledged_by == "bob"
    story.append(fired(1_000_000, "a/all"))
    again = of(*story)["i1"]
    assert (again.state, again.acknowledged_by, again.is_attended) == ("open", None, False)
    story.append(entry(Kind.ACKNOWLEDGED, AT + 1_000_010, "eve"))
    assert of(*story)["i1"].acknowledged_by == "eve"
    assert of(*story[:-1], entry(Kind.CLOSED, AT + 1_000_011))["i1"].is_attended


def test_an_acknowledgement_ends_when_something_worse_joins_than_all_that_was_taken_on() -> None:
    def fired(at: float, alert: str, severity: str) -> Entry:
        return entry(Kind.ALERT_FIRED, AT + at, "alerts", severity=severity, alert=alert)

    story = [entry(Kind.OPENED, severity="SEV2"), fired(1, "slow/all", "SEV2")]
    story += [entry(Kind.ACKNOWLEDGED, AT + 5, "bob"), fired(10, "slower/all", "SEV2")]
    assert of(*story)["i1"].is_attended
    story.append(fired(20, "lost/all", "SEV1"))
    incident = of(*story)["i1"]
    assert (incident.severity, incident.acknowledged_by) == (Severity.SEV1, None)
    # Who has it now has it as it is: another one that is as bad changes nothing, a worse one does.
    story += [entry(Kind.ACKNOWLEDGED, AT + 30, "eve"), fired(40, "late/all", "SEV1")]
    assert of(*story)["i1"].acknowledged_by == "eve"
    assert not of(*story, fired(50, "double/all", "SEV0"))["i1"].is_attended


def test_the_export_tells_the_story_in_order_and_breaks_no_table() -> None:
    opened = entry(Kind.OPENED, text="429")
    fired = entry(Kind.ALERT_FIRED, AT + 1, "alerts", severity="SEV2", alert="throttled/all")
    incident = of(fired, opened)["i1"]
    lines = timeline(incident, [Line(AT + 0.5, "bob", "mode set to stop | now\nreason: x")])
    text = markdown(incident, lines, [("vendor_429_rate", "share", "0.5")])
    rows = [line for line in text.splitlines() if line.startswith("| 2023")]
    assert [row.split("|")[2].strip() for row in rows] == ["ann", "bob", "alerts"]
    assert "mode set to stop \\| now reason: x" in rows[1]
    assert "alert fired SEV2 `throttled/all`" in rows[2]
    assert "| `vendor_429_rate` | 0.5 | share |" in text
    assert "still open" in text
    closed = of(opened, entry(Kind.CLOSED, AT + 60))["i1"]
    text = markdown(closed, timeline(closed), [])
    assert "- Closed: 2023-11-14 22:14:20" in text
    assert "## Metrics" not in text
