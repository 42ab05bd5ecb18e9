"""`./switchboard ledger show TICKET`: every reply of a ticket, and what is known of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from console.bulk import Output
from console.release import everything
from console.topic_log import TopicLog
from pipeline import topics
from pipeline.brokers import brokers
from pipeline.domain.events import HeldState, Withheld
from pipeline.domain.ticket_ledger import TicketLedger
from pipeline.domain.withheld import state_at
from pipeline.settings import load_settings

app = typer.Typer(help="What is known of replies: show.", no_args_is_help=True)


def read(bootstrap_servers: str, ticket: str) -> TicketLedger:
    """The rows of one ticket, from the ledger's changelog."""
    rows = TicketLedger(ticket)
    with TopicLog(bootstrap_servers, topics.LEDGER.name) as log:
        for message in log.records():
            rows.apply((message.key() or b"").decode("utf-8", "replace"), message.value())
    return rows


def replies(rows: TicketLedger, held: list[Withheld], now: float) -> list[dict[str, Any]]:
    """One line a reply, oldest first; what was withheld and stands so has no row."""
    found = rows.states(now)
    known = {each["id"]: each for each in found}
    for each in held:
        if each.conversation_id != rows.ticket or each.kind != "reply":
            continue
        state = state_at(each, now)
        line = known.get(each.action_id)
        if line is None:
            line = {"id": each.action_id, "at": each.at, "state": state.value}
            found.append(line)
        elif line["state"] == "reserved" and state is HeldState.WITHHELD:
            line["state"] = state.value
        line["reason"] = each.reason
    return sorted(found, key=lambda line: line["at"])


@app.command()
def show(
    ticket: Annotated[str, typer.Argument(help="The helpdesk's id of it.")],
    output: Output = "table",
) -> None:
    """Show every reply of TICKET: reserved, sending, sent, withheld, unknown and the rest."""
    servers, now = brokers(load_settings()), time.time()
    lines = replies(read(servers, ticket), everything(servers), now)
    if output == "json":
        answer = {"ticket": ticket, "replies": lines}
        typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())
        return
    if not lines:
        typer.echo(f"no reply to ticket {ticket} was ever begun or withheld")
        return
    table = Table("reply", "state", "since", "worker", "attempt", "why withheld")
    for line in lines:
        since = time.strftime("%m-%d %H:%M:%S", time.gmtime(line["at"]))
        rest = (str(line.get(name, "")) for name in ("worker", "attempt", "reason"))
        table.add_row(line["id"], line["state"], since, *rest)
    Console().print(table)
