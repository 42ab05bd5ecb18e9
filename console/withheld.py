"""`./switchboard withheld`: what was not executed and why; released after the permit is asked again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from console.bulk import DryRun, Everything, Output, Since, Yes, agreed, meant, moment
from console.job_runner import NO_ANSWER, Answers
from console.jobs import ordered, run_now
from console.lag import duration
from console.operating import Operator, or_unsure, who, with_operator
from console.release import FILTER, KIND, everything, is_executed, outgoing, work
from console.release import release as send
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.events import HeldState, Withheld
from pipeline.domain.modes import Mode
from pipeline.domain.permit import WithheldReason
from pipeline.domain.withheld import Filter, chosen, mark, state_at
from pipeline.settings import load_settings

SHOWN = 10
"""Characters of an action id in a table; its beginning is enough for every command."""
STANDS = "What stands open still: ./switchboard withheld list --state withheld"

app = typer.Typer(
    help="Steps that were not executed: list, show, release, expire.", no_args_is_help=True
)

Id = Annotated[str | None, typer.Argument(help="The action id, or enough of its beginning.")]
Reason = Annotated[WithheldReason | None, typer.Option(help="Only this reason code.")]
InMode = Annotated[Mode | None, typer.Option("--mode", help="Only what was withheld in this mode.")]
Kind = Annotated[Literal["reply", "route", "mark"] | None, typer.Option(help="Only this step.")]


@app.command("list")
def list_(
    *,
    since: Since = "1d",
    reason: Reason = None,
    mode: InMode = None,
    kind: Kind = None,
    state: Annotated[HeldState | None, typer.Option(help="All by default.")] = None,
    output: Output = "table",
) -> None:
    """Show what was withheld, oldest first, without its text, and how much for which reason.

    `since` tells how long ago, `for` how much longer it may be released.
    """
    now = time.time()
    asked = Filter(moment(since or "1d"), reason, mode and mode.value, kind, state)
    found = chosen(everything(brokers(load_settings())), asked, now=now)
    reasons = Counter(each.reason for each in found)
    if output == "json":
        _say({"count": len(found), "reasons": reasons, "items": [_row(e, now) for e in found]})
        return
    # What is copied from here into another command must never be cut.
    whole = [Column(name, no_wrap=True) for name in ("id", "step", "mode", "reason", "state")]
    table = Table(
        *whole, "since", "for", Column("ticket", overflow="fold"), box=None, pad_edge=False
    )
    for each in found:
        state = state_at(each, now)
        is_open = state is HeldState.WITHHELD and each.expires_at is not None
        table.add_row(
            each.action_id[:SHOWN], each.kind, each.mode, each.reason, state.value,
            duration(now - each.at), duration((each.expires_at or 0.0) - now) if is_open else "",
            each.conversation_id,
        )  # fmt: skip
    if found:
        Console().print(table)
    typer.echo(", ".join(f"{name} {count}" for name, count in reasons.most_common()) or "nothing")


@app.command()
def show(
    item: Annotated[str, typer.Argument(metavar="ID", help="The action id, or its beginning.")],
    output: Output = "table",
) -> None:
    """Show one withheld step with the reply as it would have been sent."""
    now = time.time()
    each = _one(everything(brokers(load_settings())), item)
    row = {**_row(each, now), "rendered": each.rendered}
    if output == "json":
        _say(row)
        return
    clock = {name: _clock(row[name]) for name in ("at", "expires_at")}
    for name, value in (row | clock).items():
        typer.echo(f"{name:<16} {value or ''}" if name != "rendered" else f"\n{value or ''}")


@app.command()
def release(
    item: Id = None,
    *,
    since: Since = None,
    reason: Reason = None,
    mode: InMode = None,
    kind: Kind = None,
    all_: Everything = False,
    job: Annotated[str | None, typer.Option(help="Name of the job that a filter makes.")] = None,
    dry_run: DryRun = True,
    yes: Yes = False,
    output: Output = "table",
) -> None:
    """Ask the permit again for withheld steps, and tell what it says now; exit 1 if none goes out.

    A filter makes a job: ./switchboard jobs lists, stops and resumes it.
    """
    asked = _asked(item, since, reason, mode, kind, everything_=all_)
    servers = brokers(load_settings())
    found = _chosen(servers, item, asked)
    if not agreed(len(found), "Release", dry_run=dry_run, yes=yes, output=output):
        _would("release", found, output)
        return
    if asked is not None:
        order = ordered(KIND, FILTER.dump_python(asked), name=job)
        raise typer.Exit(run_now(order, work(servers), output))

    async def one(operator: Operator) -> Answers:
        with or_unsure(STANDS):
            return await send(operator, servers, found, by=who())

    answers: Answers = with_operator(one)
    if output == "json":
        _say({"released": len(found), "answers": answers})
    for action_id, answer in answers.items() if output == "table" else ():
        typer.echo(f"{action_id}: {answer or NO_ANSWER}")
    if not any(is_executed(answer or "") for answer in answers.values()):
        raise typer.Exit(1)


@app.command()
def expire(
    item: Id = None,
    *,
    since: Since = None,
    reason: Reason = None,
    mode: InMode = None,
    kind: Kind = None,
    all_: Everything = False,
    dry_run: DryRun = True,
    yes: Yes = False,
    output: Output = "table",
) -> None:
    """Give withheld steps up: they can not be released any more."""
    asked = _asked(item, since, reason, mode, kind, everything_=all_)
    found = _chosen(brokers(load_settings()), item, asked)
    if not agreed(len(found), "Expire", dry_run=dry_run, yes=yes, output=output):
        _would("expire", found, output)
        return
    at, by = time.time(), who()
    marks = [mark(each, HeldState.EXPIRED, by=by, at=at) for each in found]
    records = [outgoing(topics.WITHHELD, each, each) for each in marks]

    async def write(operator: Operator) -> None:
        with or_unsure(STANDS):
            await operator.producer.send(records)

    with_operator(write, known=False)
    if output == "json":
        _say({"expired": len(found)})
    else:
        typer.echo(f"expired {len(found)}")


# -- what is meant ----------------------------------------------------------------------------


def _asked(
    item: str | None,
    since: str | None,
    reason: WithheldReason | None,
    mode: Mode | None,
    kind: str | None,
    *,
    everything_: bool,
) -> Filter | None:
    """The filter that is meant; None = the one step that is named."""
    narrow = any(each is not None for each in (reason, mode, kind))
    meant(item, since, narrow=narrow, everything=everything_)
    if item is not None:
        return None
    return Filter(moment(since or ""), reason, mode and mode.value, kind)


def _chosen(servers: str, item: str | None, asked: Filter | None) -> list[Withheld]:
    """The open steps that an id or a filter means."""
    held, now = everything(servers), time.time()
    if asked is not None:
        return chosen(held, asked, now=now)
    each = _one(held, item or "")
    state = state_at(each, now)
    if state is not HeldState.WITHHELD:
        raise typer.BadParameter(
            f"{each.action_id} is {state.value}, a human must see to ticket {each.conversation_id}: "
            f"./switchboard withheld show {each.action_id}"
        )
    return [each]


def _one(held: Sequence[Withheld], item: str) -> Withheld:
    found = [each for each in held if each.action_id.startswith(item)]
    if len(found) != 1:
        many = "several steps begin" if found else "no withheld step begins"
        raise typer.BadParameter(f"{many} with {item}: ./switchboard withheld list")
    return found[0]


# -- words ------------------------------------------------------------------------------------


def _row(each: Withheld, now: float) -> dict[str, Any]:
    """One step without its text."""
    return {
        "id": each.action_id,
        "ticket": each.conversation_id,
        "kind": each.kind,
        "mode": each.mode,
        "reason": each.reason,
        "state": state_at(each, now).value,
        "by": each.by,
        "at": each.at,
        "expires_at": each.expires_at,
    }


def _clock(at: float | None) -> str:
    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _would(verb: str, found: Sequence[Withheld], output: str) -> None:
    reasons = Counter(each.reason for each in found)
    if output == "json":
        _say({"dry_run": True, "count": len(found), "reasons": reasons})
        return
    told = ", ".join(f"{name} {count}" for name, count in reasons.most_common())
    typer.echo(f"would {verb} {len(found)}{f' ({told})' if told else ''}; add --no-dry-run")


def _say(answer: Any) -> None:
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
