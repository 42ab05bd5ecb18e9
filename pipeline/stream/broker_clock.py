"""The broker's clock, as a process that follows a topic knows it.

What one worker writes for another to act on later, such as the end of a lease, must not hang on
either's own clock: one of them may be an hour off.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.stream.control import Update, View


class BrokerClock:
    """Unix seconds by the broker's clock; as exact as a record is quick from there to here.

    Call it only once `view` is known: before its first record it is the monotonic clock itself.
    """

    def __init__(self, view: View, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ahead = 0.0
        view.on_change("", self._heard)

    def _heard(self, update: Update) -> None:
        self._ahead = update.at - self._monotonic()

    def __call__(self) -> float:
        """The time now."""
        return self._monotonic() + self._ahead
