"""How many replies each customer was given within a day, over all tickets and workers.

A customer's tickets lie on several partitions, so no worker's ledger knows all of them. Every
reservation is written to one small topic together with its intent, and every act worker follows
that topic.

Bound: what another worker reserved is counted here at the latest `STALE_AFTER` seconds later, or
no reply goes out at all. Within that time each other worker can give one customer more than the
cap; a worker's own replies are counted at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from pipeline import topics
from pipeline.domain.events import CountedReply, UnreadableValue
from pipeline.domain.permit import DAY
from pipeline.stream.control import Update, View
from pipeline.stream.producer import Outgoing

STALE_AFTER = 5.0
"""Seconds after which the counts are not known any more."""
PREFIX = "reply/"


class CustomerCounts:
    """The counts as `view` brings them; `monotonic` gives the seconds of its freshness."""

    def __init__(self, view: View, *, monotonic: Callable[[], float]) -> None:
        self._view = view
        self._monotonic = monotonic
        self._times: dict[str, dict[str, float]] = defaultdict(dict)
        view.on_change(PREFIX, self._apply)

    @property
    def is_fresh(self) -> bool:
        """Whether everything that was reserved `STALE_AFTER` seconds ago is counted."""
        return self._view.is_fresh(self._monotonic(), STALE_AFTER)

    def others(self, customer: str, action_id: str) -> list[float] | None:
        """When the customer's other replies were reserved, unix seconds; None = not known.

        `customer` is a `customer_hash`.
        """
        if not self.is_fresh:
            return None
        mine = self._times.get(customer, {})
        return [at for each, at in mine.items() if each != action_id]

    def reserve(self, customer: str, action_id: str, at: float) -> Outgoing:
        """Counts a reply here and now; the record tells the other workers."""
        first = self._times[customer].setdefault(action_id, at)
        return _record(customer, action_id, CountedReply(at=first).to_bytes())

    def give_up(self, customer: str, action_id: str) -> Outgoing:
        """Takes a reply that will not be sent out of the count."""
        self._times[customer].pop(action_id, None)
        return _record(customer, action_id, None)

    def too_old(self, now: float) -> Iterator[Outgoing]:
        """Removes what no cap looks at any more, so that the topic and the memory stay small."""
        for customer, replies in self._times.items():
            for action_id, at in replies.items():
                if at < now - DAY:
                    yield _record(customer, action_id, None)

    def _apply(self, update: Update) -> None:
        customer, _, action_id = update.key.removeprefix(PREFIX).partition("/")
        if update.value is None:
            self._times[customer].pop(action_id, None)
            if not self._times[customer]:
                del self._times[customer]
            return
        try:
            self._times[customer][action_id] = CountedReply.parse(update.value).at
        except UnreadableValue:
            # It was some reply; the broker's time of it serves the cap as well.
            self._times[customer][action_id] = update.at


def _record(customer: str, action_id: str, value: bytes | None) -> Outgoing:
    key = f"{PREFIX}{customer}/{action_id}"
    return Outgoing(topics.COUNTED.name, key.encode(), value, (), 0)
