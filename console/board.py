"""The topic of alerts as a command sees it: read once, and a row added to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

from console.topic_log import TopicLog
from pipeline import topics
from pipeline.alert_board import AlertBoard, Judgement
from pipeline.domain.alerts import AlertState, Phase, described, shipped_rules
from pipeline.domain.incidents import Entry
from pipeline.domain.notices import GivenUp
from pipeline.stream.control import Update, View
from pipeline.stream.producer import Outgoing, Producer

JUDGED_WITHIN = 30.0
"""Seconds after which the last judgement says nothing of now; one is made every two."""


def read_board(bootstrap_servers: str) -> AlertBoard:
    """What stands on the topic now."""
    view = View()
    board = AlertBoard(view)
    with TopicLog(bootstrap_servers, topics.ALERTS.name) as log:
        view.apply(
            Update(
                (message.key() or b"").decode("utf-8", "replace"),
                message.value(),
                message.offset() or 0,
                message.timestamp()[1] / 1000,
            )
            for message in log.records()
        )
    return board


def write(bootstrap_servers: str, entry: Entry) -> None:
    """Adds one entry of an incident; returns when it is durable.

    Raises:
        DeliveryError: the broker did not acknowledge it.
    """

    async def send() -> None:
        producer = Producer(
            bootstrap_servers,
            client_id="switchboard-console",
            delivery_timeout=10.0,
            config={"log_level": 0},
        )
        try:
            row = Outgoing(topics.ALERTS.name, entry.key.encode(), entry.to_bytes(), (), 0)
            await producer.send([row])
        finally:
            await producer.close()

    asyncio.run(send())


def firing(board: AlertBoard) -> list[AlertState]:
    """The alerts that fire, the worst and oldest first."""
    states = [state for state in board.states().values() if state.phase is Phase.FIRING]
    return sorted(states, key=lambda state: (state.severity, state.since))


@dataclass(frozen=True)
class Now:
    """The alerts as rows, and what keeps them from being the whole truth, or from being told."""

    rows: list[dict[str, Any]]
    judged_at: float | None
    """Unix seconds; None where nobody has judged."""
    doubts: list[str]


def alerts_now(bootstrap_servers: str, *, every: bool = False) -> Now:
    """What fires, and with `every` what has fired before, described."""
    board = read_board(bootstrap_servers)
    rules = {rule.name: rule for rule in shipped_rules()}
    states: Sequence[AlertState] = firing(board)
    if every:
        past = [state for state in board.states().values() if state.phase is not Phase.FIRING]
        states = [*states, *sorted(past, key=lambda state: -state.since)]
    judged = board.judged()
    return Now(
        [described(state, rules.get(state.rule)) for state in states],
        None if judged is None else judged.at,
        [*doubts(judged, now=time.time()), *unheard(board)],
    )


def doubts(judged: Judgement | None, *, now: float) -> list[str]:
    """Why a calm may be none: who looks must not take silence for health."""
    if judged is None or judged.at is None:
        return ["nobody has judged the alerts: start python -m agents observe"]
    found = []
    if now - judged.at > JUDGED_WITHIN:
        found = [f"not judged since {_utc(judged.at)}: see the log of observe"]
    elif judged.unknown:
        found = [f"not judged, what they ask cannot be found out: {', '.join(judged.unknown)}"]
    return [*found, *map(_never_told, judged.given_up)]


def _never_told(lost: GivenUp) -> str:
    return (
        f"{lost.notices} notices to {lost.sink} were given up since {_utc(lost.since)} ({lost.code}): "
        f"mend SWITCHBOARD_ALERT_{lost.sink.upper()}_URL and start observe again; "
        "what they told: ./switchboard alerts --all"
    )


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")


def unheard(board: AlertBoard) -> list[str]:
    """Each sink that notices do not reach: how many of them, and how often one was tried at most."""
    tries: dict[str, list[int]] = {}
    for each in board.deliveries():
        if each.tries:
            tries.setdefault(each.sink, []).append(each.tries)
    return [
        f"{len(each)} notices do not reach {sink}, tried {max(each)} times: see the log of observe"
        for sink, each in sorted(tries.items())
    ]


def as_json(value: Any) -> None:
    """Prints JSON for programs and patient people."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
