"""The rails of every command that changes many things: what is meant, how many, and are you sure."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

Output = Annotated[Literal["table", "json"], typer.Option("-o", help="Form of the answer.")]
Since = Annotated[
    str | None, typer.Option(help="How far back: 15m, 2h, 1d, or a time like 2026-05-04T10:00.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run/--no-dry-run", help="Only say what would be done (default).")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Everything = Annotated[bool, typer.Option("--all", help="With --since alone: all of that time.")]

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span(words: str) -> int:
    """The seconds that a span such as 5m means.

    Raises:
        typer.BadParameter: it is none.
    """
    found = _SPAN.fullmatch(words)
    if found is None:
        raise typer.BadParameter(f"{words} is no span: 10s, 5m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


def moment(since: str, *, now: float | None = None, hint: str = "--since") -> float:
    """The unix second that `since` means; `hint` names what a person has typed it for.

    Raises:
        typer.BadParameter: it is neither a span nor a time.
    """
    if _SPAN.fullmatch(since) is not None:
        at = time.time() if now is None else now
        return at - span(since)
    try:
        read = datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(
            f"{since} is no time: 15m, 2h, 1d or 2026-05-04T10:00", param_hint=hint
        ) from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def meant(item: str | None, since: str | None, *, narrow: bool, everything: bool) -> None:
    """Refuses a command that does not say what it means.

    Raises:
        typer.BadParameter: neither an id nor a filter, or a filter without ``--since``.
    """
    if item is not None:
        if since is not None or narrow or everything:
            raise typer.BadParameter("an id or a filter, not both")
        return
    if since is None:
        raise typer.BadParameter("name an id, or a filter with --since")
    if not narrow and not everything:
        raise typer.BadParameter("a time alone means everything: narrow it, or say --all")


def agreed(count: int, what: str, *, dry_run: bool, yes: bool, output: str) -> bool:
    """Whether to do it: never in a dry run; a person is asked, JSON never asks.

    Raises:
        typer.BadParameter: JSON without ``--yes``.
        typer.Abort: the person said no.
    """
    if dry_run or not count:
        return False
    if yes:
        return True
    if output == "json":
        raise typer.BadParameter("-o json never asks: add --yes")
    return typer.confirm(f"{what} {count}?", abort=True)
