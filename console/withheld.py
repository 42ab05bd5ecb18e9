"""`./switchboard withheld`: what was not executed and why; released after the permit is asked again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import confluent_kafka
import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.bulk import DryRun, Everything, Output, Since, Yes, agreed, meant, moment
from console.operating import who
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.domain.events import Audit, HeldState, Message, UnreadableValue, Withheld
from pipeline.domain.withheld import Filter, chosen, fold, mark, released, state_at
from pipeline.settings import load_settings
from pipeline.stream.producer import Outgoing, Producer

ANSWER_WITHIN = 30.0
"""Seconds to wait for what the permit says of released steps."""

app = typer.Typer(
    help="Steps that were not executed: list, show, release, expire.", no_args_is_help=True
)

Id = Annotated[str | None, typer.Argument(help="The action id, or enough of its beginning.")]
Reason = Annotated[str | None, typer.Option(help="Only this reason code.")]
InMode = Annotated[str | None, typer.Option("--mode", help="Only what was withheld in this mode.")]
Kind = Annotated[str | None, typer.Option(help="Only reply, route or mark.")]


def everything(bootstrap_servers: str) -> list[Withheld]:
    """Every withheld step as it stands."""
    found = []
    with TopicLog(bootstrap_servers, topics.WITHHELD.name) as log:
        for message in log.records():
            try:
                found.append(Withheld.parse(message.value()))
            except UnreadableValue:
                continue
    return fold(found)


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
    """Show what was withheld, without its text, and how much for which reason."""
    now = time.time()
    asked = Filter(moment(since or "1d"), reason, mode, kind, state)
    found = chosen(everything(load_settings().bootstrap_servers), asked, now=now)
    reasons = Counter(each.reason for each in found)
    if output == "json":
        _say({"count": len(found), "reasons": reasons, "items": [_row(e, now) for e in found]})
        return
    table = Table("id", "ticket", "step", "mode", "reason", "state", "since", "expires")
    for each in found:
        expires = "" if each.expires_at is None else _time(each.expires_at)
        table.add_row(
            each.action_id, each.conversation_id, each.kind, each.mode, each.reason,
            state_at(each, now).value, _time(each.at), expires,
        )  # fmt: skip
    Console().print(table)
    typer.echo(", ".join(f"{name} {count}" for name, count in reasons.most_common()) or "nothing")


@app.command()
def show(
    item: Annotated[str, typer.Argument(metavar="ID", help="The action id, or its beginning.")],
    output: Output = "table",
) -> None:
    """Show one withheld step with the reply as it would have been sent."""
    now = time.time()
    each = _one(everything(load_settings().bootstrap_servers), item)
    row = {**_row(each, now), "rendered": each.rendered}
    if output == "json":
        _say(row)
        return
    for name, value in row.items():
        typer.echo(f"{name:<16} {value}" if name != "rendered" else f"\n{value or ''}")


@app.command()
def release(
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
    """Ask the permit again for withheld steps, and tell what it says now; exit 1 if none goes out."""
    servers = load_settings().bootstrap_servers
    found = _chosen(
        servers, item, since=since, reason=reason, mode=mode, kind=kind, everything_=all_
    )
    if not agreed(len(found), "Release", dry_run=dry_run, yes=yes, output=output):
        _would("release", found, output)
        return
    answers = _release(servers, found)
    if output == "json":
        _say({"released": len(found), "answers": answers})
    for each in found if output == "table" else ():
        said = answers.get(each.action_id, "no answer yet: ./switchboard withheld list")
        typer.echo(f"{each.action_id} {each.conversation_id} {each.kind}: {said}")
    if not any(said.split(":")[0] in _EXECUTED for said in answers.values()):
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
    servers = load_settings().bootstrap_servers
    found = _chosen(
        servers, item, since=since, reason=reason, mode=mode, kind=kind, everything_=all_
    )
    if not agreed(len(found), "Expire", dry_run=dry_run, yes=yes, output=output):
        _would("expire", found, output)
        return
    at, by = time.time(), who()
    marks = [mark(each, HeldState.EXPIRED, by=by, at=at) for each in found]
    asyncio.run(_produce(servers, [_outgoing(topics.WITHHELD, each, each) for each in marks]))
    if output == "json":
        _say({"expired": len(found)})
    else:
        typer.echo(f"expired {len(found)}")


# -- what is meant ----------------------------------------------------------------------------


def _chosen(
    servers: str,
    item: str | None,
    *,
    since: str | None,
    reason: str | None,
    mode: str | None,
    kind: str | None,
    everything_: bool,
) -> list[Withheld]:
    """The open steps that an id or a filter means."""
    narrow = any(each is not None for each in (reason, mode, kind))
    meant(item, since, narrow=narrow, everything=everything_)
    held, now = everything(servers), time.time()
    if item is None:
        return chosen(held, Filter(moment(since or ""), reason, mode, kind), now=now)
    each = _one(held, item)
    state = state_at(each, now)
    if state is not HeldState.WITHHELD:
        raise typer.BadParameter(f"{each.action_id} is {state.value}: a human must see to it")
    return [each]


def _one(held: Sequence[Withheld], item: str) -> Withheld:
    found = [each for each in held if each.action_id.startswith(item)]
    if len(found) != 1:
        many = "several steps begin" if found else "no withheld step begins"
        raise typer.BadParameter(f"{many} with {item}: ./switchboard withheld list")
    return found[0]


# -- releasing --------------------------------------------------------------------------------

_EXECUTED = ("routed", "replied", "drafted", "marked")
_ENDS = {*_EXECUTED, "withheld", "triaged", "failed"}


def _release(servers: str, held: Sequence[Withheld]) -> dict[str, str]:
    """Sends the steps back to `act`; action id -> what came of it."""
    at, by = time.time(), who()
    records = []
    for each in held:
        plan = released(each, by=by)
        if plan is not None:
            # The plan first: without its mark a release can be asked for again and does no harm,
            # without the plan it would be marked as released and never happen.
            records.append(_outgoing(topics.REQUESTED, each, plan))
            marked = mark(each, HeldState.RELEASED, by=by, at=at)
            records.append(_outgoing(topics.WITHHELD, each, marked))
    with TopicLog(servers, topics.AUDIT.name, from_end=True) as audit:
        asyncio.run(_produce(servers, records))
        return _answers(audit, {each.action_id for each in held})


def _answers(audit: TopicLog, wanted: set[str]) -> dict[str, str]:
    answers: dict[str, str] = {}
    ends = time.monotonic() + ANSWER_WITHIN

    def enough(message: confluent_kafka.Message) -> bool:
        try:
            said = Audit.parse(message.value())
        except UnreadableValue:
            return False
        if said.action_id in wanted and said.what in _ENDS:
            answers[said.action_id] = f"{said.what}: {said.reason}" if said.reason else said.what
        return answers.keys() >= wanted

    audit.wait(enough, until=lambda: time.monotonic() > ends)
    return answers


async def _produce(servers: str, records: Sequence[Outgoing]) -> None:
    producer = Producer(servers, client_id="switchboard-console", config={"log_level": 0})
    try:
        await producer.send(records)
    finally:
        await producer.close()


def _outgoing(spec: topics.TopicSpec, held: Withheld, value: Message) -> Outgoing:
    headers = [
        ("ce_id", held.action_id.encode()),
        ("ce_source", b"switchboard"),
        ("ce_type", spec.name.encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    ]
    if held.request is not None:
        headers.append(("sb-ingress-id", held.request.ingress_id.encode()))
    return Outgoing(spec.name, held.conversation_id.encode(), value.to_bytes(), headers)


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


def _would(verb: str, found: Sequence[Withheld], output: str) -> None:
    reasons = Counter(each.reason for each in found)
    if output == "json":
        _say({"dry_run": True, "count": len(found), "reasons": reasons})
        return
    told = ", ".join(f"{name} {count}" for name, count in reasons.most_common())
    typer.echo(f"would {verb} {len(found)}{f' ({told})' if told else ''}; add --no-dry-run")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M:%S")


def _say(answer: Any) -> None:
    typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
