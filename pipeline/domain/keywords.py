"""Keyword rules: what a message is about where its words leave little doubt.

They decide alone when the model cannot, so they would rather say nothing than be wrong. Tier 0
is asked first and apart: it sees every message, and no model can overrule it.
"""

from __future__ import annotations

import re

from pipeline.domain.phrases import RULES, TIER0, Rule
from pipeline.domain.routing import PRECEDENCE, STATUS, choose
from pipeline.domain.taxonomy import HANDLING, Confidence, Intent, Verdict

MAX_TEXT = 8_000
"""Characters that are looked at (DOMAIN section 4); of a longer text, its start and its end."""
_END = 2_000
"""Of those, characters from the end of a longer text: a threat often stands last, and padding
must not push it out of sight."""

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
        (r"\n\s*\n", ". "),
        (r"\s+", " "),
    )
)
_QUOTED = re.compile(
    r"^[ \t]{0,8}>[^\n]*|^-{2,10} ?(?:original|forwarded) message[\s\S]*"
    r"|^on [^\n]{6,200} wrote:[\s\S]*",
    re.MULTILINE | re.IGNORECASE,
)
_WISH = (
    r"(?:not|never|nor) (?:really |actually |even |currently )?"
    r"(?:want|wish|need|like|intend|plan|planning|mean|looking|trying|asking|requesting|request"
    r"|going|here)"
)
_DENIED = re.compile(
    rf"\b(?:{_WISH}(?: (?:to|for|a|an|the|my|any|you|me|be|get|have|full|partial|make|it))*"
    r"|(?:^|please |but |just |[.!?,;] )do not|no need (?:to|for)(?: an?)?|rather not|without"
    r"|instead of|rather than) "
    r"(?:cancel|cancell?ing|cancell?ation|return|returning|exchange|exchanging"
    r"|refund|refunding|change|changing|replacement)\b"
)
"""A denied wish ("I do not want a refund"); "you have not refunded me" is none."""


def normalise(text: str) -> str:
    """What the patterns expect (see `phrases`), of at most `MAX_TEXT` characters of `text`.

    Frequent spellings are made one and contractions written out, so the answer may be longer.
    """
    text = _capped(text).casefold()
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text.strip()


def _capped(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - _END - 2]}\n\n{text[-_END:]}"


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
    said = _DENIED.sub(" ", normalise(_QUOTED.sub("", _capped(text))))
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
    Intent.INFLUENCER_MARKETING_INQUIRY: {Intent.EXCHANGE_REQUEST},
    Intent.PROMO_DISCOUNT_ISSUE: {Intent.PRE_PURCHASE_QUESTION, Intent.TECHNICAL_SUPPORT},
}
"""A found intent -> those whose words are also part of it ("code does not work at checkout")."""


def _specific(intents: set[Intent]) -> set[Intent]:
    return intents - {weak for strong in intents for weak in _BEATS.get(strong, ())}


def _undecidable(intents: set[Intent]) -> bool:
    """Whether different teams claim the message and no precedence tells them apart."""
    teams = {HANDLING[intent].team for intent in intents.difference(STATUS)}
    return len(teams) > 1 and choose(intents) not in PRECEDENCE
