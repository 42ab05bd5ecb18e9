from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from console import metrics as command
from console.audit_windows import Folded, fold_run
from console.charts import curves, draw, show
from console.cli import app
from console.metrics import MetricsError
from pipeline.domain.events import Audit, Outcome
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.query import answer, ask, query, told
from pipeline.domain.windows import Window


def found(metric: str, *by: str, step: int | None = 10) -> dict[str, Any]:
    windows = [Window(start=start) for start in (0, 10, 20)]
    for number, window in enumerate(windows):
        window.count(CATALOGUE["received"].series("accepted"), 3 + number)
        window.count(CATALOGUE["received"].series("duplicated"), 1)
    windows[1].observe(CATALOGUE["stage_duration_seconds"].series("act"), 0.5, 7)
    question = ask(metric, 0, 30, step=step, by=by)
    return told(question, answer(windows, question), ())


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["metrics", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_tells_every_metric_with_its_unit() -> None:
    rows = {row["metric"]: row for row in json.loads(run("list", "-o", "json"))}
    assert set(rows) == set(CATALOGUE)
    assert rows["queue_oldest_age_seconds"]["unit"] == "seconds"
    assert {row["metric"] for row in csv.DictReader(io.StringIO(run("list", "-o", "csv")))} == set(
        rows
    )
    assert "vendor_429_rate" in run("list")


def test_an_answer_is_a_table_csv_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_asked", lambda _: found("received", "outcome"))
    assert json.loads(run("received", "-o", "json"))["lines"][0]["labels"] == {
        "outcome": "accepted"
    }
    rows = list(csv.DictReader(io.StringIO(run("received", "-o", "csv"))))
    assert [row["value"] for row in rows if row["outcome"] == "accepted"] == ["3", "4", "5"]
    assert rows[1]["from"] == "1970-01-01T00:00:10Z"
    assert "duplicated" in run("received")
    monkeypatch.setattr(command, "_asked", lambda _: found("stage_duration_seconds"))
    assert (
        list(csv.DictReader(io.StringIO(run("stage_duration_seconds", "-o", "csv"))))[1]["count"]
        == "7"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recieve",), "there are: actions"),  # codespell:ignore recieve
        (("received", "--by", "vendor"), "it has: outcome"),
        (("received", "--step", "7s"), "there are: 10, 60"),
        (("received", "--since", "7d", "--step", "10s"), "take a step of 900 s"),
        (("received", "--since", "1h", "--until", "2h"), "from before to"),
    ],
)
def test_what_cannot_be_asked_says_what_can(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(MetricsError, match=says):
        run(*arguments)


def test_a_chart_has_a_curve_for_each_line_and_quantile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [name for name, _, _ in curves(found("received", "outcome"))] == [
        "accepted",
        "duplicated",
    ]
    names = [name for name, _, _ in curves(found("stage_duration_seconds", "stage"))]
    assert names == ["act p50", "act p95", "act p99"]
    draw(found("stage_duration_seconds", "stage"), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    show(found("received", "outcome"))
    assert "accepted" in capsys.readouterr().out


def test_windows_made_anew_are_those_of_the_fold() -> None:
    audit = Audit(
        stage="act", what="ended", ingress_id="i", outcome=Outcome.ACTED, at=1.0
    ).to_bytes()
    folded: Folded = {}
    run_of_records = [
        (0, 0, 5.0, audit), (0, 1, 9.9, audit), (1, 0, 9.0, audit), (0, 2, 10.0, audit),
        (0, 3, 30.0, audit), (1, 1, 5.0, b"nonsense"),
    ]  # fmt: skip
    fold_run(folded, run_of_records, 0, 30)
    (line,) = query(folded.values(), "outcomes", 0, 30, step=10)
    assert [point.count for point in line.points] == [3, 1, 0]


def test_a_worker_that_does_not_answer_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "http://odd": httpx.Response(502, text="<html>"),
        "http://well": httpx.Response(200, json=found("received", step=None)),
        "http://picky": httpx.Response(400, json={"error": "no"}),
    }

    def get(url: str, **_: object) -> httpx.Response:
        try:
            return answers[url.removesuffix("/windows")]
        except KeyError:
            raise httpx.ConnectError("refused") from None

    monkeypatch.setattr(httpx, "get", get)

    def asked_of(*urls: str) -> str:
        monkeypatch.setattr(command, "with_operator", lambda _: urls)
        return run("received", "-o", "json")

    assert json.loads(asked_of("http://gone", "http://odd", "http://well"))["complete"]
    with pytest.raises(MetricsError, match=r"^no$"):
        asked_of("http://gone", "http://picky", "http://well")
    with pytest.raises(MetricsError, match=r"no observe worker answers: http://gone \(Conn"):
        asked_of("http://gone", "http://odd")
    with pytest.raises(MetricsError, match="python -m agents observe"):
        asked_of()
