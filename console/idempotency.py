"""`Idempotency-Key`: the same request again gets the first one's answer, and runs nothing twice.

Kept in this process only. After a restart a repeated key runs again, which is harmless for a
mode: it is set to a value, never moved by an amount.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

REMEMBERED = 10_000
"""Answers that are kept; the oldest go first."""


@dataclass(frozen=True)
class Response:
    """A status and a JSON body."""

    status: int
    body: object


class Standing(Enum):
    """Why a request is not run now."""

    IN_FLIGHT = "in_flight"
    OTHER_PAYLOAD = "other_payload"


@dataclass
class _Entry:
    payload: bytes
    response: Response | None = None


class Keys:
    """What is known of each key."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def begin(self, key: str, payload: bytes) -> Response | Standing | None:
        """None when the caller is to run the request and then `end` or `forget` it."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(payload)
            return None
        if entry.payload != payload:
            return Standing.OTHER_PAYLOAD
        return Standing.IN_FLIGHT if entry.response is None else entry.response

    def end(self, key: str, response: Response) -> None:
        """Keeps the answer for whoever asks again."""
        self._entries[key].response = response
        while len(self._entries) > REMEMBERED:
            oldest = next((each for each, entry in self._entries.items() if entry.response), None)
            if oldest is None:
                return
            del self._entries[oldest]

    def forget(self, key: str) -> None:
        """The request came to nothing that an answer could tell; the next one runs."""
        self._entries.pop(key, None)
