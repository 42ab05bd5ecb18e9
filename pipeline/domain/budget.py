"""Who may use how much of a vendor's budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """Requests of one window, by whom they are for; together the whole budget."""

    people: float
    """Agents at their screens, and reconciliation."""
    reading: float
    """The words of messages that a webhook announced without them; `classify` reads them."""
    acting: float
    """Routes, tags and replies; `act` makes them."""


def split(limit: float, *, kept: float, reading: float) -> Split:
    """Splits `limit` requests.

    Args:
        limit: what the vendor allows in a window.
        kept: the part of it that automation leaves alone.
        reading: the part of the rest that is for reading.
    """
    ours = limit * (1 - kept)
    return Split(people=limit - ours, reading=ours * reading, acting=ours * (1 - reading))
