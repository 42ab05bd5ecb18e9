"""`./switchboard topics` and `schemas`: the topic table against the broker."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

import orjson
import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Column, Table

from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.events import Message
from pipeline.mending import mended
from pipeline.settings import Settings, load_settings
from pipeline.stream import admin

app = typer.Typer(help="The topics: list, apply, check.", no_args_is_help=True)

Output = Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")]


def _plans(settings: Settings) -> list[topics.TopicPlan]:
    return topics.plans(partitions=settings.partitions, replication=settings.replication)


def value_name(spec: topics.TopicSpec) -> str:
    """What a topic's values are, in words."""
    names = [model.__name__ for model in models(spec)]
    return spec.value if isinstance(spec.value, str) else f"{' or '.join(names)} (JSON)"


def models(spec: topics.TopicSpec) -> tuple[type[Message], ...]:
    """The models of a topic's values; () where they are bytes that are no JSON of ours."""
    if isinstance(spec.value, str):
        return ()
    return spec.value if isinstance(spec.value, tuple) else (spec.value,)


def schema(spec: topics.TopicSpec) -> dict[str, Any]:
    """The JSON Schema of a topic's values."""
    if isinstance(spec.value, str):
        return {"description": spec.value, "contentEncoding": "binary"}
    one_of: Any = Union[models(spec)]  # noqa: UP007 - made at run time; of one it is that one
    return TypeAdapter(one_of).json_schema()


@app.command("list")
def list_(output: Output = "table") -> None:
    """Show every topic: key, value, partitions, cleanup, writers and readers."""
    settings = load_settings()
    rows: list[dict[str, Any]] = [
        {
            "name": spec.name,
            "key": spec.key,
            "value": value_name(spec),
            "partitions": spec.partitions(settings.partitions),
            "cleanup": spec.cleanup,
            "writers": list(spec.writers),
            "readers": list(spec.readers),
        }
        for spec in topics.ALL
    ]
    if output == "json":
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table(Column("topic", no_wrap=True), "what it is")
    for row in rows:
        ways = " -> ".join(", ".join(row[side]) for side in ("writers", "readers"))
        facts = f"{row['partitions']} partitions, {row['cleanup']}; {ways}"
        table.add_row(row["name"], f"{row['value']}\nkey: {row['key']}\n{facts}", end_section=True)
    Console().print(table)


@app.command()
def apply() -> None:
    """Create the topics that are missing, then check them all."""
    settings = load_settings()
    made = admin.apply(brokers(settings), _plans(settings))
    typer.echo(f"created {len(made)} topics" if made else "nothing to create")
    check()


@app.command()
def check() -> None:
    """Compare the broker's topics with the table; exit 1 on any difference."""
    settings = load_settings()
    problems = admin.check(brokers(settings), _plans(settings))
    for problem in problems:
        typer.echo(f"FAIL {mended(problem)}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"OK   {len(topics.ALL)} topics fit")


def schemas() -> None:
    """Print the JSON Schema of every topic's values."""
    found = {spec.name: schema(spec) for spec in topics.ALL}
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
