"""Keyword rules: what a message is about where its words leave little doubt.

They decide alone when the model cannot, so they would rather say nothing than be wrong. Tier 0
is asked first and apart: it sees every message, and no model can overrule it.
"""

from __future__ import annotations

import re

from pipeline.domain.patterns import Rule
from pipeline.domain.phrases import RULES
from pipeline.domain.routing import PRECEDENCE, STATUS, choose
from pipeline.domain.serious_phrases import TIER0
from pipeline.domain.taxonomy import HANDLING, Confidence, Intent, Verdict

MAX_TEXT = 8_000
"""Characters that are looked at: patterns are linear, and a longer text adds no intent."""

_SPELLINGS = (
    (re.compile(r"[\u2018\u2019\u02bc`]"), "'"),
    (re.compile(r"[\u201c\u201d]"), '"'),
    (re.compile(r"\bu\b"), "you"),
    (re.compile(r"\bur\b"), "your"),
    (re.compile(r"\b(?:pls|plz)\b"), "please"),
    (re.compile(r"\bcanel|\bcancle|\bcansel|\bcacel"), "cancel"),
    (re.compile(r"\brefun\b|\brefudn|\brefnd"), "refund"),
    (re.compile(r"\brecieve"), "receive"),
    (re.compile(r"\bpasword|\bpassowrd|\bpasswrod"), "password"),
    (re.compile(r"\bacount|\baccont|\baccuont|\bacccount|\baccunt"), "account"),
    (re.compile(r"\bdont\b"), "don't"),
    (re.compile(r"\bcant\b"), "can't"),
    (re.compile(r"\s+"), " "),
)
_NEGATED = re.compile(
    r"\b(?:don'?t|do not|not|never|no need to|rather not|without) (?:\w+ ){0,3}?"
    r"(?:cancel\w*|return\w*|exchang\w*|refund\w*|chang\w*)\b"
)


def normalise(text: str) -> str:
    """Lower case, single spaces, frequent spellings made one; at most `MAX_TEXT` characters."""
    text = text[:MAX_TEXT].casefold()
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text.strip()


def tier0(text: str) -> Verdict | None:
    """Chargeback, legal, threats, fraud: a human's case, whatever else the message says."""
    said = normalise(text)
    found = [rule for rule in TIER0 if rule.pattern.search(said)]
    if not found:
        return None
    return Verdict(choose({rule.intent for rule in found}), Confidence.HIGH, _codes(found))


def classify_by_keywords(text: str) -> Verdict | None:
    """One intent where the rules are sure, else None.

    High confidence where a rule speaks, medium where there are only mentions (weak rules).
    Several intents are put in order by `routing.choose`; where those that are left lie with
    different teams and none beats the others, the rules are not sure. Mail that is quoted below
    the customer's own words is not read, except by Tier 0.
    """
    serious = tier0(text)
    if serious is not None:
        return serious
    said = _DENIED.sub(" ", normalise(_QUOTED.sub("", text[:MAX_TEXT])))
    found = [rule for rule in RULES if rule.pattern.search(said)]
    strong = [rule for rule in found if not rule.weak]
    intents = _specific({rule.intent for rule in strong or found})
    if not intents or _undecidable(intents):
        return None
    confidence = Confidence.HIGH if strong else Confidence.MEDIUM
    return Verdict(choose(intents), confidence, _codes(strong or found))


def _codes(found: list[Rule]) -> tuple[str, ...]:
    return tuple(sorted({rule.code for rule in found}))


_BEATS: dict[Intent, set[Intent]] = {
    Intent.CANCEL_SUBSCRIPTION: {Intent.CANCEL_ORDER, Intent.TECHNICAL_SUPPORT},
    Intent.TECHNICAL_SUPPORT: {Intent.PRE_PURCHASE_QUESTION},
    Intent.BILLING_ISSUE: {Intent.PRE_PURCHASE_QUESTION},
    Intent.PROMO_DISCOUNT_ISSUE: {Intent.PRE_PURCHASE_QUESTION, Intent.TECHNICAL_SUPPORT},
}
"""A found intent -> those whose words are also part of it ("code does not work at checkout")."""


def _specific(intents: set[Intent]) -> set[Intent]:
    return intents - {weak for strong in intents for weak in _BEATS.get(strong, ())}


def _undecidable(intents: set[Intent]) -> bool:
    """Whether different teams claim the message and no precedence tells them apart."""
    teams = {HANDLING[intent].team for intent in intents.difference(STATUS)}
    return len(teams) > 1 and choose(intents) not in PRECEDENCE
