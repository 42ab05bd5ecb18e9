"""`./switchboard drill stop`: does the lever work here, today, and how fast?"""

from __future__ import annotations

from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.mode import EXIT_UNACKNOWLEDGED, WAY_BACK, Output, Patience, Reason
from console.operating import Operator, or_unsure, who, with_operator
from pipeline.control import Control
from pipeline.domain.control_records import PROCESS_PREFIX, ProcessRecord
from pipeline.domain.events import UnreadableValue
from pipeline.domain.modes import Mode
from pipeline.lever import PATIENCE
from pipeline.stream.control import Update

STANDS = (
    "Its stop may stand: ./switchboard mode show tells; if so, raise the mode one step at a time: "
    f"{WAY_BACK}"
)

Signs = list[tuple[ProcessRecord, float]]

app = typer.Typer(help="Practise: stop.", no_args_is_help=True)


@app.command()
def stop(
    reason: Reason = "drill",
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Stop everything for a moment, measure flip to last call of each process, and let go again.

    What is due in that moment is withheld. Exit 3 when somebody did not confirm.
    """

    async def work(operator: Operator) -> dict[str, Any]:
        with or_unsure(STANDS):
            return await drilled(operator, reason, patience)

    result = with_operator(work)
    if output == "json":
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        table = Table("process", "flip to its last call, at most")
        for name, seconds in result["seconds"].items():
            table.add_row(name, f"{seconds * 1000:.0f} ms")
        for name in result["missing"]:
            table.add_row(name, "[red]has not confirmed[/]")
        Console().print(table)
        typer.echo(after(result["was"], result["mode"]))
    if result["missing"]:
        raise typer.Exit(EXIT_UNACKNOWLEDGED)


def after(was: str, mode: str) -> str:
    """What a person is told of the mode when the drill is over."""
    if mode == was:
        return f"the mode is {mode}, as it was before"
    return (
        f"the mode is {mode}; it was {was} before, and somebody changed it: ./switchboard mode show"
    )


async def drilled(operator: Operator, reason: str, patience: float) -> dict[str, Any]:
    """One drill: seconds from the flip to each process's confirmation, by the broker's clock.

    A process confirms when its last call to helpdesk or shop has ended, and begins none to the
    model from then on, so the figure is an upper bound of its last call. Only a reply that may have
    gone out is still read back. The stop is a hold beside what operators have set: to release it never raises anything
    that somebody lowered meanwhile, and if this process is killed it stays, until `recover`.
    """
    signs = signs_of_life(operator.control)
    was = operator.lever.now_at()
    held = await operator.lever.hold(
        Mode.STOP, reason=reason, by=who(), patience=patience, outlives=False
    )
    entry = operator.control.view.get(held.key)
    seconds = confirmed_after(signs, held.answer.epoch, entry.at) if entry is not None else {}
    restored = await operator.lever.release(held, patience=patience)
    missing = {*held.answer.missing, *restored.missing}
    return {
        "acknowledged_seconds": held.answer.seconds,
        "seconds": seconds,
        "missing": sorted(missing),
        "was": was.value,
        "mode": restored.mode.value,
    }


def signs_of_life(control: Control) -> Signs:
    """A list that from now on gets every process's signs of life with the broker's time."""
    signs: Signs = []

    def note(update: Update) -> None:
        try:
            signs.append((ProcessRecord.parse(update.value), update.at))
        except UnreadableValue:
            return

    control.view.on_change(PROCESS_PREFIX, note)
    return signs


def slowest(signs: Signs, epoch: int) -> str:
    """The name of the process that confirmed `epoch` last."""
    first = confirmed_after(signs, epoch, 0.0)
    return max(first, key=lambda name: first[name], default="nobody")


def confirmed_after(signs: Signs, epoch: int, flipped_at: float) -> dict[str, float]:
    """Name -> seconds until its first sign of life that confirms `epoch`."""
    found: dict[str, float] = {}
    for record, at in signs:
        if record.confirmed >= epoch:
            found.setdefault(record.name, round(max(0.0, at - flipped_at), 3))
    return dict(sorted(found.items()))
