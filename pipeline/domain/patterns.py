"""How a keyword rule is built, and the word families that several rules share.

Patterns match normalised text (`keywords.normalise`): lower case, single spaces, contractions
written out ("can't" is "can not", "I'm" is "i am"). They are built of families that stand near
each other, so they mean the same in other words than those they were written for. Every gap is
bounded and every family is a plain alternation: the work per character is bounded too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.domain.taxonomy import Intent


@dataclass(frozen=True)
class Rule:
    """One phrase pattern: `code` names it in reasons and audit.

    A `weak` rule is only a mention ("customer service", "my order"): it counts where no other
    rule speaks.
    """

    intent: Intent
    code: str
    pattern: re.Pattern[str]
    weak: bool = False


def rule(intent: Intent, code: str, *patterns: str, weak: bool = False) -> Rule:
    """A rule that holds where any of `patterns` is found."""
    return Rule(intent, code, re.compile("|".join(f"(?:{each})" for each in patterns)), weak)


def then(first: str, second: str, gap: int = 5) -> str:
    """`first`, then `second`, at most `gap` words between them."""
    return rf"\b(?:{first})\b(?:\W+\w+){{0,{gap}}}?\W+(?:{second})\b"


def near(first: str, second: str, gap: int = 5) -> str:
    """Both families, in either order, at most `gap` words between them."""
    return f"{then(first, second, gap)}|{then(second, first, gap)}"


def said_later(words: str, reach: int = 120) -> str:
    """A condition: `words` follow within `reach` characters."""
    return rf"(?=[\s\S]{{0,{reach}}}\b(?:{words})\b)"


def not_said_later(words: str, reach: int = 120) -> str:
    """A condition: `words` do not follow within `reach` characters."""
    return rf"(?![\s\S]{{0,{reach}}}\b(?:{words})\b)"


ORDER = r"orders?|purchases?|oder|ordr"
ITEM = (
    r"items?|products?|articles?|things?|goods|pieces?|ones?|shirts?|t-?shirts?|tees?|hoodies?|shoes?"
    r"|boots|sneakers|sandals|socks|dress(?:es)?|jackets?|coats?|sweaters?|jeans|pants|trousers|hats?"
    r"|bags?|bottles?|jars?|cups?|mugs?|glass(?:es)?|plates?|lamps?|candles?|vases?|rings?|necklaces?"
    r"|watch(?:es)?|chargers?|cables?|lids?|screens?|units?|devices?|sets?|packs?|books?|toys?|pillows?"
)
PARCEL = r"packages?|parcels?|shipments?|deliver(?:y|ies)|box(?:es)?|packets?|orders?"
CANCEL = r"cancel\w*|call off|revoke|rescind"
CHANGE = r"chang\w*|modif\w*|edit\w*|correct\w*|fix|alter\w*|amend\w*|switch\w*|swap\w*"
UPDATE = r"updat(?:e|ed|ing)(?! (?:on|about|regarding|for|from|me))"
ADDRESS = r"address(?:es)?|adress(?:es)?|addres"
ACCOUNT = r"accounts?|acc?ounn?ts?|profiles?|log-?ins?|memberships? account"
MONEY_BACK = (
    r"refund\w*|reimburs\w*|money back|rebate|restitution|compensation|compensat\w*|credited back"
)
PAY = r"payments?|pay(?:ing)?|charges?|charged|billing|billed|transactions?|debit\w*"
TROUBLE = (
    r"issues?|problems?|errors?|trouble\w*|fail\w*|declin\w*|reject\w*|wrong|incorrect\w*|mistakes?"
)
WHERE = r"where|when|track\w*|status|eta|locate|progress|whereabouts"
HUMAN = r"humans?|persons?|people|someone|somebody|agents?|operators?|representatives?|assistants?|reps?"
TALK = r"talk\w*|speak\w*|call\w*|contact\w*|reach\w*|chat\w*|phone|connect\w*|transfer\w*"
SUPPORT = (
    r"customer (?:services?|support|care|assistance)|support team|help ?desk|call cent(?:er|re)"
    r"|(?:free|toll.free|support|assistance) (?:phone|number|hotline)|hotline|help ?line"
)
SITE = r"websites?|web ?site|web site|site|app|checkout|check out|cart|page|browser|portal"
PROMO = (
    r"(?:promo(?:tion)?(?:al)?|discount|coupon|voucher|referral|gift ?card|reward|loyalty|welcome|sale)"
    r"s?(?: (?:codes?|points?|links?|balance))?|(?:\d+ ?%|percent) off|store credit"
)
NOT_HERE = (
    r"not|never|nothing|no (?:package|parcel|sign|box|delivery)|nowhere|missing|gone|nobody|no one"
)
