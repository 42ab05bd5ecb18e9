"""The values on our topics, and the ids that tie them together.

Every model keeps fields it does not know, so an older process passes on what a newer one added;
a `schema_version` it does not know is refused by `parse`. All ids derive from input ids, never
from time, chance or model text, so a redelivery builds the same ones again.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.domain.tally import Tally

SCHEMA_VERSION: Literal[1] = 1


class UnreadableValue(Exception):
    """A value that is not what its topic promises. The text never holds the value itself."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Where a value does not fit first, with dots, "" for all of it; and what is wrong there.

    Never the value itself.
    """
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"]


class Message(BaseModel):
    """What every value on a topic shares."""

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: Literal[1] = SCHEMA_VERSION

    def to_bytes(self) -> bytes:
        """The value as UTF-8 JSON."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def parse(cls, value: bytes | None) -> Self:
        """Reads a value back.

        Raises:
            UnreadableValue: no JSON, an unknown version or a wrong field; `reason` is a code.
        """
        try:
            return cls.model_validate_json(value or b"")
        except ValidationError as error:
            where, _ = first_problem(error)
            if where == "schema_version":
                raise UnreadableValue("unknown_schema_version") from None
            raise UnreadableValue(f"invalid_{where or 'json'}") from None


class Author(StrEnum):
    """Who wrote the message that a webhook speaks of."""

    CUSTOMER = "customer"
    AGENT = "agent"
    SELF = "self"


class AcceptedTicket(Message):
    """A customer message that won its event id: the value of `tickets.accepted`."""

    event_id: str
    tenant: str
    source: str
    conversation_id: str
    message_id: str | None = None
    channel: str
    text: str
    ingress_id: str
    received_at: float
    """Unix seconds at which the ingress had the whole body."""
    weak_key: bool = False
    """True where no message id was sent and the id is a hash of the text."""


class RouteStep(BaseModel):
    """Assign the ticket and set its tags; safe to repeat."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Literal["route"] = "route"
    action_id: str
    team: str
    tags: tuple[str, ...]


class ReplyStep(BaseModel):
    """Answer the customer with a template; must never happen twice."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Literal["reply"] = "reply"
    action_id: str
    template: str


class MarkStep(BaseModel):
    """Tag the ticket with what became of its reply; safe to repeat."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: Literal["mark"] = "mark"
    action_id: str


Step = Annotated[RouteStep | ReplyStep | MarkStep, Field(discriminator="kind")]


class MessageRead(BaseModel):
    """The customer's message that was read at the helpdesk because the webhook had no words."""

    model_config = ConfigDict(frozen=True, extra="allow")

    message_id: str
    channel: str


class Decision(Message):
    """What a message is about and who said so; stored by event id before it is forwarded."""

    intent: str
    confidence: str
    path: Literal["tier0", "model", "rules", "default_team"]
    reasons: tuple[str, ...] = ()
    team: str
    tags: tuple[str, ...]
    template: str | None = None
    template_version: str | None = None
    """Of the text when it was decided: the reply's id hangs on it and must not change later."""
    triage: bool = False
    model: str | None = None
    prompt_version: str | None = None
    model_seconds: float | None = None
    tokens: int | None = None
    read: MessageRead | None = None
    """What was decided about, where the webhook did not bring it; never the words themselves."""


class ActionRequest(Message):
    """A plan for one ticket, steps in safe order: the value of `actions.requested`."""

    event_id: str
    tenant: str
    conversation_id: str
    message_id: str | None = None
    channel: str
    ingress_id: str
    received_at: float
    has_text: bool = True
    """Whether the customer's message has any words."""
    decision: Decision
    steps: tuple[Step, ...]
    released_by: str | None = None
    """The operator who sent a withheld step back to be asked for again."""


class HeldState(StrEnum):
    """Where a withheld step stands."""

    WITHHELD = "withheld"
    RELEASED = "released"
    EXPIRED = "expired"


class Withheld(Message):
    """A step that was not executed, with what it would have said: `actions.withheld`."""

    action_id: str
    event_id: str
    conversation_id: str
    mode: str
    reason: str
    kind: Literal["route", "reply", "mark"]
    rendered: str | None = None
    at: float
    """Unix seconds."""
    expires_at: float | None = None
    """Unix seconds after which a release would come too late; None = of an earlier version, never."""
    request: ActionRequest | None = None
    """The plan with this step alone, for a release."""
    state: HeldState = HeldState.WITHHELD
    by: str | None = None
    """The operator who released it or let it expire."""


class CountedReply(Message):
    """A reply that was reserved for a customer, for the cap over all tickets of theirs."""

    at: float
    """Unix seconds."""


class Outcome(StrEnum):
    """Where a webhook may end; each accepted one reaches exactly one of these."""

    ACTED = "acted"
    WITHHELD = "withheld"
    TRIAGED = "triaged"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    DEAD_LETTERED = "dead_lettered"


class Audit(Message):
    """One thing that one stage decided: the value of `audit.recorded`.

    Holds ids, hashes and reason codes, never a customer's words.
    """

    stage: str
    what: str
    """Past participle of what happened: accepted, classified, routed, replied, withheld ..."""
    ingress_id: str
    event_id: str | None = None
    action_id: str | None = None
    conversation_hash: str | None = None
    outcome: Outcome | None = None
    """Set on the record that ends the webhook's way."""
    reason: str | None = None
    detail: dict[str, str | int | float | bool] = Field(default_factory=dict)
    at: float
    """Unix seconds."""
    received_at: float | None = None
    measured: Tally | None = None
    """What a process counted and timed since its last such record, where `what` is measured."""

    @property
    def seconds(self) -> float | None:
        """From the webhook's arrival to this record, in seconds."""
        return None if self.received_at is None else max(0.0, self.at - self.received_at)


def digest(*parts: str, size: int = 16) -> str:
    """A short stable id of `parts`: `size` bytes of BLAKE2b as hex; parts cannot run together."""
    joined = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(joined, digest_size=size).hexdigest()


def conversation_hash(tenant: str, conversation_id: str) -> str:
    """How audit names a conversation: joinable, not readable."""
    return digest("conversation", tenant, conversation_id, size=8)


def customer_hash(tenant: str, customer: str) -> str:
    """How counts name a customer: joinable, not readable."""
    return digest("customer", tenant, customer.casefold(), size=16)


def strong_event_id(source: str, conversation_id: str, message_id: str) -> str:
    """The idempotency key of a message that the provider named."""
    return f"evt:{source}:{conversation_id}:{message_id}"


def weak_event_id(source: str, conversation_id: str, text: str, bucket: int) -> str:
    """The key of an unnamed message: its normalised text within one time bucket.

    Weak on purpose: two equal texts in one bucket count as one, so it is counted apart.
    """
    normal = re.sub(r"\s+", " ", text).strip().casefold()
    return f"evt:{source}:{conversation_id}:~{digest(normal, str(bucket))}"


def action_id(tenant: str, conversation_id: str, event_id: str, kind: str, version: str) -> str:
    """The idempotency key of one step; `version` is the template's (or the route's) name."""
    return digest("action", tenant, conversation_id, event_id, kind, version)
