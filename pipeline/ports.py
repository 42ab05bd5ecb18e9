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

    async def send_reply(self, ticket: TicketState, *, body: str) -> None:
        """Sends `body` to the customer on the ticket's own channel, exactly as it is."""
        ...

    async def add_note(self, ticket: TicketState, *, body: str) -> None:
        """Writes `body` for agents only; no customer is told of it."""
        ...

    async def has_linked_order(self, ticket_id: str) -> bool:
        """Whether an order is linked; without one no tracking is ever disclosed."""
        ...


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said, already held against the allow-lists. `confidence`: high medium low."""

    intent: str
    confidence: str
    model: str
    seconds: float
    tokens: int
    prompt_version: str


class Classifier(Protocol):
    """Names the intent of a text with a language model, within a total deadline."""

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        """One intent of the taxonomy.

        Raises:
            VendorError: timeout, refusal, unusable answer, 429, 5xx; `code` says which.
        """
        ...
