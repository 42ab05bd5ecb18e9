"""A poison event: how often it took the process down, and how it is told from its neighbours.

An attempt is noted with the group's committed offset *before* the first record behind that offset
is handed out, so even a process that is killed by its own memory has counted. Any commit that moves
takes the note of a process without a limit away. While deaths repeat without progress, ever fewer
records are handed out at once, and only they are suspects of the next death; in the end the head of
one partition stands alone in the whole process, and when it kills again it is the culprit and goes
to the dead letters. Its last try waits until the process has lived for a while: whoever kills workers
one after the other does not reach it. A partition that is given up in order takes its attempt back.

Weakness: a record at which somebody else kills twice while it stands alone looks the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

POISON_AFTER = 5
"""Deaths at one record before it is a dead letter (RELIABILITY R3)."""
AT_ONCE = (None, None, 64, 1, 1)
"""Records in hand at once after so many deaths; None is no limit. Two deaths may be bad luck, and
whoever was alone at a death is tried once more: if it passes, somebody else had killed."""
SUSPECTS = 8000
"""Records behind the offset that may have been in hand at a death without a limit, two full fetches;
past them all are cleared."""

CALM = 10.0
"""Seconds that a process has held the partition before it gives a record its last try."""

_NOTE = re.compile(r"deaths=(\d+) until=(\d+)")


@dataclass(frozen=True)
class Suspicion:
    """`deaths` of processes that held records from the commit up to `until` (offset, exclusive)."""

    deaths: int = 0
    until: int = 0

    @classmethod
    def parse(cls, note: str | None) -> Suspicion:
        """The note of a committed offset; a foreign or empty one says nothing."""
        found = _NOTE.fullmatch(note or "")
        return cls(int(found[1]), int(found[2])) if found else cls()

    def note(self) -> str:
        """The text that goes with the committed offset; empty when nothing is suspected."""
        return f"deaths={self.deaths} until={self.until}" if self.deaths else ""

    def at_start(self, position: int, end: int) -> Suspicion:
        """What the next process makes of it, where the log ends at `end` (offset) as it begins.

        What comes later was in nobody's hand; a record that was alone is the only suspect left.
        """
        if min(self.until, end) <= position:
            return Suspicion()
        if self.is_last_try:
            return Suspicion(self.deaths, position + 1)
        return Suspicion(self.deaths, min(self.until, end))

    @property
    def is_last_try(self) -> bool:
        """Whether the head of the partition was alone at a death, and is poison if it kills again."""
        return self.deaths == POISON_AFTER - 1

    @property
    def is_poison(self) -> bool:
        """Whether the head of the partition is to be buried unread."""
        return self.deaths >= POISON_AFTER

    @property
    def at_once(self) -> int | None:
        """How many records may be in hand; None is no limit."""
        return 1 if self.is_poison else AT_ONCE[self.deaths]

    def counted(self, position: int, end: int) -> Suspicion:
        """One attempt more, at the records from `position` up to `end` (offset, exclusive).

        With a limit those alone are in hand, so a few kills from outside do not leave thousands
        of records to be tried one by one.
        """
        if self.at_once is None:
            end = max(self.until, position + SUSPECTS)
        return Suspicion(self.deaths + 1, end)

    def at(self, offset: int) -> Suspicion:
        """What is left of it once everything below `offset` is done."""
        return self if offset < self.until else Suspicion()
