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

_SPELLINGS = tuple(
    (re.compile(wrong), right)
    for wrong, right in (
        (r"[\u2018\u2019\u02bc`\u00b4]", "'"),
        (r"[\u201c\u201d]", '"'),
        (r"\bu\b", "you"),
        (r"\bur\b", "your"),
        (r"\b(?:pls|plz)\b", "please"),
        (r"\bcanel|\bcancle|\bcansel|\bcacel", "cancel"),
        (r"\brefun\b|\brefudn|\brefnd", "refund"),
        (r"\brecieve", "receive"),
        (r"\bpasword|\bpassowrd|\bpasswrod", "password"),
        (r"\bacount|\baccont|\baccuont|\bacccount|\baccunt", "account"),
        (r"\b(do|does|did|is|are|was|were|has|have|had|could|would|should)n'?t\b", r"\1 not"),
        (r"\bca(?:n'?t|nnot)\b", "can not"),
        (r"\bwon'?t\b", "will not"),
        (r"\bi'?m\b", "i am"),
        (r"\b(i|you|we|they)'?ve\b", r"\1 have"),
        (r"\b(\w{1,8})'ll\b", r"\1 will"),
        (r"\b(you|we|they)'re\b", r"\1 are"),
        (r"\b(i|you|we|they|it)'d\b", r"\1 would"),
        (r"\b(where|what|when|who|how)'?s\b", r"\1 is"),
        (r"\b(it|that|there|here|he|she)'s\b", r"\1 is"),
        (r"\s+", " "),
    )
)
_QUOTED = re.compile(
    r"^\s*>.*$|^-{2,} ?(?:original|forwarded) message.*\Z|^on [^\n]{6,200} wrote:.*\Z",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)
_WISH = (
    r"(?:not|never|nor) (?:really |actually |even |currently )?"
    r"(?:want|wish|need|like|intend|plan|planning|mean|looking|trying|asking|requesting|request"
    r"|going|here)"
)
_DENIED = re.compile(
    rf"\b(?:{_WISH}(?: (?:to|for|a|an|the|my|any|you|me|be|get|have|full|partial|make|it))*"
    r"|do not|please not|no need (?:to|for)(?: an?)?|rather not|without|instead of|rather than|not) "
    r"(?:cancel|cancell?ing|cancell?ation|return|returning|exchange|exchanging"
    r"|refund|refunding|change|changing|replacement)\b"
)
"""A denied wish ("I do not want a refund"); "you have not refunded me" is none."""


def normalise(text: str) -> str:
    """What the patterns expect: see `patterns`; at most `MAX_TEXT` characters.

    Frequent spellings are made one and contractions written out.
    """
    text = text[:MAX_TEXT].casefold()
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text[:MAX_TEXT].strip()


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
    said = _DENIED.sub(" ", normalise(_own_words(text)))
    found = [rule for rule in RULES if rule.pattern.search(said)]
    found = [rule for rule in found if not rule.weak] or found
    intents = {rule.intent for rule in found}
    intents -= _weaker(intents)
    if not intents:
        return None
    intent = choose(intents)
    teams = {HANDLING[each].team for each in intents - ASIDE}
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
