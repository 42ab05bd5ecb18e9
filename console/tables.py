"""`./switchboard tables`: what a stage remembers, whether it is right, and how a lost one goes on."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.topics import Output
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.mending import mended
from pipeline.settings import Settings, load_settings
from pipeline.stream.begin_again import begin_again, is_ahead
from pipeline.stream.changelog import Changelog, Changelogs, RestoreError
from pipeline.stream.producer import Producer
from pipeline.stream.store import (
    CorruptStoreError,
    Marker,
    Row,
    Store,
    TableBusyError,
    is_held,
)
from pipeline.stream.verify import Verdict, verify
from tables import decisions, ledger, seen, windows

app = typer.Typer(help="The tables of the stages: inspect, verify, begin.", no_args_is_help=True)

STAGES = {
    seen.NAME: "dedup",
    decisions.NAME: "classify",
    ledger.NAME: "act",
    windows.NAME: "observe",
}
TableName = Annotated[str, typer.Argument(help=f"One of {', '.join(STAGES)}.")]


class TableError(Exception):
    """A table cannot be shown; the text says why and what helps."""


@dataclass(frozen=True)
class LocalStore:
    """One partition's store on this machine."""

    worker: str
    partition: int
    folder: Path
    is_running: bool
    """Whether a stage has it open: then it is looked at beside it."""


def local_stores(settings: Settings, name: str) -> list[LocalStore]:
    """Every store of table `name` under the data folder, of all workers of its stage.

    Raises:
        TableError: there is no such table.
    """
    if name not in STAGES:
        raise TableError(f"there is no table {name}: give one of {', '.join(STAGES)}")
    folders = (settings.data_dir / "tables").glob(f"{STAGES[name]}-*/{name}/*")
    found = [
        LocalStore(folder.parents[1].name, int(folder.name), folder, is_held(folder))
        for folder in folders
        if folder.name.isdigit()
    ]
    return sorted(found, key=lambda each: (each.worker, each.partition))


def open_changelog(settings: Settings, name: str, partition: int) -> Changelog:
    """The changelog partition behind a store."""
    stage = STAGES[name]
    logs = Changelogs(
        brokers(settings),
        group=f"switchboard-{stage}",
        source=topics.STAGE_SOURCES[stage].name,
    )
    return logs.open(topics.STAGE_CHANGELOGS[stage].name, partition)


# -- inspect -----------------------------------------------------------------------------------


@app.command()
def inspect(
    name: TableName,
    key: Annotated[str | None, typer.Argument(help="Show this row only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show of each partition.")] = 10,
    output: Output = "table",
) -> None:
    """Show a table as it lies on this machine, beside a running stage too; exit 1 without KEY."""
    stores = local_stores(load_settings(), name)
    found = [look(store, key, limit) for store in stores]
    rows = [row for each in found for row in each["rows"]]
    if output == "json":
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        show(name, found)
    if key is not None and not rows:
        typer.echo(f"no row {key} on this machine", err=True)
        raise typer.Exit(1)


def look(store: LocalStore, key: str | None, limit: int) -> dict[str, Any]:
    """One store: where it is, what it follows, and some of its rows."""
    with Store.view(store.folder) as view:
        marker = view.marker
        rows = row_of(view, key) if key is not None else list(islice(view.rows(), limit))
    return {
        "worker": store.worker,
        "partition": store.partition,
        "running": store.is_running,
        "position": marker.position if marker else None,
        "epoch": marker.epoch if marker else None,
        "rows": [
            {"key": row.key.decode("utf-8", "replace"), "offset": row.offset,
             "value": readable(row.value)}
            for row in rows
        ],
    }  # fmt: skip


def row_of(view: Store, key: str) -> list[Row]:
    """The row of exactly `key`, if there is one."""
    wanted = key.encode()
    return [row for row in islice(view.rows(wanted), 1) if row.key == wanted]


def readable(value: bytes) -> Any:
    """JSON as it is, anything else as text."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value.decode("utf-8", "replace")


def show(name: str, found: list[dict[str, Any]]) -> None:
    """For a person."""
    console = Console()
    if not found:
        console.print(
            f"no store of {name} on this machine: SWITCHBOARD_DATA_DIR says where to look"
        )
    for each in found:
        state = "running" if each["running"] else "stopped"
        console.print(
            f"{each['worker']} partition {each['partition']} ({state}): "
            f"changelog below {each['position']}, epoch {each['epoch']}"
        )
        table = Table("key", "offset", "value")
        for row in each["rows"]:
            table.add_row(row["key"], str(row["offset"]), orjson.dumps(row["value"]).decode())
        if each["rows"]:
            console.print(table)


# -- verify ------------------------------------------------------------------------------------


@app.command("verify")
def verify_(name: TableName, output: Output = "table") -> None:
    """Compare every store with the fold of its changelog; exit 1 on any difference."""
    settings = load_settings()
    stores = local_stores(settings, name)
    results = [(store, judge(settings, name, store)) for store in stores]
    if output == "json":
        found = [
            {"worker": store.worker, "partition": store.partition, "running": store.is_running,
             "good": verdict.is_good, **asdict(verdict), "samples": names(verdict)}
            for store, verdict in results
        ]  # fmt: skip
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        for store, verdict in results:
            typer.echo(line(store, verdict))
    if not stores:
        typer.echo(f"no store of {name} on this machine", err=True)
    if not stores or not all(verdict.is_good for _, verdict in results):
        raise typer.Exit(1)


def judge(settings: Settings, name: str, store: LocalStore) -> Verdict:
    """The verdict on one store; damaged files are one too."""
    try:
        return verify(store.folder, lambda: open_changelog(settings, name, store.partition))
    except CorruptStoreError as error:
        return Verdict(problem=f"{error}: the next start rebuilds it")
    except RestoreError as error:
        raise TableError(str(error)) from None


def names(verdict: Verdict) -> list[str]:
    """The sample keys as text."""
    return [key.decode("utf-8", "replace") for key in verdict.samples]


def line(store: LocalStore, verdict: Verdict) -> str:
    """One store's verdict for a person."""
    state = "OK  " if verdict.is_good else "FAIL"
    where = f"{state} {store.worker} partition {store.partition}"
    where += " (beside the running stage)" if store.is_running else " (stopped)"
    if verdict.problem is not None:
        return f"{where}: {verdict.problem}"
    text = f"{where}: {verdict.rows} rows, {verdict.behind} changelog records not yet seen"
    if not verdict.is_good:
        text += (
            f"; {verdict.missing} missing, {verdict.extra} extra, {verdict.different} different, "
            f"first {', '.join(names(verdict))}; stop the stage and delete {store.folder}"
        )
    return text


# -- begin -------------------------------------------------------------------------------------


@app.command()
def begin(
    name: TableName,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what would be.")] = False,
) -> None:
    """Let a table whose changelog lost rows go on, with those that this machine still holds."""
    settings = load_settings()
    stores = local_stores(settings, name)
    if any(store.is_running for store in stores):
        raise TableError(f"stage {STAGES[name]} is running: stop it first")
    for partition in range(settings.partitions):
        mine = [store for store in stores if store.partition == partition]
        typer.echo(asyncio.run(begin_partition(settings, name, partition, mine, is_real=yes)))
    if not yes:
        typer.echo("nothing was done: add --yes")


def marker_of(store: LocalStore) -> Marker | None:
    """How far a store follows which changelog."""
    with Store.view(store.folder) as view:
        return view.marker


def furthest(stores: list[LocalStore], changelog: Changelog) -> LocalStore | None:
    """Of several workers' stores of one partition the one that has seen most.

    Where the changelog is there, only those that are ahead of it have something to give.
    """
    seen = [(marker.position, store) for store in stores if (marker := marker_of(store))]
    if changelog.epoch is not None:
        seen = [(at, store) for at, store in seen if is_ahead(marker_of(store), changelog)]
    return max(seen, key=lambda each: each[0], default=(0, None))[1]


async def begin_partition(
    settings: Settings, name: str, partition: int, stores: list[LocalStore], *, is_real: bool
) -> str:
    """Begins one partition, or says why not; one line."""
    topic = topics.STAGE_CHANGELOGS[STAGES[name]].name
    try:
        with open_changelog(settings, name, partition) as changelog:
            store = furthest(stores, changelog)
            source = f"the rows in {store.folder}" if store else "no rows: this machine has none"
            if changelog.epoch is not None and store is None:
                return f"partition {partition}: its changelog is whole, nothing to do"
            if changelog.epoch is None and changelog.end > 0:
                raise TableError(
                    f"{topic} has lost its beginning but is not empty: delete the topic, then "
                    f"./switchboard topics apply, then ./switchboard tables begin {name} --yes"
                )
            if not is_real:
                return f"partition {partition}: would go on with {source}"
            producer = Producer(brokers(settings), client_id="switchboard-console")
            written = await begin_again(
                store.folder if store else None, changelog, (topic, partition), producer,
                epoch=uuid.uuid4().hex,
            )  # fmt: skip
            await producer.close()
    except (RestoreError, TableBusyError, CorruptStoreError) as error:
        raise TableError(mended(error)) from None
    return f"partition {partition}: goes on, {written} rows were written back"
