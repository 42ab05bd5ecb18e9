"""A rule: an intent, a code and the phrases that tell it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain.phrases.families import FAMILIES
from pipeline.domain.taxonomy import Intent
from pipeline.domain.wording import Phrase, phrase


@dataclass(frozen=True)
class Rule:
    """Phrases of which one is enough; `code` names the rule in reasons and audit."""

    intent: Intent
    code: str
    phrases: tuple[Phrase, ...]
    weak: bool = False
    """Only a mention ("customer service", "cancelled"): it counts where no other rule speaks."""
    beside: tuple[Phrase, ...] = ()
    """Of these, too, one must stand somewhere in the message."""
    unless: tuple[Phrase, ...] = ()
    """Of these, none may stand anywhere in the message."""
    beats: frozenset[Intent] = frozenset()
    """Intents whose words are also part of this one ("the code does not work at checkout")."""


def lines(text: str) -> tuple[Phrase, ...]:
    """The phrases of `text`, one a line (see `wording`)."""
    return tuple(phrase(line, FAMILIES) for line in text.splitlines() if line.strip())


def rule(
    intent: Intent,
    code: str,
    text: str,
    *,
    weak: bool = False,
    beside: str = "",
    unless: str = "",
    beats: frozenset[Intent] = frozenset(),
) -> Rule:
    """The rule that `text`, one phrase a line, writes."""
    return Rule(intent, code, lines(text), weak, lines(beside), lines(unless), beats)


STATUS_QUESTIONS = frozenset({Intent.ORDER_STATUS_TRACKING, Intent.SHIPPING_DELAY_NOT_SHIPPED})
COMPLAINTS = frozenset(
    {
        Intent.DAMAGED_ITEM,
        Intent.WRONG_ITEM_RECEIVED,
        Intent.MISSING_ITEMS_IN_SHIPMENT,
        Intent.DELIVERED_NOT_RECEIVED,
    }
)
OUTCOMES_WANTED = frozenset({Intent.RETURN_REQUEST, Intent.EXCHANGE_REQUEST, Intent.REFUND_REQUEST})
