from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from console.eval import eval_command
from pipeline.domain.evaluation import Judged, evaluate
from pipeline.domain.taxonomy import Intent


def test_precision_is_of_what_was_decided_and_teams_may_be_right_where_intents_are_not() -> None:
    figures = evaluate(
        [
            Judged(Intent.REFUND_REQUEST, Intent.REFUND_REQUEST),
            Judged(Intent.REFUND_REQUEST, Intent.RETURN_REQUEST),
            Judged(Intent.REFUND_REQUEST, Intent.BILLING_ISSUE),
            Judged(Intent.REFUND_REQUEST, None),
        ]
    )
    assert figures["rows"] == 4
    assert figures["team"] == {"precision": 2 / 3, "share_decided": 0.75}
    assert figures["intent"] == {"precision": 1 / 3, "share_decided": 0.75}
    assert figures["per_intent"]["refund_request"]["recall"] == 0.25
    assert figures["per_intent"]["billing_issue"]["recall"] is None
    assert figures["team_confusion"] == [
        {"team": "Returns Admin", "decided": "Email Support Team", "count": 1}
    ]


def test_nothing_decided_has_no_precision() -> None:
    assert evaluate([])["team"] == {"precision": None, "share_decided": 0.0}


ROWS = """text,intent,more
Where is my package?,order_status_tracking,x
I want my money back,cancel_order,x
hello,unknown_other,x
"""


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.command()(eval_command)
    answer = CliRunner().invoke(app, list(arguments))
    return answer.exit_code, answer.stdout, answer.stderr


def test_the_command_scores_a_file_as_json(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS, encoding="utf-8-sig")
    code, out, _ = run(str(file), "-o", "json")
    figures = json.loads(out)
    assert code == 0
    assert figures["rows"] == 3
    assert figures["team"]["precision"] == 0.5
    assert figures["intent"]["share_decided"] == pytest.approx(2 / 3)


def test_the_command_prints_tables(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    code, out, _ = run(str(file), "--with", "rules")
    assert code == 0
    assert "order_status_tracking" in out
    assert "Wrong teams" in out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: FileNotFoundError"),
        ("", "has no rows"),
        ("text,intent\n", "has no rows"),
        ("text,label\nhello,refund_request\n", "has no column intent"),
        ("text,intent\nhello,refunds\n", "row 1: 'refunds' is no intent"),
        ("text,intent\nhello\n", "row 1: this is no intent"),
        ("text,intent\n" + "a" * 200_000 + ",unknown_other\n", "cannot be read: Error"),
        ("text,intent\n\udcff,unknown_other\n", "cannot be read: UnicodeDecodeError"),
    ],
)
def test_a_file_that_cannot_be_scored_is_one_clear_line(
    tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "rows.csv"
    if content is not None:
        file.write_bytes(content.encode(errors="surrogateescape"))
    code, out, err = run(str(file))
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_a_customers_words_in_the_label_column_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("intent,text\nMy name is Dana Lovelace,refund_request\n")
    assert "Dana" not in run(str(file))[2]


def test_a_model_that_answers_nothing_is_an_error_and_not_a_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
        monkeypatch.setenv(
            "SWITCHBOARD_OPENAI_BASE_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        )
        monkeypatch.setenv("SWITCHBOARD_OPENAI_API_KEY", "made-up")
        file = tmp_path / "rows.csv"
        file.write_text("text,intent\nhello,unknown_other\n")
        code, out, err = run(str(file), "--with", "model")
    assert (code, out) == (2, "")
    assert "no answer to 1 of 1 messages: " in err
