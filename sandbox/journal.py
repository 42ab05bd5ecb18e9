"""What the fake helpdesk really did: the truth that tests and scenarios judge by."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Effect:
    """One applied change. `at` is unix seconds; `body_hash` stands for a reply's text."""

    seq: int
    at: float
    ticket_id: str
    kind: str
    """tags, assign, status, reply or note."""
    detail: str
    body_hash: str = ""


class Journal:
    """Append-only; with a file it outlives the process."""

    def __init__(self, file: Path | None = None) -> None:
        self.effects: list[Effect] = []
        self._file = file.open("a") if file is not None else None

    def add(
        self, ticket_id: str, kind: str, *, at: float, detail: str = "", body: str = ""
    ) -> None:
        """Notes an applied effect."""
        hashed = hashlib.sha256(" ".join(body.split()).encode()).hexdigest() if body else ""
        effect = Effect(len(self.effects), at, ticket_id, kind, detail, hashed)
        self.effects.append(effect)
        if self._file is not None:
            self._file.write(json.dumps(asdict(effect)) + "\n")
            self._file.flush()


def double_replies(effects: Iterable[Effect], messages: Mapping[str, int]) -> int:
    """Replies that no customer message asked for.

    Counted from effects alone: what a ticket got beyond its number of customer messages
    (`messages`), or the same text again on one ticket, whichever is more.
    """
    replies: dict[str, list[str]] = defaultdict(list)
    for effect in effects:
        if effect.kind == "reply":
            replies[effect.ticket_id].append(effect.body_hash)
    return sum(
        max(
            len(bodies) - messages.get(ticket_id, 0),
            sum(count - 1 for count in Counter(bodies).values()),
            0,
        )
        for ticket_id, bodies in replies.items()
    )
