"""What an operator sees of a ticket's replies, read from the ledger's rows."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import Any

from pipeline.domain.events import UnreadableValue
from pipeline.domain.ledger import (
    Done,
    DoneOutcome,
    Intent,
    Reserved,
    TicketReplies,
    ticket_key,
)


class ReplyState(StrEnum):
    """What an operator sees of one reply."""

    RESERVED = "reserved"
    """It has its place in the ticket's caps and waits for its turn to be sent."""
    SENDING = "sending"
    """Its lease runs: it may be on the wire now."""
    UNKNOWN = "unknown"
    """Its lease is over and nobody knows yet whether it went out."""
    SENT = "sent"
    DRAFTED = "drafted"
    FAILED = "failed"
    TRIAGED = "triaged"
    WITHHELD = "withheld"


_STATE_OF = {
    DoneOutcome.SENT: ReplyState.SENT,
    DoneOutcome.FOUND: ReplyState.SENT,
    DoneOutcome.DRAFTED: ReplyState.DRAFTED,
    DoneOutcome.FAILED: ReplyState.FAILED,
    DoneOutcome.TRIAGED: ReplyState.TRIAGED,
}


def reply_state(intent: Intent | None, done: Done | None, *, now: float) -> ReplyState:
    """What the rows of a reply that has its place mean at `now`, unix seconds."""
    if done is not None:
        return _STATE_OF[done.outcome]
    if intent is None:
        return ReplyState.RESERVED
    return ReplyState.SENDING if now < intent.deadline_at else ReplyState.UNKNOWN


class TicketLedger:
    """All rows of one ticket, picked out of the ledger's changelog in its order."""

    def __init__(self, ticket: str) -> None:
        self.ticket = ticket
        self._reserved: dict[str, Reserved] = {}
        self._intents: dict[str, dict[str, Intent]] = {}
        self._done: dict[str, Done] = {}

    def apply(self, key: str, value: bytes | None) -> None:
        """Takes one row of the changelog; rows of others, and unreadable ones, change nothing."""
        with contextlib.suppress(UnreadableValue):
            self._apply(key, value)

    def _apply(self, key: str, value: bytes | None) -> None:
        action_id, _, kind = key.rpartition("#")
        if key == ticket_key(self.ticket):
            replies = () if value is None else TicketReplies.parse(value).replies
            self._reserved = {each.action_id: each for each in replies}
        elif kind.startswith("intent"):
            self._apply_intent(action_id, kind, None if value is None else Intent.parse(value))
        elif kind == "done" and value is not None:
            done = Done.parse(value)
            if action_id in self._intents or done.conversation_id == self.ticket:
                self._done[action_id] = done

    def _apply_intent(self, action_id: str, kind: str, intent: Intent | None) -> None:
        if intent is None:
            self._intents.get(action_id, {}).pop(kind, None)
        elif intent.conversation_id == self.ticket:
            self._intents.setdefault(action_id, {})[kind] = intent

    def states(self, now: float) -> list[dict[str, Any]]:
        """Every reply that has its place or its end: id, at, state and, of an intent, by whom."""
        tried = {each for each, attempts in self._intents.items() if attempts}
        known = tried | set(self._reserved) | set(self._done)
        return [self._line(each, now) for each in sorted(known)]

    def _line(self, action_id: str, now: float) -> dict[str, Any]:
        attempts = self._intents.get(action_id, {}).values()
        intent = max(attempts, key=lambda each: each.attempt, default=None)
        state = reply_state(intent, self._done.get(action_id), now=now).value
        if intent is not None:
            by = {"worker": intent.worker, "attempt": intent.attempt}
            return {"id": action_id, "at": intent.at, "state": state, **by}
        # Without an intent it has its place, or was found on the ticket by a ledger that knew nothing.
        known = self._reserved if action_id in self._reserved else self._done
        return {"id": action_id, "at": known[action_id].at, "state": state}
