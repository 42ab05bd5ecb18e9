"""What customers write, as patterns over normalised text: lower case, single spaces.

A rule is an intent, a code and patterns. Contractions are written out in the text that they see
("can't" is "can not", "I'm" is "i am"; `keywords.normalise`). Patterns are built of word families
that stand near each other, so they mean the same in other words than those they were written
for. Every gap is bounded and every family is a plain alternation, so the work per character is
bounded too.
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


_GAP = r"[^\w.!?]{1,4}"
"""What may stand between two words of one sentence."""


def rule(intent: Intent, code: str, *patterns: str, weak: bool = False) -> Rule:
    """A rule that holds where any of `patterns` is found."""
    return Rule(intent, code, re.compile("|".join(f"(?:{each})" for each in patterns)), weak)


def then(first: str, second: str, gap: int = 5) -> str:
    """`first`, then `second`, in one sentence, at most `gap` words between them."""
    return rf"\b(?:{first})\b(?:{_GAP}\w+){{0,{gap}}}?{_GAP}(?:{second})\b"


def near(first: str, second: str, gap: int = 5) -> str:
    """Both families, in either order, at most `gap` words between them."""
    return f"(?:{then(first, second, gap)}|{then(second, first, gap)})"


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
HUMAN = r"humans?|persons?|people|someone|somebody|agents?|operators?|representatives?|assistants?|reps?|managers?|supervisors?"
TALK = r"talk\w*|speak\w*|call\w*|contact\w*|reach\w*|chat\w*|phone|connect\w*|transfer\w*"
SUPPORT = (
    r"customer (?:services?|support|care|assistance)|support team|help ?desk|call cent(?:er|re)"
    r"|(?:free|toll.free|support|assistance) (?:phone|number|hotline)|hotline|help ?line"
)
SITE = r"websites?|web ?site|web site|site|app|checkout|check out|cart|page|browser|portal"
PROMO = (
    r"(?:promo(?:tion)?(?:al)?|discount|coupon|voucher|referral|gift ?card|reward|loyalty|welcome|sale)"
    r"s?(?: (?:codes?|points?|links?|balance))?|(?:\d+ ?%|percent) off|store credit|invalid code|codes? (?:is |was )?invalid"
)
NOT_HERE = (
    r"not|never|nothing|no (?:package|parcel|sign|box|delivery)|nowhere|missing|gone|nobody|no one"
)

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
        then(rf"(?:ask\w*|told|tell\w*|contact\w*|call\w*|hav\w*|get\w*)(?: \w+){{0,2}} (?:{_CARD_ISSUER})", r"(?:pull|get|take|claim|return|recover)(?: \w+){0,3} back", 4),
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
        r"\b(?:someone|somebody) (?:else )?(?:has |is |keeps |kept )?(?:been )?(?:plac\w*|mak\w*|made|buy\w*|order\w*)\b[^.!?]{0,40}\b(?:with|on|using) my (?:\w+ )?(?:cards?|account|name)\b",
        r"\b(?:this|it|your (?:site|shop|store|company|website|business)|you|you guys|you people) (?:is|are) (?:\w+ )?(?:a |an )?(?:scam|fraud|frauds|scammers?|thieves|fraudulent)\b|\bphishing\b|\bscammers?\b|\bscammed\b",
        r"\bfraud (?:department|team|alert|report)\b|\breport(?:ing)? (?:a )?fraud\b",
    ),
)  # fmt: skip
"""What only a human may handle. Doubt counts as serious, for a message that is missed here may be
answered by a machine; but a word alone is no threat ("bath bomb", "lawyer costume", "stolen from
my porch"), so every pattern needs who does what to whom."""

_CHANGES: tuple[Rule, ...] = (
    rule(
        Intent.CANCEL_SUBSCRIPTION, "subscription",
        near(r"cancel\w*|stop\w*|unsubscrib\w*|un-?enroll?\w*|end|pause|quit|terminat\w*|opt out|remove me|skip|turn off|get out of", r"subscriptions?|subscribe|newsletters?|newsleter\w*|auto.?ship\w*|auto.?renew\w*|auto.?deliver\w*|mailing list|(?:email|contact) list|every month|each month|monthly (?:plan|order|box|delivery|payments?)|recurring|marketing emails?|memberships?|subscribe and save", 6),
        r"\b(?:charged|billed)\b[^.!?]{0,40}\b(?:subscription|auto.?ship|auto.?renew\w*|membership|every month)\b",
        r"\b(?:take|remove|get) me off\b|\bunsubscrib\w*|\bopt(?:ing)? out of\b|\bstop (?:sending|emailing|texting|spamming) (?:me|us)?\b|\bstop (?:the |these |your )?(?:emails|texts)\b",
        r"\bsubscription (?:to|for) (?:your|the)\b",
        r"\b(?:newsletters?|newsleters?|news letters?)\b" + not_said_later(f"code|{PROMO}"),
    ),
    rule(
        Intent.CANCEL_ORDER, "cancel_order",
        near(rf"(?:{CANCEL})(?! culture)", ORDER, 6),
        near(r"cancel\w*|terminat\w*|withdraw\w*|early exit", r"fees?|penalt\w*|charges?|costs?|polic\w*", 4),
        r"\b(?:no longer|not) (?:want|need) (?:\w+ ){0,3}(?:orders?|purchases?)(?: anymore| any more)?\b" + r"(?! (?:to|cancel))",
        r"\b(?:orders?|purchases?)\b[^.!?]{0,60}\b(?:no longer|not) (?:want|need) (?:it|them|this)\b",
        r"\bdo not (?:ship|send|dispatch|process) (?:\w+ ){0,2}(?:orders?|package|parcel|it)\b",
        r"\b(?:please|just|can you|could you|can i|could i|can i still|need to|want to|like to|want (?:it|this|that|everything|them)|have (?:it|this)) cancel(?:led|ed)?\b(?! (?:\w+ ){0,3}(?:accounts?|profiles?|subscriptions?|memberships?))",
        r"\bordered (?!(?:\w+ ){0,3}(?:wrong|size|colou?r))(?:\w+ ){0,3}(?:by mistake|by accident|accidentally)\b|\b(?:stop|hold|halt) (?:\w+ ){0,3}orders?\b|\b(?:duplicate|two) orders? (?:by mistake|by accident|now)\b|\b(?:accidentally|mistakenly) (?:ordered|placed|bought|purchased)\b",
    ),
    rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "address_change",
        near(rf"{CHANGE}|updat\w*|set|setting|add\w*|wrong|old|new|different|mov(?:ed|ing)|enter\w*|put|another|secondary|mistake|typo|forgot", rf"(?:shipping|delivery|home|street|postal|mailing) (?:{ADDRESS})|(?<!email )(?<!e-mail )(?<!mail )(?:{ADDRESS})|(?:zip|postal|post) ?codes?|postcode|apartment(?: number)?|apt|house number|unit number|street name", 6),
        r"\b(?:shipping|delivery) (?:address|adress|addres)\b",
        r"\b(?:re-?direct\w*|re-?route\w*|(?:ship|send|deliver|shipped|sent|delivered) (?:it |this |my (?:order|package|parcel) )?to (?:a |my )?(?:new|different|another|other|work|office|parents?|neighbou?rs?)|(?:send|ship|deliver|forward) (?:it |this |them )to (?:my )?\w+(?:'s)? (?:address|house|place|flat))\b",
        r"\b(?:sent|shipped|delivered|send|ship|deliver|go(?:ing)?|going) (?:it )?to \d+ \w+[^.!?]{0,40}\binstead\b",
    ),
    rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "order_edit",
        near(rf"chang(?:e|es|ed|ing)(?! (?:my|your|his|her) mind)|modif\w*|edit\w*|amend\w*|alter\w*|{UPDATE}|correct\w*", ORDER, 3),
        near(r"add(?:ing)?|remov\w*|delet\w*|swap\w*|switch\w*|chang\w*|replac(?:e|ing)|tak(?:e|ing) off|get rid of", r"items?|products?|articles?|something|things?", 3) + r"(?!\W+(?:to|in) (?:my )?(?:cart|basket|account|profile))",
        then(r"add(?:ing)?|includ(?:e|ing)|remov(?:e|ing)|tak(?:e|ing)", r"(?:to|in|from|off|out of|with|into) (?:my|the|this|that|an existing|our) (?:\w+ )?(?:orders?|purchases?)", 6),
        r"\b(?:change|switch|edit|update|correct) (?:the |my )?(?:size|colou?r|quantity|amount|style|scent|flavou?r) (?:of|on|in|for|from|to)\b",
        r"\b(?:selected|chose|picked|ordered|put|entered) (?:\w+ ){0,5}(?:by mistake|by accident|accidentally)\b" + said_later(r"change|switch|make it|swap|fix|correct"),
        r"\b(?:change|fix|edit|switch|correct) (?:it|this|that|them)\b[^.!?]{0,20}\bbefore (?:it|they|you) (?:ships?|goes?|go|is sent|sends?|leaves?)\b",
        r"\b(?:typed|wrote|entered|spelled|put)\b[^.!?]{0,30}\b(?:name|email|phone|details)\b[^.!?]{0,20}\b(?:wrong|incorrectly)\b[^!?]{0,120}\border\b",
        r"\bforgot to (?:add|include) (?:\w+ ){0,4}(?:to|in|on) my\b|\bforgot to include (?:\w+ )?items?\b|\bcombine (?:my )?(?:two |both )?orders\b",
    ),
)  # fmt: skip

_CAUSES: tuple[Rule, ...] = (
    rule(
        Intent.DELIVERED_NOT_RECEIVED, "dnr",
        near(r"says?|saying|shows?|showing|marked|status|tracking|it was|listed|claims?|claiming|apparently|supposedly|allegedly|told|shown|insists?|swears?", r"delivered|left at|dropped off|dropped it off|dropped it|left it", 7) + said_later(NOT_HERE, 160),
        r"\b(?:delivered|left at|dropped off)\b[^.!?]{0,60}\b(?:but|yet|and|however|although|though)\b[^.!?]{0,60}\b" + rf"(?:{NOT_HERE})\b" + r"(?! (?:damaged|what))",
        r"\b(?:never|not) (?:\w+ ){0,3}(?:received?|got|get|arrived?|came|here|there|see|find)\b[^.!?]{0,80}\b(?:says|shows|marked|shown|listed)\b[^.!?]{0,40}\bdelivered\b",
        r"\b(?:delivered|left|dropped|gave it|given) (?:\w+ ){0,3}(?:to|at|with) (?:the |a |an )?(?:wrong|someone else|somebody else|another|different|neighbou?r\w*) ?(?:address|house|door|person|apartment|place)?" + said_later(NOT_HERE, 120),
        r"\b(?:delivered|left|dropped) (?:\w+ ){0,3}(?:to|at) (?:the |a )?wrong (?:address|house|door|person|apartment|place)\b",
        r"\b(?:porch pirates?)\b",
        near(r"stolen|disappeared|vanished|stole|taken|swiped", r"packages?|parcels?|porch|doorsteps?|front door|mailbox|lobby|orders?|deliver(?:y|ies)|shipments?", 6) + r"(?!\W+(?:over|quite|so|too) )",
    ),
    rule(
        Intent.DAMAGED_ITEM, "damaged",
        near(r"damag\w*|fractur\w*|broken|broke|brok|crack(?:ed|s)?|shatter\w*|smash\w*|torn|ripp?ed|dent(?:ed|s)?|leak(?:ing|ed|s|y)|defective|defects?|crushed|scratch(?:ed|es)?|bent|stained|stains?|snapped|chipped|faulty|mold|moldy|mouldy|spilled|spilt|melted|spoiled|rotten|expired|falling apart|fell apart|came apart|in (?:pieces|bits|shards)|shards|warped|frayed|holes?|dead on arrival|doa", rf"arriv\w*|receiv\w*|came|comes|got|deliver\w*|packages?|parcels?|box(?:es)?|shipment|orders?|when i opened|opened|unpack\w*|everything inside|{ITEM}|(?:the|a|my|both|one|its) (?:side|lens|hopper|base|leg|sole|strap|wheel|edge|motor|battery|seal|zipper|zip|frame|handle|strap|pump|cap|button|blender|phone|speaker|case|keyboard|headphones|chair|table|shelf|mirror)", 8) + r"(?! (?:codes?|coupons?|links?|website|page))",
        r"\b(?:my|the|this|one|both|it)(?: (?!site|website|app|page|code|link|login|account|checkout|password|card|promo|discount|coupon|tracking|gift)\w+){0,3} (?:has |have |does |do |will |is |are |was |just |already |suddenly |completely |simply ){0,3}(?:stopped|quit|not|no longer) (?:even )?(?:working|work|works|turn(?:ing)? on|charge|charging|power(?:ing)? on|switch(?:ing)? on|hold a charge|start)\b" + said_later(r"arriv\w*|receiv\w*|bought|brand new|weeks?|days?|months?|ordered|defective|broken|replacement|replace|out of the box|refund", 200),
        r"\b(?:arrived?|received|bought|brand new|ordered|purchased)\b[^!?]{0,160}\b(?:does not|will not|stopped|not|is not) (?:work|working|turn on|turning on|charge|charging|power on|switch on)\b" + r"(?! (?:code|link))",
        r"\b(?:broke|fell apart|came apart|ripped|snapped|tore|cracked|died|stopped working) (?:\w+ ){0,2}(?:after|within|the first|on the first|in less than)\b",
    ),
    rule(
        Intent.WRONG_ITEM_RECEIVED, "wrong_item",
        near(r"wrong|incorrect|not what i|someone else's|somebody else's|another person's", rf"(?:wrong |different )?(?:{ITEM}|size|shade|colou?r|orders?|model|flavou?r|style|package|scent|version)", 2) + r"(?!\W+(?:by (?:mistake|accident)|accidentally|my (?:mistake|fault|bad)))" + said_later(r"sent|send|received|got|arrived|came|delivered|shipped|box|package|instead of") + not_said_later(r"my (?:mistake|fault|bad)|before it (?:ships|goes)", 60),
        r"\b(?:sent|received|got|shipped|delivered|mailed|given|getting)(?: me| us| to me)? (?:the |a |an )?(?:wrong|incorrect|completely different|different|totally different|someone else's|somebody else's|another (?:person|customer)'s)\b(?! (?:price|discount|answers?|information|amount|email|address))",
        r"\bnot what (?:i|we) (?:ordered|bought|asked for|purchased)\b|\bnot the (?:one|item|product|size|colou?r|thing) (?:that )?i (?:ordered|bought|chose|picked)\b",
        r"\bordered (?!(?:\w+ ){0,6}(?:days|weeks|ago))(?:\w+ ){1,6}(?:but|and|yet|however) (?:i |we )?(?:only )?(?:have )?(?:received|got|you sent|was sent|were sent|you shipped|they sent) (?:me )?(?:an? |the |some |my )?(?!nothing|no |it |it$|only|damaged|broken|two|three|one |half|\d|confirmation|an? (?:email|error|message)|email|error|not)",
        r"\bordered (?:an? |the )?\w+(?: \w+)?,? (?:but )?(?:got|received) (?:an? )?(?!only|nothing|it)\w+|\b(?:it was|found|inside was|contained) (?:someone|somebody)(?: else)?'?s\b|\b(?:was|contained|had) (?:a )?(?:completely |totally )?different \w+ (?:in|inside)\b",
        r"\b(?:instead of (?:the )?(?:\w+ ){1,4}(?:i ordered|i got|i received|you sent))\b|\b(?:you sent|received|got|came|sent me) (?:an? |the )?(?:\w+ ){1,4}instead of\b(?! \d)",
    ),
    rule(
        Intent.MISSING_ITEMS_IN_SHIPMENT, "missing_items",
        near(r"missing|not include\w*|left out|omitted", rf"{ITEM}|parts?|instructions|kit|boxed?|(?:from|in) (?:my|the|this|our) (?:order|package|box|parcel|shipment|delivery)|one of|(?:box|package|parcel|shipment|delivery|order) (?:came|arrived|was delivered|is here)|accessor\w*|manual|screws?", 6) + r"(?! (?:tracking|password|code|email|discount))",
        r"\b(?:only|just) (?:\w+ )?(?:received|got|get|found|came with|came|contained|had|includes?|included|sent|arrived|one|two|three|half|part|\d+)\b[^.!?]{0,60}\b(?:of (?:the|my|them|\d+|two|three|four|five|six)|out of|instead of|items? (?:of|from|out)|half|part)\b",
        r"\bthere (?:is|was|were) no(?:t any)? (?:\w+ ){1,3}(?:in it|inside|in the (?:box|package|bag|parcel))\b|\bpaid for (?:\d|two|three|four|five)\b[^.!?]{0,40}\b(?:there is|there are|there were|got|only|received) ?(?:only )?(?:\d|one|two|three|four)\b",
        r"\bhalf (?:of )?(?:my |the )(?:order|items|package|stuff)\b[^.!?]{0,30}\b(?:not|never|missing)\b|\brest of (?:my |the )?(?:order|items)\b[^.!?]{0,30}\b(?:not|never|missing|where)\b|\bwhere is the rest of\b",
        r"\b(?:was|were|is|are) not (?:in|inside|included in|included with|part of) (?:the|my|this) (?:box|package|parcel|order|shipment|delivery|bag)\b",
        r"\b(?:incomplete|partial) (?:order|shipment|delivery|package)\b|\b(?:order|package|box|shipment|delivery) (?:was|is|arrived|came) (?:incomplete|empty|half empty)\b|\bempty box\b",
        r"\b(?:ordered|paid for|lists?|listed) (?:\w+ ){1,5}(?:but|and) (?:i |we )?(?:only |just )(?:\w+ ){0,2}(?:received|got|came|arrived|one|two|\d)",
        r"\b(?:ordered|paid for|lists?) (?:\d|two|three|four|five|six)\b[^.!?]{0,30}\b(?:but|and) (?:i |we )?(?:only )?(?:got|received) (?:only |just )?(?:\d|one|two|three|four|five)\b",
    ),
)  # fmt: skip

_OUTCOMES: tuple[Rule, ...] = (
    rule(
        Intent.EXCHANGE_REQUEST, "exchange",
        then(r"exchang(?:e|ed|ing)s?|swap\w*|trade|trading", rf"{ITEM}|orders?|sizes?|colou?rs?|it|this|that|them|these|those|for (?:a|an|the|another|one)|larger|smaller|different|polic\w*|my", 3) + r"(?! to my order)",
        then(rf"{ITEM}|orders?|it|this|them|these", r"exchang(?:e|ed|ing)s?|swapped", 3) + r"(?! for (?:free|promo|posts?|content|an? (?:honest )?review))",
        r"\b(?:an?|the|your|my) exchanges?\b(?! for (?:free|promo|content))|\bexchange (?:policy|request)\b",
        r"\b(?:larger|smaller|bigger|different|another|next) size(?: up| down)?,? (?:instead|please)\b|\bnext size (?:up|down)\b|\bsize (?:up|down)\b",
        r"\b(?:can|could|may) (?:i|we) (?:swap|exchange)\b|\b(?:bought|ordered|got) (?:\w+ ){0,2}wrong (?:size|colou?r)\b" + said_later(r"exchang\w*|swap"),
        r"\b(?:too (?:small|big|large|tight|loose|short|long)|(?:does|do|did) not fit)\b" + said_later(r"exchang\w*|swap|another size|different size|larger|smaller|bigger|size (?:up|down)", 160),
        r"\b(?:get|have|need|send me) (?:\w+ ){0,2}(?:different|another|larger|smaller|bigger) (?:size|colou?r)\b" + said_later(r"too (?:small|big|large|tight|loose|short|long)|not fit|exchang\w*", 160),
    ),
    rule(
        Intent.REFUND_REQUEST, "refund",
        rf"\b(?:{MONEY_BACK})\b",
        r"\b(?:got|received|have|sent back) (?:my )?returns?\b[^!?]{0,80}\b(?:funds?|credit|money|payment)\b|\bwhen\b[^.!?]{0,30}\b(?:funds|credit|my money)\b",
        r"\b(?:get|want|need|give|have|send|return|gimme|getting)(?: me| us)? (?:my |our |the |all )?(?:\w+ )?money (?:back|returned)\b|\breturn(?:ed|ing)? my money\b",
    ),
    rule(
        Intent.RETURN_REQUEST, "return",
        near(r"returns?|returning|returned|send(?:ing)? back|give back|bring back|sent back", rf"{ITEM}|orders?|it|this|them|these|labels?|polic\w*|purchases?|process|window|package", 4) + r"(?!\W+(?:my|the|your) (?:call|calls|email|emails|message))",
        r"\breturn (?:label|policy|authori[sz]ation|form|slip|shipping)\b|\brma\b|\bsend (?:it|this|that|them|these|those|the \w+|my \w+) back\b|\b(?:how|where|can|could|want|like|need|wish) (?:\w+ ){0,3}(?:to )?(?:make |do |start |initiate )?an? return\b|\bprepaid label\b|\bsend (?:something|anything|stuff|my order|one|both|items?|\w+ one) back\b|\b(?:accept|allow|take|do|offer|free) returns\b",
    ),
)  # fmt: skip

_STATUS: tuple[Rule, ...] = (
    rule(
        Intent.SHIPPING_DELAY_NOT_SHIPPED, "shipping_delay",
        r"\b(?:not|still|never|yet to)(?:\W+\w+){0,4}?\W+(?:ship|shipped|dispatched|left (?:the|your) warehouse|sent out|been sent|moved)\b" + r"(?! to\b)",
        near(r"delay\w*|late|overdue|(?:taking|takes|took|take|taken) (?:so|too|very|this|forever)(?: \w+)? ?(?:long)?|behind schedule|stuck|unfulfilled|on hold", PARCEL, 5),
        r"\bstill (?:\w+ )?(?:says|shows|showing|in|at|marked|listed)? ?(?:as )?(?:\w+ )?(?:processing|unfulfilled|preparing|pre.?transit|label created|pending shipment)\b",
        r"\b(?:should have|was supposed to|were supposed to|supposed to|meant to) (?:\w+ ){0,2}(?:arriv\w*|here|come|ship\w*|delivered)\b",
        r"\blabel (?:was |has been |is )?(?:\w+ )?(?:created|printed|made)\b|\bawaiting (?:the |my )?(?:package|item|parcel|shipment)\b|\b(?:was|were) due (?:on|by|last|yesterday|in)\b",
        r"\b(?:courier|carrier|ups|usps|fedex|dhl|hermes|royal mail|they|you) (?:\w+ )?lost (?:my|the|our) (?:package|parcel|order|shipment)\b|\b(?:package|parcel|order|shipment) (?:is|was|got|has been|must be|may be|might be) lost\b",
        r"\bstill waiting (?:for|on)\b[^.!?]{0,40}\b(?:order|package|parcel|shipment|delivery|ship|arrive)\b",
        near(r"weeks?|days|month", r"(?:still )?(?:not|no|never) (?:\w+ )?(?:arriv\w*|received?|come|here|package|parcel|delivery|update|movement)", 8) + r"(?! refund)",
    ),
    rule(
        Intent.ORDER_STATUS_TRACKING, "order_status",
        near(WHERE, rf"{ORDER}|{ITEM}|packages?|parcels?|shipments?|stuff", 5),
        r"\btracking (?:number|info\w*|link|code|details?|page|update|id)\b|\btrack (?:it|my)\b|\bwhere is (?:it|everything)\b|\b(?:send|give|share|get|have) (?:me |us )?(?:the |my |a )?tracking\b",
        near(r"arriv\w*|expect\w*|receive|get here|deliver\w*|ship(?:ped|ping)?|come", r"when|how (?:long|soon|much longer|many days)|what (?:day|date|time)|eta|estimated", 7),
        r"\bhow (?:long|soon|much time)\b[^.!?]{0,40}\b(?:deliver\w*|shipping|shipment|arrive|arrival|package|parcel)\b|\b(?:delivery|shipping|arrival|shipment) (?:periods?|dates?|times?|estimates?|eta|status|confirmation)\b",
        r"\b(?:shipped?|shipping|replacement|package|parcel|delivery)\b[^.!?]{0,40}\bany (?:news|update|word)\b",
        r"\b(?:updates?|news|information|info|word)\b (?:\w+ ){0,2}(?:on|about|regarding|for) (?:\w+ ){0,2}(?:orders?|package|parcel|shipment|delivery|purchase)\b",
        r"\b(?:has|have|did|is|was) (?:my|the|our) (?:\w+ )?(?:order|package|parcel|shipment)(?: \w+){0,2} (?:left|ship|shipped|sent|dispatched|gone out|on (?:its|the) way|arriv\w*)\b",
        r"\b(?:not|never) (?:\w+ ){0,2}(?:received?|gotten|got|arrived|come|came)\b[^.!?]{0,40}\b(?:orders?|package|parcel|shipment|delivery)\b",
        r"\b(?:orders?|package|parcel|shipment|delivery)\b[^.!?]{0,30}\b(?:not|never) (?:\w+ ){0,2}(?:received|arrived?|come|came|here|shown up|show up)\b",
    ),
)  # fmt: skip

_SALES: tuple[Rule, ...] = (
    rule(
        Intent.PRE_PURCHASE_QUESTION, "payment_methods",
        near(r"payments?|pay(?:ing)?", r"methods?|options?|modalit\w*|ways?|types?|forms?|accept\w*|allow\w*|available|possib\w*", 5),
        r"\b(?:do|can) (?:you|i) (?:accept|take|pay (?:with|by|using|in|via))\b|\bpay (?:with|by|via|using) (?:\w+ )?(?:card|paypal|klarna|crypto|apple pay|cash|bitcoin|instal\w*)\b",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "delivery_options",
        near(r"deliver\w*|shipping|shipment\w*|send", r"options?|choices?|alternatives?|methods?|modalit\w*|express|overnight|couriers?|rates?", 4),
        r"\b(?:do|can|will|could|would) (?:you|ya)(?: guys| also)? (?:\w+ )?(?:ship|deliver|send)(?: \w+){0,2} (?:to (?!(?:my|a|the|another|me|us|it)\b)|internationally|abroad|overseas|worldwide|outside)",
        r"\b(?:shipping|delivery) (?:costs?|fees?|price|prices|cost) (?:to|for)\b|\bhow much (?:is|for|does) (?:the )?(?:shipping|delivery)\b",
        r"\b(?:ship|shipping|deliver|delivery) (?:internationally|worldwide|overseas|abroad)\b|\binternational shipping\b|\bfree (?:shipping|delivery)\b",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "buying",
        near(r"buy(?:ing)?|purchas(?:e|ing)|mak(?:e|ing)|plac(?:e|ing)|acquir\w*|earn|order(?:ing)?", r"(?:an?|some|several|few|more|new|another|ur|your|of your|of ur|any) (?:\w+ )?(?:purchases?|orders?|items?|products?|articles?|something|things?)|the (?:items?|products?|articles?)|something|some of", 2),
        near(r"plac(?:e|ing)|mak(?:e|ing)", r"(?:the|my) (?:purchases?|orders?)", 2),
        r"\bwhere (?:(?:can|could|do|should|would) i|to) (?:\w+ )?(?:buy|make an order|order|purchase)\b",
    ),
    rule(
        Intent.PRE_PURCHASE_QUESTION, "product_question",
        r"\b(?:before i (?:buy|order|purchase)|(?:thinking|thought) (?:of|about) (?:buying|ordering|purchasing|getting)|considering (?:buying|ordering|purchasing)|interested in (?:buying|ordering|purchasing|your|the)|which (?:one )?(?:to|should i) (?:buy|get|choose)|planning to (?:buy|order)|looking to (?:buy|order|purchase))\b",
        r"\b(?:is|are|will|when)(?: \w+){1,6} (?:be )?(?:back )?(?:in stock|available again|sold out)\b|\brestock\w*|\bback in stock\b|\bout of stock\b",
        r"\b(?:is|are|does|do|can|will) (?:this|it|they|these|the|your|that)(?: \w+){0,4} (?:vegan|waterproof|machine washable|washable|dishwasher safe|gluten.?free|organic|cruelty.?free|compatible|true to size|run (?:small|large|big)|come (?:in|with)|available in|made (?:of|in|from|with)|safe (?:for|to)|suitable for|fit (?:a|an|in)|work (?:with|for|on)|contain|include|good for|hypoallergenic|support)\b",
        r"\bsize (?:guide|chart)\b|\bwhat size should\b|\bwhich size (?:should|would|do|is)\b|\bdo you (?:guys )?(?:sell|carry|offer|stock|make|have (?:any|this|these|the|it))\b|\bwholesale\b|\bbulk (?:order\w*|discount|pricing)\b|\bhow much (?:is|are|does|do) (?:the|this|these|it|that|one)\b",
        r"\b(?:is|are) (?:the|your|this|these|that) (?:\w+ ){1,5}(?:certified|tested|handmade|vegan|organic|waterproof|adjustable|rechargeable|real (?:leather|gold|silver|silk)|sold separately)\b|\b(?:have|got) (?:a |any )?(?:physical |retail )?(?:shop|store|showroom|stores|shops) (?:in|near|around)\b",
        r"\b(?:difference between|compared? (?:to|with))\b[^.!?]{0,60}\b(?:and|to|with|or)\b",
        r"\bwarranty (?:cover|covers|on|for|last|period)\b|\b(?:does|is|have|how long) (?:\w+ ){0,4}warranty\b",
    ),
    rule(
        Intent.PROMO_DISCOUNT_ISSUE, "promo",
        rf"\b(?:{PROMO})(?: \w+)?\b" + said_later(r"not|invalid|expired|error|apply|applied|work\w*|use|forgot|missing|redeem\w*|enter\w*|get|have|any|available|student|never"),
        near(r"apply|applied|combin\w*|stack|two|both|use|redeem|enter|add|forgot|get|any|have|offer|not|never|take|work\w*|where", PROMO, 6),
        r"\b(?:student|military|first order|birthday|black friday|holiday|senior|nurse|teacher) (?:discounts?|deals?|sales?|codes?)\b|\bprice (?:match\w*|adjustment)\b|\b(?:running|have|having|any|upcoming|another) (?:\w+ )?sales?\b(?! items?)|\binvalid code\b|\bdiscount for (?:students|military|nurses|teachers|seniors|first)\b",
        r"\b(?:the|my|your|this) code (?:\w+ )?(?:does|did|is|will|was|not|says|keeps|has)\b(?! (?:never|not) (?:arriv\w*|come|came))" + not_said_later(r"verification|log ?in|password|postal|zip", 60),
    ),
    rule(
        Intent.INFLUENCER_MARKETING_INQUIRY, "influencer",
        near(r"youtube|tiktok|instagram|blog|podcast", r"feature|haul|unboxing|collab\w*|promote|subs", 6),
        r"\b(?:influencers?|collab(?:s|oration|orations|orate|orating)?|brand (?:ambassadors?|deal|partnership)|ambassador program|affiliate\w*|sponsor(?:ship|ed|ing)?|partner(?:ship)?s? (?:with|opportunit\w*|program)|paid partnership|ugc|(?:content|lifestyle|beauty|video) creators?|bloggers?|media kit|pr (?:list|package|box)|gifted product|talent agency)\b" + r"(?! by)",
        near(r"followers|subscribers|audience", r"instagram|tiktok|youtube|channel|brand|promote|feature|review|content|have|\d+ ?k", 10),
        then(r"review|feature|promote|showcase", r"(?:on|to|in) my (?:\w+ )?(?:channel|blog|page|instagram|tiktok|youtube|audience|podcast|profile|stories|followers)", 6),
    ),
)  # fmt: skip

_SUPPORT: tuple[Rule, ...] = (
    rule(
        Intent.BILLING_ISSUE, "billing",
        near(PAY, TROUBLE, 4),
        r"\binvoices?\b" + not_said_later(r"(?:i )?(?:got|received) (?:only )?(?:\d|one|two)", 60) + r"|\bbills?\b(?! me)",
        r"\b(?:copy of|need|send|get|find|have|want|download|request|email|receive|received) (?:me |us )?(?:a |my |the |an? )?(?:\w+ )?receipts?\b|\breceipts? (?:for|of)\b",
        r"\b(?:charged|billed|debited)(?: me| us| my \w+| for \w+)? (?:twice|two times|double|again|multiple times|the wrong|more than|too much|extra|\D{0,1}\d|for something)|\b(?:double|twice) (?:charged?|billed|billing|payment|paid)\b|\bovercharged?\b|\bpaid twice\b",
        r"\bwhy (?:was|am|did|were|have) (?:i|you|we) (?:\w+ )?(?:been )?(?:charged?|bill(?:ed)?)\b",
        near(r"two|2|3|three|multiple|pending|duplicate|extra|unexpected|unknown|strange|second|mystery|weird|there is a|match", r"(?:identical |bank |card )?(?:charges?|payments?|statement|withdrawals?)", 3),
        r"\b(?:card|payment|transaction) (?:was|is|keeps|got|getting|went|has been) (?:\w+ )?(?:declined|rejected|refused|charged|through|failing)\b",
        r"\bvat (?:number|invoice|receipt)\b|\btax (?:invoice|receipt)\b|\bmoney (?:was|has been|got|left|is) (?:\w+ ){0,3}(?:taken|deducted|debited|account|withdrawn)\b",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "account",
        near(r"creat\w*|open(?:ing)?|delet\w*|remov\w*|clos(?:e|ing)|deactivat\w*|cancel\w*|edit\w*|chang\w*|modif\w*|updat\w*|switch\w*|register\w*|set up|access\w*|recover\w*|restor\w*|lock\w*|log ?in\w*|logg\w*|sign\w*|us(?:e|ing)|correct\w*|eliminat\w*|terminat\w*|dissolv\w*|swap\w*|upgrad\w*|downgrad\w*|edti\w*|want|need|get|new|open", rf"(?<!bank )(?<!to my )(?:{ACCOUNT})", 6),
        near(r"edit\w*|chang\w*|modif\w*|updat\w*|correct\w*|alter\w*|delet\w*|eras\w*", r"(?:personal|user|account|my) (?:information|info|details|data|profile)|personla information|details|user ?names?|info|email address|phone number", 4),
        r"\b(?:premium|pro|freemium|gold|platinum|standard|free|user) accounts?\b|\busers? profiles?\b|\b(?:switch|change|swap)\w* (?:\w+ )?users?\b",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "credentials",
        r"\b(?:password|passcode|pass ?word|pwd|user ?(?:key|pin|password)|log ?in|log-in|log into|sign ?in|sign-in|2fa|(?:verification|confirmation|security|access) code|verification email|access key|pin code|authentication)s?\b",
        near(r"reset\w*|recover\w*|retriev\w*|forg[eo]t\w*|restor\w*|lost", r"keys?|pins?|codes?|credentials|pass", 4) + r"(?! to)",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "registration",
        r"\b(?:sign(?:ing)?[ -]?ups?|sign(?:ing)? up|regist(?:er|ering|ration|rations|red))\b(?! (?:(?:for|to) (?:your |the |an? )?(?:newsletter|mailing|emails?)|an? (?:complaint|claim)|(?:my|the) complaint))",
    ),
    rule(
        Intent.TECHNICAL_SUPPORT, "site",
        near(rf"{SITE}|system", r"spins?|logging me out|logs me out|crash\w*|freez\w*|frozen|not (?:work\w*|load\w*|open\w*|respond\w*|let\w*)|error|bugs?|broken|blank|glitch\w*|down|stuck|spinning|keeps", 5),
        r"\b(?:error (?:code|message)|404|500 error|firmware|pairing|software update|troubleshoot\w*|factory reset|bluetooth|wi-?fi)\b" + r"(?! headphones)",
        r"\b(?:not|can not|will not|unable to|trouble|problems?|issues?) (?:\w+ ){0,4}?(?:pair|pairing|sync|syncing|connect(?:ing)? to (?:my |the )?(?:\w+ )?(?:phone|wi-?fi|network|computer|app|device|laptop))\b",
    ),
    rule(
        Intent.TIKTOK_SUPPORT_REQUEST, "tiktok",
        r"\btik ?tok (?:shop|order|store|seller|purchase|live)\b",
        r"\b(?:bought|ordered|purchased|order|purchase|got (?:it|this|these))\b[^.!?]{0,40}\b(?:on|through|thru|from|via|with) (?:your |the |a )?tik ?tok\b",
    ),
    rule(
        Intent.SOCIAL_MEDIA_SUPPORT_REQUEST, "social",
        r"\b(?:commented|comments?|dm'?d|dms?|direct messaged?|messaged|messages?|tagged|posted|giveaway|contest|raffle|winners?|won|blocked|reached out|wrote)\b[^.!?]{0,50}\b(?:instagram|facebook|insta|ig|fb|twitter|messenger)\b",
        r"\b(?:instagram|facebook|insta|ig|fb|twitter|messenger)\b[^.!?]{0,40}\b(?:giveaway|contest|raffle|winners?|dms?|messages?|comments?|story|live|post)\b",
    ),
    rule(
        Intent.PHONE_SUPPORT_REQUEST, "human",
        near(TALK, HUMAN, 5),
        near(rf"{TALK}|hours|open|number|email|assistance|help from", SUPPORT, 5),
        r"\b(?:call|ring|phone) me(?: back)?\b(?! (?:\w+ )?(?:names?|crazy))|\b(?:phone|contact|telephone) (?:number|support)\b" + r"(?! (?:is|on))" + r"|\b(?:give|gimme) me a call\b|\bcall ?back\b",
        r"\b(?:live|human|real|actual) (?:agents?|persons?|humans?|operators?|assistance|support|representatives?)\b|^(?:agent|human|representative|operator|person)(?: please| now)?\W*$",
    ),
    rule(
        Intent.PHONE_SUPPORT_REQUEST, "support_mention",
        rf"\b(?:{SUPPORT})\b" + r"(?!\W+(?:\w+\W+)?(?:was|were|is|are|has|have|had|by|and)\b)" + not_said_later(r"great|excellent|amazing|fantastic|helpful|thank|thanks|good|best|terrible|worst", 80),
        weak=True,
    ),
)  # fmt: skip

_OTHER: tuple[Rule, ...] = (
    rule(
        Intent.UNKNOWN_OTHER, "review",
        near(r"leav\w*|writ\w*|post\w*|submit\w*|shar\w*|giv\w*|send\w*|upload\w*|put", r"reviews?|feedbacks?|opinions?|testimonials?|ratings?|comments? (?:about|on|for)", 4),
    ),
    rule(
        Intent.UNKNOWN_OTHER, "complaint",
        near(r"fil\w*|mak\w*|lodg\w*|submit\w*|regist\w*|rais\w*|send\w*|present\w*|report\w*|want|need", r"(?:formal |customer |consumer |official )?(?:complaints?|reclamations?|claims?|compalints?|complain)", 4) + r"(?!\W+(?:about|for) (?:a )?(?:refund|warranty))",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *_CHANGES, *_CAUSES, *_OUTCOMES, *_STATUS, *_SALES, *_SUPPORT, *_OTHER,
)  # fmt: skip
