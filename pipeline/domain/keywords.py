"""Keyword rules: what a message is about where its words leave little doubt.

They decide alone when the model cannot, so they would rather say nothing than be wrong. Tier 0
is asked first and apart: it sees every message, and no model can overrule it.
"""

from __future__ import annotations

import re

from pipeline.domain.customer_words import (
    asserted,
    own_words,
    sentences,
    without_signature,
)
from pipeline.domain.phrases import RULES, TIER0, Rule
from pipeline.domain.routing import choose
from pipeline.domain.spelling import capped, normalise
from pipeline.domain.taxonomy import HANDLING, Confidence, Intent, Verdict
from pipeline.domain.wording import Index, Phrase

MAX_OWN = 1_500
"""Characters of a customer's own words up to which the rules decide: who writes more says more
than one thing, and a rule would pick one of them by chance."""


class _Reader:
    """Finds which of `rules` speak in a message; built once for a set of rules."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        every = {each for rule in rules for each in (*rule.phrases, *rule.beside, *rule.unless)}
        phrases = tuple(every)
        self._index = Index(phrases)
        self._at = {each: at for at, each in enumerate(phrases)}

    def found(self, said: list[str]) -> list[Rule]:
        """The rules that speak in `said` (normalised sentences)."""
        here = self._index.found(said)

        def stands(phrases: tuple[Phrase, ...]) -> bool:
            return any(self._at[each] in here for each in phrases)

        return [
            rule
            for rule in self._rules
            if stands(rule.phrases)
            and (not rule.beside or stands(rule.beside))
            and not stands(rule.unless)
        ]


_TIER0 = _Reader(TIER0)
_RULES = _Reader(RULES)


def tier0(text: str) -> Verdict | None:
    """Chargeback, legal, threats, fraud: a human's case, whatever else the message says."""
    found = _TIER0.found(sentences(normalise(without_signature(capped(text)))))
    if not found:
        return None
    return Verdict(choose({rule.intent for rule in found}), Confidence.HIGH, _codes(found))


def classify_by_keywords(text: str) -> Verdict | None:
    """One intent where the rules are sure, else None.

    High confidence where a rule speaks, medium where there are only mentions (weak rules).
    A rule's intent falls where another rule that speaks `beats` it; where those that are left lie
    with different teams, the rules are not sure. Of one team's intents `routing.choose` takes one. Mail that is quoted below
    the customer's own words is not read, except by Tier 0; of a long message nothing is decided.
    """
    serious = tier0(text)
    if serious is not None:
        return serious
    own = own_words(text)
    if len(own) > MAX_OWN:
        return None
    if _THANKS.fullmatch(own):
        return Verdict(Intent.UNKNOWN_OTHER, Confidence.MEDIUM, ("thanks",))
    found = _RULES.found(sentences(asserted(normalise(own))))
    strong = [rule for rule in found if not rule.weak]
    speaking = strong or found
    beaten = {weaker for rule in speaking for weaker in rule.beats}
    intents = {rule.intent for rule in speaking} - beaten
    if not intents or _undecidable(intents):
        return None
    confidence = Confidence.HIGH if strong else Confidence.MEDIUM
    return Verdict(choose(intents), confidence, _codes(speaking))


_THANKS = re.compile(
    r"(?=[\s\S]*\b(?:thank|thanks|thankyou|thx|ty|cheers|appreciate))(?:\W|\b(?:ok|okay|thanks|thank you|thankyou|thx|ty|cheers|great|perfect|awesome|amazing|cool"
    r"|brilliant|lovely|much|so|very|a lot|for (?:your|the) (?:help|reply|quick reply|update|info)|you|guys|all|again"
    r"|received|got it|will do|appreciate it|appreciated|sorted|now|hi|hello|noted|with|many|kind|regards|best)\b){1,40}",
    re.IGNORECASE,
)


def _codes(found: list[Rule]) -> tuple[str, ...]:
    return tuple(sorted({rule.code for rule in found}))


def _undecidable(intents: set[Intent]) -> bool:
    """Whether different teams claim the message: of such, one in three would go wrong."""
    return len({HANDLING[intent].team for intent in intents}) > 1
