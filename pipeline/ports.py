"""What the stages need of the outside world, and how its failures are told apart.

    VendorError
    |- Transient            try again: refused connection, 5xx before any write
    |  `- RateLimited       try again after `retry_after`
    |- Permanent            never try again: 400, 401, 403, 404, 409, 413, 422
    `- Ambiguous            the write may or may not have happened: timeout, reset, 5xx on a write

Who calls decides by the class alone; texts are for logs and hold no customer data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class VendorError(Exception):
    """A vendor did not do what was asked. `code` is short and stable, e.g. ``http_429``."""

    tokens = 0
    """Of a model: what it has used all the same."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Transient(VendorError):
    """Nothing was written; a later try may work."""


class RateLimited(Transient):
    """429: nothing was written and nothing will be for `retry_after` seconds."""

    def __init__(self, code: str, retry_after: float) -> None:
        super().__init__(code)
        self.retry_after = retry_after


class Permanent(VendorError):
    """The same call can never work."""


class Ambiguous(VendorError):
    """A write whose outcome is not known; only reading back can tell."""


@dataclass(frozen=True)
class Comment:
    """One message of a ticket, oldest first in `TicketState.comments`."""

    id: str
    body: str
    is_operator: bool
    created_at: float | None = None
    is_note: bool = False
    """For agents only; no customer ever sees it."""


@dataclass(frozen=True)
class TicketState:
    """A ticket as the helpdesk shows it now; `tags` are names, lower case."""

    id: str
    status: str
    channel: str
    tags: frozenset[str]
    assignee_id: str | None
    comments: tuple[Comment, ...]
    customer: str | None = None
    """Who is written to, the same on all tickets of one person; None = the helpdesk does not say."""

    @property
    def is_open(self) -> bool:
        """Whether the helpdesk still counts the ticket as open."""
        return self.status.upper() == "OPEN"


@dataclass(frozen=True)
class LinkedOrder:
    """Which order the helpdesk has linked to a ticket."""

    order_id: str
    app_client_id: str


@dataclass(frozen=True)
class Order:
    """What a reply may tell of an order; None where it is not known."""

    number: str | None
    """The number that the customer knows."""
    status: str | None
    """How far it has come, in the vendor's word: ``fulfilled``, ``partial`` ..."""
    tracking_url: str | None


class Meter(Protocol):
    """Is told by a client what its vendor's budget has to know."""

    def spent(self) -> None:
        """A request was made, whatever became of it."""
        ...

    def remaining(self, count: int) -> None:
        """The vendor says that `count` more requests are allowed now."""
        ...


class Unmetered:
    """For a client that nobody counts."""

    def spent(self) -> None:
        """Nobody counts."""

    def remaining(self, count: int) -> None:
        """Nobody counts."""


class Helpdesk(Protocol):
    """The support desk that sends webhooks and takes routes and replies.

    Reads raise `Transient` or `Permanent`; writes may raise `Ambiguous` too. No method retries.
    """

    async def ticket(self, ticket_id: str) -> TicketState:
        """The ticket as it is now."""
        ...

    async def team_ids(self) -> dict[str, str]:
        """Team name -> id; cached, read once per process and hour."""
        ...

    async def apply_route(
        self, ticket: TicketState, *, team_id: str | None, tags: tuple[str, ...]
    ) -> None:
        """Sets assignee and adds tags in as few writes as the API allows; skips what is set."""
        ...

    async def add_tags(self, ticket_id: str, tags: tuple[str, ...]) -> None:
        """Adds tags to a ticket that nobody has read; safe to repeat."""
        ...

    async def send_reply(self, ticket: TicketState, *, body: str) -> None:
        """Sends `body` to the customer on the ticket's own channel, exactly as it is."""
        ...

    async def add_note(self, ticket: TicketState, *, body: str) -> None:
        """Writes `body` for agents only; no customer is told of it."""
        ...

    async def linked_order(self, ticket_id: str) -> LinkedOrder | None:
        """The order that is linked to the ticket; without one nothing is ever disclosed."""
        ...

    async def order(self, linked: LinkedOrder) -> Order | None:
        """What the helpdesk knows of an order; None where it knows none by these ids."""
        ...


class RecentTickets(Protocol):
    """The helpdesk's newest tickets, for one question: do customers write?"""

    async def customers_wrote(self) -> list[float]:
        """When (unix seconds) the customers of the newest tickets wrote last, in one call.

        Raises:
            VendorError: no answer, or no usable one.
        """
        ...


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said, already held against the allow-lists. `confidence`: high medium low."""

    intent: str
    confidence: str
    model: str
    seconds: float
    tokens: int
    """Of all attempts together."""
    prompt_version: str


class Shop(Protocol):
    """The shop that the orders are in; read only."""

    async def order(self, order_id: str) -> Order | None:
        """The order with this id; None where there is none.

        Raises:
            VendorError: no answer, no usable one, or no access.
        """
        ...


MODEL_ATTEMPTS = 2
"""Requests that one classification makes at most."""


class Classifier(Protocol):
    """Names the intent of a text with a language model, within a total deadline."""

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        """One intent of the taxonomy.

        Raises:
            VendorError: timeout, refusal, unusable answer, 429, 5xx; `code` says which.
        """
        ...
