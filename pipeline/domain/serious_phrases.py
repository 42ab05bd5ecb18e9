"""Tier 0: what only a human may handle, as patterns over normalised text.

A message that is missed here may be answered by a machine, so doubt counts as serious; but a
word alone is no threat ("bath bomb", "lawyer costume", "stolen from my porch"), so every
pattern needs who does what to whom.
"""

from __future__ import annotations

from pipeline.domain.patterns import Rule, near, rule, then
from pipeline.domain.taxonomy import Intent

_I_WILL = r"\b(?:i|we) (?:will|shall|am going to|are going to|am gonna|are gonna|am coming to|would love to|want to) (?:\w+ ){0,6}?"
_YOU = r"you(?: all| guys| people| up)?\b(?! (?:a|an|the|on|in|online|at|through|any|some|via|back|with)\b)|all of you|every ?one|your (?:family|kids|children|wife|staff|employees?|people|team|boss|ceo|drivers?|face|head)"
_LAWYER = r"(?:lawyers?|attorneys?|solicitors?|barristers?|legal (?:team|counsel|representatives?|department|advice))"
_WATCHDOG = r"trading standards|attorney general(?:'s office)?|ftc|federal trade commission|consumer (?:protection|affairs|court|rights)|ombudsman|better business bureau|bbb|regulators?|authorities"
_CARD_ISSUER = r"bank|paypal|visa|mastercard|amex|american express|klarna|afterpay|(?:credit |debit )?card (?:company|issuer|provider)|credit card|debit card"
_CARD_OR_ACCOUNT = r"accounts?|cards?|identity|bank details|bank account|payment details"

TIER0: tuple[Rule, ...] = (
    rule(
        Intent.HARASSMENT_THREATS, "t0_threat",
        _I_WILL + rf"(?:kill|hurt|harm|murder|shoot|stab|strangle|attack|destroy|find|come for|beat|punch|ruin) (?:{_YOU})",
        _I_WILL + r"(?:burn|blow|shoot|smash) (?:\w+ ){0,4}?(?:down|up|office|store|shop|warehouse|building|windows)\b",
        r"\b(?:set fire to|plant a bomb|bomb threat|(?:burn|bomb) (?:down )?your (?:\w+ )?(?:office|store|shop|warehouse|building|house))\b",
        then(r"(?:bring\w*|come|coming|show\w* up)(?: \w+){0,4} with|bring(?:ing)?", r"(?:a |my )(?:gun|knife|bomb|weapon|bat)", 2),
        r"\bi know where (?:you|your \w+) (?:live|lives|work|works|stay|are)\b",
        r"\byou will (?:pay with your life|regret being born|be dead|be sorry you)\b|\bwatch your back\b|\bdeath threats?\b",
        r"\b(?:kill yourself|kys|rape you|hope (?:you|your family|you all|all of you) (?:all )?(?:die|dies|get cancer|burn|rot)|(?:deserve to|should) die\b|drop dead)\b",
        r"\bfuck (?:you|off)\b|\bgo to hell\b|\byou (?:\w+ ){0,4}?(?:bitch\w*|cunts?|whores?|assholes?|motherfuck\w*|pieces? of shit|bastards?)\b",
        near(r"harass(?:ed|ing|es|ment)|threaten(?:ed|ing)|assaulted|groped|stalk(?:ed|ing)", r"me|us|my (?:wife|husband|daughter|son|mother|father|family)|drivers?|couriers?|employees?|staff|agents?", 4) + r"(?! (?:with )?legal)",
    ),
    rule(
        Intent.LEGAL_THREAT, "t0_legal",
        rf"\b(?:my|our|through) (?:own )?{_LAWYER}\b(?! (?:costume|suit|gift|mug|shirt))",
        rf"\b(?:contact\w*|hir\w*|consult\w*|speak\w* (?:to|with)|talk\w* (?:to|with)|get\w*|call\w*|involv\w*|retain\w*|seek\w*|see\w*|engag\w*|to) (?:an? |the |some )?{_LAWYER}\b(?! (?:costume|suit|gift|mug|shirt))",
        rf"\b(?:a|the) {_LAWYER} (?:will|is|has)\b",
        r"\b(?:i|we) (?:will |am |are |can |could |may |might |shall )?(?:be )?(?:going to |gonna |forced to |have to )?su(?:e|ing)\b|\b(?:sue|suing) (?:you|your|the|this|them)\b|\blaw ?suits?\b|\b(?:file|filing|bring) (?:a )?suit\b",
        r"\b(?:tak\w*|pursu\w*|consider\w*|initiat\w*|start\w*|threaten\w*|seek\w*|begin\w*) (?:\w+ ){0,2}?legal (?:action|proceedings?|steps?|measures?|recourse|remed\w*)\b|\blegal (?:action|proceedings) (?:will|against)\b",
        r"\bsmall claims(?: court)?\b|\bsee you in court\b|\b(?:tak\w*) (?:you|this|it|the matter|them|your company) to (?:the )?(?:court|tribunal)\b|\bclass action\b|\bcease and desist\b",
        near(r"report(?:ed|ing)?|complain\w*|complaints?|contact(?:ed|ing)?|go(?:ing)? to|notify\w*|involv\w*|escalat\w*|inform(?:ed|ing)?", _WATCHDOG, 8),
        r"\bbreach of (?:contract|consumer)\b|\bviolat\w* (?:of )?(?:\w+ ){0,3}(?:law|laws|act|rights|regulations?|gdpr)\b",
    ),
    rule(
        Intent.CHARGEBACK_DISPUTE, "t0_chargeback",
        r"\bcharge ?-?backs?\b",
        near(r"disput\w*|contested|contesting|claw back", _CARD_ISSUER, 6),
        near(r"revers\w*|stop(?:ped)?|block(?:ed)?|recall(?:ed)?", r"my bank|paypal|card (?:company|issuer|provider)|credit card company", 6),
        near(r"disput\w*", r"charges?|transactions?|payments?", 4),
        near(r"(?:open\w*|fil\w*|rais\w*|start\w*|submit\w*)(?: \w+){0,3} (?:claim|case|dispute)", _CARD_ISSUER, 6),
        r"\bpaypal (?:case|claim|dispute)\b",
    ),
    rule(
        Intent.FRAUD_SUSPECTED, "t0_fraud",
        near(r"fraud\w*|unauthori[sz]ed|identity theft", r"cards?|charges?|transactions?|payments?|accounts?|orders?|purchases?|identity|bank|activity|use", 6),
        near(r"hacked|stolen|compromised|cloned|skimmed", _CARD_OR_ACCOUNT, 4),
        r"\b(?:i|we|my \w+) (?:did not|have not|never) authori[sz]ed?\b|\b(?:not|never) authori[sz]ed by (?:me|us)\b",
        r"\b(?:i|we) (?:did not|never|have not|have never) (?:make|place|order|made|placed|ordered|bought) (?:this|that|these|any|the|such)\b(?:\W+\w+){0,2}?\W+(?:orders?|purchases?|charges?|payments?|transactions?)\b",
        r"\b(?:orders?|purchases?|charges?|payments?|transactions?) (?:that |which )?(?:i|we) (?:did not|never|have not) (?:make|place|made|placed|recogni[sz]e)\b",
        r"\b(?:someone|somebody|thief|scammer|stranger) (?:else )?(?:has |is |was )?(?:used|using|stole|stolen|hacked|accessed|accessing|got into|logged into|charging|opened) (?:my|an account)\b",
        r"\b(?:this|it|your (?:site|shop|store|company|website|business)|you|you guys|you people) (?:is|are) (?:\w+ )?(?:a |an )?(?:scam|fraud|frauds|scammers?|thieves|fraudulent)\b|\bphishing\b|\bscammers?\b|\bscammed\b",
        r"\bfraud (?:department|team|alert|report)\b|\breport(?:ing)? (?:a )?fraud\b",
    ),
)  # fmt: skip
