from __future__ import annotations

import pytest
import typer

from console.bulk import agreed, meant, moment


@pytest.mark.parametrize(
    ("since", "at"),
    [
        ("90s", 910.0),
        ("15m", 100.0),
        ("1970-01-01T00:10", 600.0),
        ("1970-01-01T01:00+01:00", 0.0),
    ],
)
def test_a_span_counts_from_now_and_a_time_is_utc_unless_it_says_otherwise(
    since: str, at: float
) -> None:
    assert moment(since, now=1000.0) == at


@pytest.mark.parametrize("since", ["", "yesterday", "15", "m", "-5m"])
def test_what_is_no_time_is_refused(since: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time"):
        moment(since)


@pytest.mark.parametrize(
    ("item", "since", "narrow", "everything", "words"),
    [
        (None, None, False, False, "name an id"),
        (None, None, True, False, "name an id"),
        (None, "1h", False, False, "say --all"),
        ("a1", "1h", False, False, "not both"),
        ("a1", None, True, False, "not both"),
        ("a1", None, False, True, "not both"),
    ],
)
def test_a_command_that_does_not_say_what_it_means_is_refused(
    item: str | None, since: str | None, words: str, *, narrow: bool, everything: bool
) -> None:
    with pytest.raises(typer.BadParameter, match=words):
        meant(item, since, narrow=narrow, everything=everything)


@pytest.mark.parametrize(
    ("item", "since", "narrow", "everything"),
    [("a1", None, False, False), (None, "1h", True, False), (None, "1h", False, True)],
)
def test_an_id_or_a_filter_with_a_time_is_enough(
    item: str | None, since: str | None, *, narrow: bool, everything: bool
) -> None:
    meant(item, since, narrow=narrow, everything=everything)


def test_nothing_happens_in_a_dry_run_or_where_nothing_is_meant() -> None:
    assert not agreed(5, "Release", dry_run=True, yes=True, output="json")
    assert not agreed(0, "Release", dry_run=False, yes=True, output="json")


def test_json_never_asks() -> None:
    assert agreed(5, "Release", dry_run=False, yes=True, output="json")
    with pytest.raises(typer.BadParameter, match="add --yes"):
        agreed(5, "Release", dry_run=False, yes=False, output="json")


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_asked_with_the_count(answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(words: str, *, abort: bool) -> bool:
        asked.append(words)
        if abort and not answer:
            raise typer.Abort
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    if answer:
        assert agreed(5, "Release", dry_run=False, yes=False, output="table")
    else:
        with pytest.raises(typer.Abort):
            agreed(5, "Release", dry_run=False, yes=False, output="table")
    assert asked == ["Release 5?"]
