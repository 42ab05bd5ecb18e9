"""The topic of alerts, typed: what fires, what must be told, and the incidents.

alert/<rule>/<group>      AlertState of the last firing
budget/<vendor>           BudgetState: how much of it was told of
notice/<id>/<sink>        Delivery that is still to be made; removed once it is
incident/<id>/<entry>     Entry; never removed
worker/<instance>         Judgement: sign of life of a process that may judge, each second
observer/<life>           those of commands

One partition, so that whoever has read back what it wrote knows all that stood there before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipeline import topics
from pipeline.domain.alerts import AlertState, BudgetState
from pipeline.domain.events import Message, UnreadableValue
from pipeline.domain.incidents import PREFIX as INCIDENT_PREFIX
from pipeline.domain.incidents import Entry, Incident, fold
from pipeline.domain.notices import Delivery, GivenUp
from pipeline.stream.control import Follower, Update, View
from pipeline.stream.guard import Crash
from pipeline.stream.producer import Sender

ALERT_PREFIX = "alert/"
BUDGET_PREFIX = "budget/"
NOTICE_PREFIX = "notice/"
WORKER_PREFIX = "worker/"

M = TypeVar("M", bound=Message)


class Judgement(Message):
    """What a worker says of its last judgement of the alerts."""

    at: float | None = None
    """Unix seconds; None = it has not judged since it began."""
    unknown: tuple[str, ...] = ()
    """The rules that were not judged then, because what they ask could not be found out."""
    given_up: tuple[GivenUp, ...] = ()
    """What sinks were never told, since it judges and since the last that each of them was told."""


class AlertBoard:
    """The typed reader over a `View`; what cannot be read is left out."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._entries: dict[str, Entry] = {}
        view.on_change(INCIDENT_PREFIX, self._note)

    def _note(self, update: Update) -> None:
        entry = _read(update.value, Entry)
        if entry is not None:
            self._entries[update.key] = entry

    def states(self) -> dict[str, AlertState]:
        """Alert id -> its last state that was written."""
        return {state.id: state for state in self._all(ALERT_PREFIX, AlertState)}

    def budgets(self) -> dict[str, BudgetState]:
        """Vendor -> what was told of its budget."""
        return {state.vendor: state for state in self._all(BUDGET_PREFIX, BudgetState)}

    def deliveries(self) -> list[Delivery]:
        """What has not reached its sink yet."""
        return self._all(NOTICE_PREFIX, Delivery)

    def judged(self) -> Judgement | None:
        """The last judgement of any worker; None where nobody has judged."""
        told = [each for each in self._all(WORKER_PREFIX, Judgement) if each.at is not None]
        return max(told, key=lambda each: each.at or 0.0, default=None)

    def incidents(self) -> dict[str, Incident]:
        """Id -> incident, the oldest first."""
        return fold(self._entries.values())

    def _all(self, prefix: str, model: type[M]) -> list[M]:
        read = (_read(entry.value, model) for _, entry in self.view.items(prefix))
        return [each for each in read if each is not None]


def _read(value: bytes | None, model: type[M]) -> M | None:
    try:
        return model.parse(value)
    except UnreadableValue:
        return None


def alert_key(state: AlertState) -> str:
    """Where an alert's state lies."""
    return f"{ALERT_PREFIX}{state.id}"


def follow_alerts(
    bootstrap_servers: str,
    sender: Sender,
    *,
    key: str,
    monotonic: Callable[[], float],
    on_crash: Crash,
    beat: Callable[[], bytes] = lambda: b"{}",
) -> tuple[AlertBoard, Follower]:
    """The board and the follower that feeds it; start and stop the follower.

    `key` is where this process's signs of life lie, ``worker/...`` or ``observer/...``, and `beat`
    what they say.
    """
    view = View()
    follower = Follower(
        bootstrap_servers,
        topics.ALERTS.name,
        view=view,
        sender=sender,
        key=key,
        beat=beat,
        monotonic=monotonic,
        on_crash=on_crash,
    )
    return AlertBoard(view), follower
