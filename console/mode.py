"""`./switchboard mode`, `panic` and `recover`: how much may happen at the helpdesk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.changes import told, why_no_scope
from console.operating import Operator, described, once_more, or_unsure, who, with_operator
from pipeline.confirming import Written
from pipeline.domain.control_records import TEMPLATE_PREFIX, SwitchRecord
from pipeline.domain.events import UnreadableValue
from pipeline.domain.modes import GLOBAL, Mode
from pipeline.domain.template_texts import TEXTS
from pipeline.lever import PATIENCE, Answer, Lever, Refused, set_command

EXIT_UNACKNOWLEDGED = 3
MOST_REASON = 500
"""Characters."""
CUT_OFF = "Whoever is cut off from the control topic stops by itself within 5 s"
WAY_BACK = "./switchboard recover --reason 'WHY'"
"""One step up from where the mode is."""

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


def a_reason(text: str) -> str:
    """A reason that may be written down.

    Raises:
        typer.BadParameter: it is empty or too long.
    """
    if not 0 < len(text.strip()) <= MOST_REASON:
        raise typer.BadParameter(f"a reason of 1 to {MOST_REASON} characters is needed")
    return text.strip()


Reason = Annotated[str, typer.Option(help="Why; audited.", callback=a_reason)]
Patience = Annotated[float, typer.Option(help="Seconds to wait for every process.")]


@app.command()
def show(output: Output = "table") -> None:
    """Show every mode and switched template with who, when and why, and every process that follows."""

    async def look(operator: Operator) -> dict[str, Any]:
        return described(operator.control)

    state = with_operator(look)
    if output == "json":
        typer.echo(orjson.dumps(state, option=orjson.OPT_INDENT_2).decode())
        return
    modes = Table("scope", "mode", "by", "since", "reason")
    for scope, mode in state["modes"].items():
        since = _clock(mode["at"]) if "at" in mode else ""
        modes.add_row(scope, mode["mode"], mode["by"], since, mode["reason"])
    templates = Table("template", "state", "by", "since", "reason")
    for row in switched_templates(state["switches"]):
        templates.add_row(*row)
    processes = Table("process", "state", "last heard")
    for each in state["processes"]:
        words = "follows" if each["has_confirmed"] else "has not confirmed"
        processes.add_row(
            each["name"],
            words if each["is_live"] else "silent",
            f"{each['heard_seconds_ago']:.1f} s ago",
        )
    for table in (modes, templates, processes):
        if table.row_count:
            Console().print(table)


def switched_templates(switches: Mapping[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Template, on or off, by whom, since when and why, of those that somebody has switched."""
    rows = []
    for key, text in sorted(switches.items()):
        if not key.startswith(TEMPLATE_PREFIX):
            continue
        name = key.removeprefix(TEMPLATE_PREFIX)
        try:
            switch = SwitchRecord.parse(text.encode())
        except UnreadableValue:
            rows.append((name, "off", "unknown", "", "unreadable record"))
            continue
        state = "on" if switch.on else "off"
        rows.append((name, state, switch.by, _clock(switch.at), switch.reason))
    return rows


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")


@app.command("set")
def set_(
    mode: Annotated[Mode, typer.Argument(help="The mode to set.")],
    reason: Reason,
    scope: Scopes = None,
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Set a mode: any way down at once, one step up; exit 3 when somebody has not confirmed.

    Several scopes are set one after the other, each told as it is done.
    """
    scopes = scope or [GLOBAL]
    for each in scopes:
        wrong = why_no_scope(each)
        if wrong is not None:
            raise typer.BadParameter(wrong, param_hint="--scope")
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
        with or_unsure(once_more()):
            return await operator.lever.switch_template(
                name, on=state == "on", reason=reason, by=who(), patience=patience
            )

    say(f"{name}: {state}", with_operator(work), output)


def panic(
    reason: Annotated[str, typer.Argument(help="Why; audited.")] = "panic",
    output: Output = "table",
    patience: Patience = PATIENCE,
) -> None:
    """Stop all work at helpdesk, shop and model now; `recover` is the way back, step by step."""
    # In an emergency nothing is refused for its words.
    reason = reason.strip()[:MOST_REASON] or "panic"
    _set(lambda _: Mode.STOP, [GLOBAL], reason, output, patience, known=False)


def recover(reason: Reason, output: Output = "table", patience: Patience = PATIENCE) -> None:
    """Raise the global mode by one step."""

    def up(now: Mode) -> Mode:
        if now is Mode.LIVE:
            raise Refused("at_the_top", "the global mode is live already: ./switchboard mode show")
        return now.above

    _set(up, [GLOBAL], reason, output, patience, known=True)


def _set(
    choose: Callable[[Mode], Mode],
    scopes: list[str],
    reason: str,
    output: str,
    patience: float,
    *,
    known: bool,
) -> None:
    done: list[Answer] = []

    def tell(answer: Answer) -> None:
        done.append(answer)
        if output != "json":
            typer.echo(in_words(_step(answer), answer))

    async def work(operator: Operator) -> None:
        await set_each(operator.lever, choose, scopes, reason=reason, patience=patience, tell=tell)

    try:
        with_operator(work, known=known)
    finally:
        # What is done stands, whatever became of the scope after it.
        if output == "json" and done:
            _json(done)
    _end(done)


async def set_each(
    lever: Lever,
    choose: Callable[[Mode], Mode],
    scopes: Sequence[str],
    *,
    reason: str,
    patience: float,
    tell: Callable[[Answer], None],
) -> None:
    """Sets each scope to what `choose` makes of its present mode; `tell` hears of each when it is done.

    Raises:
        Refused: see `Lever.set`; those before it are done, those after it are not.
        Unsure: one may be written or not, likewise.
    """
    for scope in scopes:
        mode = choose(lever.now_at(scope))
        again = f"Set it once more: {set_command(mode, scope, reason)}"
        if mode is Mode.STOP and scope == GLOBAL:
            again += f" (and back, one step at a time: {WAY_BACK})"
        with or_unsure(again):
            answer = await lever.set(mode, scope=scope, reason=reason, by=who(), patience=patience)
        tell(answer)


def _step(answer: Answer) -> str:
    was = "not known" if answer.was is None else answer.was.value
    return f"{answer.scope}: {was} -> {answer.mode.value}"


def say(what: str, written: Written, output: str) -> None:
    """Tells what was changed and who has confirmed it; `what` names the change for a person.

    Raises:
        typer.Exit: with `EXIT_UNACKNOWLEDGED`, when somebody has not confirmed.
    """
    if output == "json":
        _json([written])
    else:
        typer.echo(in_words(what, written))
    _end([written])


def _json(written: Sequence[Written]) -> None:
    said = [told(each) for each in written]
    typer.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())


def _end(written: Sequence[Written]) -> None:
    if not all(each.is_acknowledged for each in written):
        raise typer.Exit(EXIT_UNACKNOWLEDGED)


def in_words(what: str, written: Written) -> str:
    """One line for a person."""
    if written.is_acknowledged:
        return f"{what}, confirmed by every process after {written.seconds * 1000:.0f} ms"
    return (
        f"{what} is written, but NOT CONFIRMED after {written.seconds:.1f} s by: "
        f"{', '.join(written.missing)}. {CUT_OFF}; end by hand what does not. "
        "Who has confirmed by now: ./switchboard mode show"
    )
