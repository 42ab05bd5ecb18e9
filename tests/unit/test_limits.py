from __future__ import annotations

import math

import pytest
import typer

from console.limits import gate_in_words, gate_of, until_moment
from pipeline.domain.control_records import GateRecord

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("until", "at"),
    [("+90s", NOW + 90), ("+2h", NOW + 7200), ("2023-11-15T00:00", 1_700_006_400.0)],
)
def test_a_gate_is_closed_until_a_time_or_for_a_span(until: str, at: float) -> None:
    assert until_moment(until, "openai", now=NOW) == at


@pytest.mark.parametrize("until", ["2023-01-01T00:00", "10m", "soon", "+soon"])
def test_a_time_that_has_passed_or_is_none_is_refused(until: str) -> None:
    with pytest.raises(typer.BadParameter):
        until_moment(until, "openai", now=NOW)


def test_a_span_without_its_plus_is_told_how_it_is_written() -> None:
    with pytest.raises(typer.BadParameter, match=r"\+10m"):
        until_moment("10m", "openai", now=NOW)


def test_a_time_that_has_passed_is_told_what_opens_that_gate() -> None:
    with pytest.raises(typer.BadParameter, match=r"\./switchboard limits reset shopify --reason '"):
        until_moment("2023-01-01T00:00", "shopify", now=NOW)


def test_a_closing_that_cannot_be_read_is_told_what_opens_that_gate() -> None:
    unreadable = gate_of(GateRecord(closed_until=math.inf, by="unknown", reason="x"), now=NOW)
    said = gate_in_words({"vendor": "shopify", **unreadable})
    assert said.startswith("closed: its record cannot be read")
    assert "./switchboard limits reset shopify --reason '" in said
