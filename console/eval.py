"""`./switchboard eval`: a classifier against labelled messages."""

from __future__ import annotations

import asyncio
import csv
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.table import Table

from pipeline.domain.evaluation import Judged, evaluate
from pipeline.domain.taxonomy import Intent
from pipeline.ports import VendorError
from pipeline.settings import SettingsError, load_settings

CONCURRENCY = 8
_LABEL = re.compile(r"\w{1,40}")


class EvalError(Exception):
    """Nothing can be measured; the text says what is wrong with the file or the model."""


def read_rows(file: Path) -> list[tuple[str, Intent]]:
    """(text, label) of every row.

    Raises:
        EvalError: no such file, not a CSV, a column is missing, an unknown label, or no rows.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            rows = list(csv.DictReader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvalError(f"{file} cannot be read: {error.__class__.__name__}") from None
    if not rows:
        raise EvalError(f"{file} has no rows: it needs the columns text and intent")
    missing = {"text", "intent"} - set(rows[0])
    if missing:
        raise EvalError(f"{file} has no column {' and '.join(sorted(missing))}")
    return [
        (row["text"] or "", _label(row["intent"], f"{file} row {number}"))
        for number, row in enumerate(rows, 1)
    ]


def _label(label: str | None, place: str) -> Intent:
    if label in set(Intent):
        return Intent(label)
    # A shifted column puts a customer's words here, and those are not shown.
    shown = repr(label) if label and _LABEL.fullmatch(label) else "this"
    raise EvalError(f"{place}: {shown} is no intent of the taxonomy")


def eval_command(
    file: Annotated[Path, typer.Argument(help="CSV with the columns text and intent.")],
    with_: Annotated[
        Literal["rules", "model"], typer.Option("--with", help="What decides.")
    ] = "rules",
    output: Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")] = (
        "table"
    ),
) -> None:
    """Measure routing on labelled messages: precision of what is decided, share decided."""
    try:
        rows = read_rows(file)
        texts = [text for text, _ in rows]
        decided = by_rules(texts) if with_ == "rules" else asyncio.run(by_model(texts))
    except (EvalError, SettingsError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    judged = [Judged(truth, intent) for (_, truth), intent in zip(rows, decided, strict=True)]
    figures = evaluate(judged)
    if output == "json":
        typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    else:
        show(figures)


def by_rules(texts: list[str]) -> list[Intent | None]:
    """What the keyword rules say of each text; None where they are not sure."""
    # Half the time that any command takes to start, and `panic` needs neither of these two.
    from pipeline.domain.keywords import classify_by_keywords

    verdicts = map(classify_by_keywords, texts)
    return [None if verdict is None else verdict.intent for verdict in verdicts]


async def by_model(texts: list[str]) -> list[Intent | None]:
    """What the configured model says of each text; None where it failed or was not sure.

    How often it failed, and with which code, goes to stderr: a failure is no judgement.

    Raises:
        SettingsError: no model is configured.
        EvalError: it answered nothing at all.
    """
    from pipeline.clients.openai_classifier import OpenAIClassifier

    settings = load_settings()
    if not (settings.openai_api_key.get_secret_value() or settings.openai_base_url):
        raise SettingsError("no model: set SWITCHBOARD_OPENAI_API_KEY, or use --with rules")
    classifier = OpenAIClassifier.from_settings(settings)
    turn = asyncio.Semaphore(CONCURRENCY)
    failures: Counter[str] = Counter()

    async def one(text: str) -> Intent | None:
        async with turn:
            try:
                answer = await classifier.classify(text, channel="email")
            except VendorError as error:
                failures[error.code] += 1
                return None
        return None if answer.confidence == "low" else Intent(answer.intent)

    try:
        decided = list(await asyncio.gather(*(one(text) for text in texts)))
    finally:
        await classifier.aclose()
    if failures:
        codes = ", ".join(f"{code} {count}" for code, count in failures.most_common())
        told = f"the model gave no answer to {failures.total()} of {len(texts)} messages: {codes}"
        if failures.total() == len(texts):
            raise EvalError(told)
        typer.echo(f"warning: {told}", err=True)
    return decided


def show(figures: dict[str, Any]) -> None:
    """The figures as tables."""
    console = Console()
    total = Table("", "precision of the decided", "share decided", title=f"{figures['rows']} rows")
    for what in ("team", "intent"):
        total.add_row(what, *(_percent(figures[what][k]) for k in ("precision", "share_decided")))
    console.print(total)
    each = Table("intent", "messages", "decided", "precision", "recall")
    for name, row in figures["per_intent"].items():
        counts = [str(row["messages"]), str(row["decided"])]
        each.add_row(name, *counts, _percent(row["precision"]), _percent(row["recall"]))
    console.print(each)
    if figures["team_confusion"]:
        wrong = Table("right team", "decided team", "messages", title="Wrong teams")
        for row in figures["team_confusion"]:
            wrong.add_row(row["team"], row["decided"], str(row["count"]))
        console.print(wrong)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
