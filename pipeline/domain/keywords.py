"""Keyword rules: what a message is about where its words leave little doubt.

They decide alone when the model cannot, so they would rather say nothing than be wrong. Tier 0
is asked first and apart: it sees every message, and no model can overrule it.
"""

from __future__ import annotations

import re

from pipeline.domain.phrases import RULES, TIER0
from pipeline.domain.routing import choose
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
    intent = choose({rule.intent for rule in found})
    return Verdict(intent, Confidence.HIGH, tuple(sorted({rule.code for rule in found})))


def classify_by_keywords(text: str) -> Verdict | None:
    """One intent where the rules are sure, else None.

    Several intents are put in order by `routing.choose`; where those that are left lie with
    different teams and none beats the others, the rules are not sure.
    """
    serious = tier0(text)
    if serious is not None:
        return serious
    said = _NEGATED.sub(" ", normalise(text))
    found = [rule for rule in RULES if rule.pattern.search(said)]
    intents = {rule.intent for rule in found}
    intents -= _weaker(intents)
    if not intents:
        return None
    intent = choose(intents)
    teams = {HANDLING[each].team for each in intents}
    if len(teams) > 1 and intent in _UNORDERED:
        return None
    return Verdict(intent, Confidence.HIGH, tuple(sorted({rule.code for rule in found})))


_UNORDERED = {
    Intent.PRE_PURCHASE_QUESTION,
    Intent.PROMO_DISCOUNT_ISSUE,
    Intent.BILLING_ISSUE,
    Intent.TECHNICAL_SUPPORT,
    Intent.PHONE_SUPPORT_REQUEST,
    Intent.SOCIAL_MEDIA_SUPPORT_REQUEST,
    Intent.TIKTOK_SUPPORT_REQUEST,
    Intent.INFLUENCER_MARKETING_INQUIRY,
    Intent.UNKNOWN_OTHER,
}
"""Intents that the precedence does not order among each other."""

_BEATS: dict[Intent, set[Intent]] = {
    Intent.CANCEL_SUBSCRIPTION: {Intent.CANCEL_ORDER, Intent.TECHNICAL_SUPPORT},
    Intent.TECHNICAL_SUPPORT: {Intent.PRE_PURCHASE_QUESTION},
    Intent.BILLING_ISSUE: {Intent.PRE_PURCHASE_QUESTION},
}


def _weaker(intents: set[Intent]) -> set[Intent]:
    """Intents whose words are also part of a more specific one that was found."""
    return {weak for strong in intents & set(_BEATS) for weak in _BEATS[strong]}
