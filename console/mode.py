"""`./switchboard mode`, `panic` and `recover`: how much may happen at the helpdesk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.changes import told
from console.operating import Operator, described, operating, who
from pipeline.confirming import Written
from pipeline.domain.modes import GLOBAL, Mode, is_scope
from pipeline.domain.template_texts import TEXTS
from pipeline.lever import PATIENCE, Answer
from pipeline.settings import load_settings

EXIT_UNACKNOWLEDGED = 3

app = typer.Typer(
    help="How much may happen at the helpdesk: show, set. stop < shadow < route_only < draft < live.",
    no_args_is_help=True,
)

Output = Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="channel=, intent=, template= or tenant=NAME; several; all by default."
    ),
]
Reason = Annotated[str, typer.Option(help="Why; audited.")]
Patience = Annotated[float, typer.Option(help="Seconds to wait for every process.")]


def with_operator(work: Callable[[Operator], Awaitable[Any]], *, known: bool = True) -> Any:
    """The result of `work` on the control topic, with its state known unless said otherwise."""

    async def run() -> Any:
        async with operating(load_settings().bootstrap_servers) as operator:
            if known:
                await operator.known()
            return await work(operator)

    return asyncio.run(run())


@app.command()
def show(output: Output = "table") -> None:
    """Show every mode with who, when and why, and every process that follows."""

    async def look(operator: Operator) -> dict[str, Any]:
        return described(operator.control)

    state = with_operator(look)
    if output == "json":
        typer.echo(orjson.dumps(state, option=orjson.OPT_INDENT_2).decode())
        return
    modes = Table("scope", "mode", "by", "since", "reason")
    for scope, mode in state["modes"].items():
        since = (
            datetime.fromtimestamp(mode["at"], UTC).isoformat(" ", "seconds")
            if "at" in mode
            else ""
        )
        modes.add_row(scope, mode["mode"], mode["by"], since, mode["reason"])
    processes = Table("process", "state", "last heard")
    for each in state["processes"]:
        words = "follows" if each["has_confirmed"] else "has not confirmed"
        processes.add_row(
            each["name"],
            words if each["is_live"] else "silent",
            f"{each['heard_seconds_ago']:.1f} s ago",
        )
    for table in (modes, processes):
        Console().print(table)


@app.command("set")
def set_(
    mode: Annotated[Mode, typer.Argument(help="The mode to set.")],
    reason: Reason,
    scope: Scopes = None,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Set a mode: any way down at once, one step up; exit 3 when somebody has not confirmed."""
    scopes = scope or [GLOBAL]
    for each in scopes:
        if not is_scope(each):
            raise typer.BadParameter(f"{each} is no scope: channel=email, intent=..., or nothing")
    _set(lambda _: mode, scopes, reason, output, patience, known=mode is not Mode.STOP)


@app.command()
def template(
    name: Annotated[str, typer.Argument(help="Which template.")],
    state: Annotated[Literal["on", "off"], typer.Argument(help="Whether it may be sent.")],
    reason: Reason,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Turn one template on or off; exit 3 when somebody has not confirmed."""
    if name not in TEXTS:
        raise typer.BadParameter(f"no template {name}: one of {', '.join(sorted(TEXTS))}")

    async def work(operator: Operator) -> Written:
        return await operator.lever.switch_template(
            name, on=state == "on", reason=reason, by=who(), patience=patience
        )

    say([f"{name}: {state}"], [with_operator(work)], output)


def panic(
    reason: Annotated[str, typer.Argument(help="Why; audited.")] = "panic",
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Stop every call to the helpdesk now."""
    _set(lambda _: Mode.STOP, [GLOBAL], reason, output, patience, known=False)


def recover(reason: Reason, output: Output = "table", patience: Patience = PATIENCE) -> None:
    """Raise the global mode by one step."""
    _set(lambda now: now.above, [GLOBAL], reason, output, patience, known=True)


def _set(
    choose: Callable[[Mode], Mode],
    scopes: list[str],
    reason: str,
    output: str,
    patience: float,
    *,
    known: bool,
) -> None:
    async def work(operator: Operator) -> list[Answer]:
        lever = operator.lever
        return [
            await lever.set(
                choose(lever.now_at(scope)), scope=scope, reason=reason, by=who(), patience=patience
            )
            for scope in scopes
        ]

    answers: list[Answer] = with_operator(work, known=known)
    begins = [f"{each.scope}: {each.was.value} -> {each.mode.value}" for each in answers]
    say(begins, answers, output)


def say(what: Sequence[str], written: Sequence[Written], output: str) -> None:
    """Tells what was changed and who has confirmed it; `what` names each change for a person.

    Raises:
        typer.Exit: with `EXIT_UNACKNOWLEDGED`, when somebody has not confirmed.
    """
    if output == "json":
        said = [told(each) for each in written]
        typer.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
    else:
        for name, each in zip(what, written, strict=True):
            typer.echo(in_words(name, each))
    if not all(each.is_acknowledged for each in written):
        raise typer.Exit(EXIT_UNACKNOWLEDGED)


def in_words(what: str, written: Written) -> str:
    """One line for a person."""
    if written.is_acknowledged:
        return f"{what}, confirmed by every process after {written.seconds * 1000:.0f} ms"
    return (
        f"{what} is written, but NOT CONFIRMED after {written.seconds:.1f} s by: "
        f"{', '.join(written.missing)}. Each of them stops by itself 5 s after it lost the topic; "
        "what runs elsewhere must be ended by hand"
    )
