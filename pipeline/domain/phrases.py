"""What customers write, as patterns over normalised text: lower case, single spaces.

A rule is an intent, a code and a pattern. Patterns are built of word families that stand near
each other (`near`), so they mean the same in other words than those they were written for.
Every gap is bounded and every family is a plain alternation: matching is linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.domain.taxonomy import Intent


@dataclass(frozen=True)
class Rule:
    """One high-signal phrase: `code` names it in reasons and audit."""

    intent: Intent
    code: str
    pattern: re.Pattern[str]


def near(first: str, second: str, gap: int = 5) -> str:
    """Both families, in either order, at most `gap` words between them."""
    between = rf"(?:\W+\w+){{0,{gap}}}?\W+"
    return rf"\b(?:{first})\b{between}(?:{second})\b|\b(?:{second})\b{between}(?:{first})\b"


def then(first: str, second: str, gap: int = 5) -> str:
    """`first`, then `second`, at most `gap` words between them."""
    return rf"\b(?:{first})\b(?:\W+\w+){{0,{gap}}}?\W+(?:{second})\b"


def _rule(intent: Intent, code: str, *patterns: str) -> Rule:
    return Rule(intent, code, re.compile("|".join(f"(?:{each})" for each in patterns)))


ORDER = r"orders?|purchases?|oder|ordr"
ITEM = (
    r"items?|products?|articles?|things?|goods|pieces?|shirts?|shoes?|dress(?:es)?|boxes?|bottles?"
)
PARCEL = r"packages?|parcels?|shipments?|deliver(?:y|ies)|box(?:es)?|orders?"
CANCEL = r"cancel\w*|call off|revoke|rescind"
CHANGE = r"chang\w*|modif\w*|edit\w*|updat\w*|correct\w*|fix|alter\w*|amend\w*|switch\w*|swap\w*"
ADDRESS = r"address(?:es)?|adress(?:es)?|addres"
ACCOUNT = r"accounts?|acc?ounn?ts?|profiles?|log-?ins?|memberships? account"
MONEY_BACK = r"refund\w*|reimburs\w*|money back|rebate|restitution|compensation|compensat\w*"
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

TIER0: tuple[Rule, ...] = (
    _rule(
        Intent.HARASSMENT_THREATS, "t0_threat",
        r"\b(?:i(?:'?ll| will| am going to|'?m going to|'?m gonna) (?:kill|hurt|find|beat|burn|destroy|shoot|stab) "
        r"(?:you|your|all of you|every one))",
        r"\b(?:bomb|shoot up|burn down|set fire to)(?:\W+\w+){0,3}?\W+(?:you|your|office|store|warehouse|building)\b",
        r"\bi know where (?:you|your \w+) (?:live|lives|work|works|stay)\b",
        r"\byou(?:'?ll| will) (?:pay with your life|regret being born|be dead)\b|\bwatch your back\b|\bdeath threats?\b",
        r"\b(?:kill yourself|kys|rape you)\b",
    ),
    _rule(
        Intent.LEGAL_THREAT, "t0_legal",
        r"\b(?:my|our|an?|the|through|contact(?:ed|ing)?) (?:lawyers?|attorneys?|solicitors?|legal (?:team|counsel|representatives?))\b",
        r"\b(?:sue|suing) (?:you|your|the|this|u)\b|\b(?:file|filing|bring) (?:a )?(?:law ?suit|suit)\b|\blaw ?suits?\b",
        r"\b(?:take|taking|pursu\w*|consider\w*|initiat\w*|start\w*|threaten\w*|forced to take) (?:\w+ )?legal (?:action|proceedings?|steps?|measures?|recourse)\b",
        r"\bsmall claims(?: court)?\b|\bsee you in court\b|\b(?:take|taking) (?:you|this|it|the matter) to court\b|\bclass action\b",
        r"\b(?:report|reporting|complain\w*|complaint)(?:\W+\w+){0,6}?\W+(?:trading standards|attorney general|ftc|federal trade commission|consumer protection|ombudsman|better business bureau|bbb)\b",
        r"\bcease and desist\b",
    ),
    _rule(
        Intent.CHARGEBACK_DISPUTE, "t0_chargeback",
        r"\bcharge ?-?backs?\b",
        near(r"disput\w*|revers\w*|contest\w*|claw back", r"bank|card|paypal|visa|mastercard|amex|klarna|credit card company|card issuer", 6),
        near(r"disput\w*", r"charges?|transactions?|payment", 4),
        r"\bpaypal (?:case|claim|dispute)\b",
    ),
    _rule(
        Intent.FRAUD_SUSPECTED, "t0_fraud",
        near(r"fraud\w*|stolen|unauthori[sz]ed|identity theft|hacked", r"card|charges?|transactions?|payments?|account|orders?|purchases?|identity|bank", 6),
        r"\b(?:i|we) (?:did not|didn'?t|never) (?:make|place|authori[sz]e|order|made|placed) (?:this|that|these|any|the)\b(?:\W+\w+){0,2}?\W+(?:orders?|purchases?|charges?|payments?|transactions?)\b",
        r"\b(?:someone|somebody) (?:else )?(?:used|has used|is using|stole|hacked|accessed) my\b",
        r"\b(?:this|it|your (?:site|shop|store|company|website)) is (?:a )?(?:scam|fraud)\b|\bphishing\b|\bscammers?\b",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    _rule(
        Intent.CANCEL_SUBSCRIPTION, "subscription",
        near(r"cancel\w*|stop|unsubscrib\w*|end|pause|quit|terminat\w*|opt out|remove me", r"subscriptions?|subscribe|newsletters?|newsleter\w*|auto.?ship\w*|auto.?renew\w*|mailing list|recurring|marketing emails?|memberships?", 6),
        r"\b(?:unsubscrib\w*|newsletters?|newsleters?|news letters?)\b",
        r"\bsubscription (?:to|for) (?:your|the|ur)\b",
    ),
    _rule(
        Intent.CANCEL_ORDER, "cancel_order",
        near(CANCEL, ORDER, 6),
        near(r"cancel\w*|terminat\w*|withdraw\w*|early exit", r"fees?|penalt\w*|charges?|costs?|polic\w*", 4),
        r"\b(?:i )?(?:no longer|don'?t|do not) (?:want|need) (?:\w+ ){0,3}(?:orders?|purchases?)(?: anymore| any more)?\b",
        r"\b(?:please|plz|pls|just|can you|could you|need to|want to|like to) cancel (?:it|this|that|everything)\b",
        r"\bordered (?:\w+ ){0,3}(?:by mistake|by accident|accidentally)\b|\baccidentally (?:ordered|placed|bought)\b",
    ),
    _rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "address_change",
        near(rf"{CHANGE}|set|setting|add\w*|wrong|old|new|different|mov(?:ed|ing)|enter\w*|put|another|secondary|mistake|switch\w*", rf"(?:shipping|delivery|home|street|postal) (?:{ADDRESS})|{ADDRESS}|(?:zip|postal) ?codes?|apartment number", 6),
        r"\b(?:shipping|delivery) (?:address|adress|addres)\b",
    ),
    _rule(
        Intent.ADDRESS_CHANGE_ORDER_EDIT, "order_edit",
        near(r"chang\w*|modif\w*|edit\w*|amend\w*|alter\w*|updat\w*|correct\w*", ORDER, 3),
        near(r"add(?:ing)?|remov\w*|delet\w*|swap\w*|switch\w*|chang\w*|replac\w*|tak(?:e|ing) off|get rid of", r"items?|products?|articles?|something|things?", 3) + r"(?!\W+(?:to|in) (?:my )?(?:cart|basket|account|profile))",
        r"\b(?:change|switch|edit|update) (?:the |my )?(?:size|colou?r|quantity|amount) (?:of|on|in|for)\b",
    ),
    _rule(
        Intent.DELIVERED_NOT_RECEIVED, "dnr",
        near(r"(?:says|shows|showing|marked|status|tracking|it was|listed|claims?)", r"delivered", 7) + r"(?=[\s\S]{0,160}\b(?:not|never|nothing|didn'?t|haven'?t|hasn'?t|isn'?t|no (?:package|parcel|sign|box)|nowhere|missing|wasn'?t)\b)",
        r"\b(?:delivered|left)\b[^.!?]{0,60}\b(?:but|yet|and|however)\b[^.!?]{0,60}\b(?:not|never|nothing|didn'?t|haven'?t|hasn'?t|isn'?t|wasn'?t|no (?:package|parcel|sign))\b",
        r"\b(?:porch pirates?|stolen (?:from|off) (?:my|the|our) (?:porch|door\w*|steps?|mailbox|lobby))\b",
        near(r"stolen|disappeared|vanished", r"packages?|parcels?", 4),
    ),
    _rule(
        Intent.DAMAGED_ITEM, "damaged",
        near(r"damag\w*|broken|brok|crack\w*|shatter\w*|smash\w*|torn|ripp?ed|dent(?:ed|s)?|leak(?:ing|ed|s|y)|defective|crushed|scratch(?:ed|es)?|bent|stained|snapped|chipped|faulty|moldy|mouldy|spilled|in pieces", r"arriv\w*|receiv\w*|came|got|deliver\w*|packages?|parcels?|box(?:es)?|items?|products?|orders?|shipment|bottles?|when i opened|mug|glass|lid|screen|seal|zipper|jar|frame|lamp|opened", 8),
        r"\b(?:doesn'?t|does not|won'?t|will not|stopped) (?:work|turn on|working|charge|switch on|power on)\b(?=[\s\S]{0,200}\b(?:arriv\w*|receiv\w*|bought|unit|device|ordered)\b)",
    ),
    _rule(
        Intent.WRONG_ITEM_RECEIVED, "wrong_item",
        near(r"wrong|incorrect|different|not what i|someone else'?s|somebody else'?s", r"(?:wrong |different )?(?:items?|products?|size|colou?r|orders?|model|things?|flavou?r|style|package|shoes?|shirts?)", 2) + r"(?=[\s\S]{0,120}\b(?:sent|send|received|got|arrived|came|delivered|shipped|instead|box|ordered)\b)",
        r"\b(?:sent|received|got|shipped|delivered|mailed)(?: me| us)? (?:the |a |an )?(?:wrong|incorrect|completely different|different|someone else'?s|somebody else'?s)\b",
        r"\bnot what i (?:ordered|bought|asked for)\b",
        r"\b(?:i )?ordered (?:\w+ ){1,6}(?:but|and) (?:i )?(?:received|got|you sent|was sent)(?! (?:nothing|no|it|only|damaged|broken))\b",
    ),
    _rule(
        Intent.MISSING_ITEMS_IN_SHIPMENT, "missing_items",
        near(r"missing", r"items?|pieces?|parts?|products?|from (?:my|the|this) (?:order|package|box|parcel|shipment)|in (?:my|the) (?:order|package|box|parcel|shipment)|one of", 5),
        r"\b(?:only|just) (?:received|got|found|came with|contained|had|includes?|included|one|two|three|half|part)\b[^.!?]{0,60}\b(?:of|out of|instead of|items?|half|part|order|ordered)\b",
        r"\b(?:was|were|is|are) (?:not|n't) (?:in|included in) (?:the|my) (?:box|package|parcel|order)\b|\b(?:wasn'?t|weren'?t|isn'?t|aren'?t) (?:in|included in) (?:the|my) (?:box|package|parcel|order)\b",
        r"\b(?:incomplete|partial) (?:order|shipment|delivery|package)\b|\border (?:was|is|arrived|came) incomplete\b|\bempty box\b|\bbox was empty\b",
    ),
    _rule(
        Intent.EXCHANGE_REQUEST, "exchange",
        near(r"exchang\w*|swap\w*|trade", r"items?|products?|orders?|sizes?|colou?rs?|it|this|them|these|for (?:a|an|the)|larger|smaller|different", 5),
        r"\b(?:larger|smaller|bigger|different|another|next) size (?:instead|please)\b|\b(?:too (?:small|big|large|tight|loose|short|long))\b(?=[\s\S]{0,160}\b(?:exchang\w*|swap|another size|different size|larger|smaller|bigger)\b)",
    ),
    _rule(
        Intent.REFUND_REQUEST, "refund",
        rf"\b(?:{MONEY_BACK})\b",
        r"\b(?:get|want|need|give|have|send|return)(?: me| us)? (?:my |our |the |all )?(?:\w+ )?money (?:back|returned)\b",
    ),
    _rule(
        Intent.RETURN_REQUEST, "return",
        near(r"return\w*|send(?:ing)? back|give back|bring back", r"items?|products?|orders?|it|this|them|these|labels?|polic\w*|purchases?|shoes?|dress\w*|process|window|package", 4) + r"(?!\W+(?:my|the|your) (?:call|calls|email|emails|message))",
        r"\breturn (?:label|policy|authori[sz]ation|form|slip)\b|\brma\b|\bsend (?:it|this|them|these|the \w+) back\b",
    ),
    _rule(
        Intent.BILLING_ISSUE, "billing",
        near(PAY, TROUBLE, 4),
        r"\binvoices?\b|\bbills?\b(?! me)|\breceipts?\b",
        r"\b(?:charged|billed|debited)(?: me| us| my \w+)? (?:twice|two times|double|again|multiple times|the wrong|more than|too much|extra)\b|\bdouble (?:charged?|billed|billing|payment)\b|\bovercharged?\b",
        r"\b(?:two|duplicate|extra|unexpected|unknown|strange|second) (?:identical )?(?:charges?|payments?)\b",
        r"\bcard (?:was|is|keeps|got|getting) (?:\w+ )?(?:declined|rejected|refused|charged)\b",
        r"\bvat (?:number|invoice|receipt)\b",
    ),
    _rule(
        Intent.SHIPPING_DELAY_NOT_SHIPPED, "shipping_delay",
        r"\b(?:not|hasn'?t|has not|hasnt|haven'?t|have not|still|never|yet to)\b(?:\W+\w+){0,4}?\W+(?:ship|shipped|dispatched|left (?:the|your) warehouse|sent out)\b",
        near(r"delay\w*|late|overdue|taking (?:so|too|very) long|behind schedule|stuck|unfulfilled|on hold", PARCEL, 5),
        r"\bstill (?:says|shows|showing|in) (?:\w+ )?(?:processing|unfulfilled|preparing|pre.?transit|label created)\b",
        r"\b(?:should have|was supposed to|were supposed to|supposed to) (?:\w+ )?(?:arriv\w*|be here|come|ship\w*|be delivered)\b",
    ),
    _rule(
        Intent.PRE_PURCHASE_QUESTION, "payment_methods",
        near(r"payments?|pay(?:ing)?", r"methods?|options?|modalit\w*|ways?|types?|forms?|accept\w*|allow\w*|available|possib\w*", 5),
        r"\b(?:do|can) (?:you|u|i) (?:accept|take|pay (?:with|by|using))\b|\bpay (?:with|by|via|using) (?:\w+ )?(?:card|paypal|klarna|crypto|apple pay|cash|bitcoin|instal\w*)\b",
    ),
    _rule(
        Intent.PRE_PURCHASE_QUESTION, "delivery_options",
        near(r"deliver\w*|shipping|shipment\w*|send", r"options?|choices?|alternatives?|methods?|modalit\w*|express|overnight|couriers?|rates?", 4),
        r"\b(?:do|can|will|could|would) (?:you|u|ya) (?:\w+ )?(?:ship|deliver|send)(?: \w+){0,2} (?:to|internationally|abroad|overseas|worldwide|outside)\b",
        r"\b(?:shipping|delivery) (?:costs?|fees?|price|prices|cost) (?:to|for)\b|\bhow much (?:is|for|does) (?:the )?(?:shipping|delivery)\b",
    ),
    _rule(
        Intent.PRE_PURCHASE_QUESTION, "buying",
        near(r"buy(?:ing)?|purchas(?:e|ing)|mak(?:e|ing)|plac(?:e|ing)|acquir\w*|earn|order(?:ing)?", r"(?:an?|some|several|few|more|new|another|the|ur|your|of your|of ur|any) (?:\w+ )?(?:purchases?|orders?|items?|products?|articles?|something|things?)|something|some of", 2),
        r"\b(?:before i (?:buy|order|purchase)|thinking (?:of|about) (?:buying|ordering|purchasing)|considering (?:buying|ordering|purchasing)|interested in (?:buying|ordering|purchasing))\b",
        r"\b(?:is|are|will|when) (?:this|it|they|these|the|that)(?: \w+){0,5} (?:back )?in stock\b|\brestock\w*|\bback in stock\b|\bout of stock\b",
        r"\b(?:is|are|does|do) (?:this|it|they|these|the|your)(?: \w+){0,4} (?:vegan|waterproof|machine washable|gluten.?free|compatible|true to size|run (?:small|large|big)|come in|available in|made of|safe for|suitable for|fit)\b",
        r"\bsize (?:guide|chart)\b|\bwhat size should\b|\bwhich size (?:should|would|do)\b|\bdo you (?:sell|carry|offer|stock|have (?:any|this|these|the))\b|\bwholesale\b|\bbulk (?:order|discount|pricing)\b|\bwarranty\b",
    ),
    _rule(
        Intent.PROMO_DISCOUNT_ISSUE, "promo",
        r"\b(?:promo(?:tion)?(?:al)?|discount|coupon|voucher|referral|gift card|reward|loyalty) ?(?:codes?|points?|links?)?\b(?=[\s\S]{0,120}\b(?:not|n't|doesn'?t|didn'?t|won'?t|can'?t|cannot|invalid|expired|error|apply|applied|work\w*|use|forgot|missing|redeem\w*|enter\w*|get|have|any|available|student|wasn'?t)\b)",
        near(r"apply|use|redeem|enter|add|forgot|get|any", r"promo\w*|discounts?|coupons?|vouchers?|gift cards?", 5),
        r"\b(?:student|military|first order|birthday|black friday|holiday) (?:discount|deal|sale|code)\b|\bprice (?:match|adjustment)\b",
    ),
    _rule(
        Intent.INFLUENCER_MARKETING_INQUIRY, "influencer",
        r"\b(?:influencers?|collab(?:s|oration|orate|orating)?|brand (?:ambassadors?|deal|partnership)|ambassador program|affiliate\w*|sponsor(?:ship|ed)?|partner(?:ship)? (?:with|opportunit\w*)|ugc|content creators?|media kit|pr (?:list|package))\b",
        near(r"followers|subscribers|audience", r"instagram|tiktok|youtube|channel|brand|promote|feature|review|content", 10),
    ),
    _rule(
        Intent.TECHNICAL_SUPPORT, "account",
        near(r"creat\w*|open\w*|delet\w*|remov\w*|clos\w*|deactivat\w*|cancel\w*|edit\w*|chang\w*|modif\w*|updat\w*|switch\w*|register\w*|set up|access\w*|recover\w*|restor\w*|lock\w*|log ?in\w*|logg\w*|sign\w*|us(?:e|ing)|correct\w*|eliminat\w*|terminat\w*|dissolv\w*|swap\w*|upgrad\w*|downgrad\w*|hack\w*|edti\w*|want|need|get|new|open", ACCOUNT, 6),
        near(r"edit\w*|chang\w*|modif\w*|updat\w*|correct\w*|alter\w*", r"(?:personal|user|account|my) (?:information|info|details|data|profile)|personla information|details|user ?names?|info", 4),
        r"\b(?:premium|pro|freemium|gold|platinum|standard|free|user) accounts?\b|\busers? profiles?\b",
    ),
    _rule(
        Intent.TECHNICAL_SUPPORT, "credentials",
        r"\b(?:password|passcode|pin|pass ?word|user ?(?:key|pin|password)|log ?in|log-in|sign ?in|sign-in|2fa|verification (?:code|email)|access key|pin code|authentication)s?\b",
        near(r"reset\w*|recover\w*|retriev\w*|forg[eo]t\w*|restor\w*|lost", r"keys?|pins?|codes?|credentials", 4),
    ),
    _rule(
        Intent.TECHNICAL_SUPPORT, "registration",
        r"\b(?:sign(?:ing)?[ -]?ups?|sign(?:ing)? up|regist(?:er|ering|ration|rations|red))\b(?! (?:for|to) (?:your |the )?newsletter)",
    ),
    _rule(
        Intent.TECHNICAL_SUPPORT, "site",
        near(r"website|web site|site|app|checkout|check out|cart|page|link|browser", r"crash\w*|freez\w*|frozen|not work\w*|doesn'?t work|won'?t (?:load|open|let)|isn'?t (?:working|loading)|not load\w*|error|bug|broken|blank|glitch\w*|down|stuck|spinning|keeps", 5),
        r"\b(?:error (?:code|message)|404|500 error|bluetooth|firmware|won'?t pair|pairing|software update|troubleshoot\w*|factory reset)\b",
    ),
    _rule(
        Intent.TIKTOK_SUPPORT_REQUEST, "tiktok",
        r"\btik ?tok (?:shop|order|store|seller|purchase)\b|\b(?:bought|ordered|purchased|order|purchase)\b[^.!?]{0,40}\b(?:on|through|from|via) (?:your )?tik ?tok\b",
    ),
    _rule(
        Intent.SOCIAL_MEDIA_SUPPORT_REQUEST, "social",
        r"\b(?:commented|comment|dm'?d|dm|messaged|tagged|posted|giveaway|contest)\b[^.!?]{0,50}\b(?:instagram|facebook|insta|ig|twitter|story|post|page)\b",
        r"\b(?:instagram|facebook|insta|ig)\b[^.!?]{0,40}\b(?:giveaway|contest|dm|comment|story|live)\b",
    ),
    _rule(
        Intent.PHONE_SUPPORT_REQUEST, "human",
        near(rf"{TALK}", rf"(?:a |an |the |some |with |to |real |live |human |actual |customer )*(?:{HUMAN})", 3),
        rf"\b(?:{SUPPORT})\b",
        r"\b(?:call|ring|phone) me(?: back)?\b|\b(?:phone|contact|telephone) (?:number|support)\b|\b(?:give|gimme) me a call\b|\bcallback\b",
        r"\b(?:live|human|real|actual) (?:agents?|persons?|humans?|operators?|assistance|support|representatives?)\b",
    ),
    _rule(
        Intent.ORDER_STATUS_TRACKING, "order_status",
        near(WHERE, rf"{ORDER}|{ITEM}|packages?|parcels?|shipments?|stuff", 5),
        r"\btracking (?:number|info\w*|link|code|details?|page|update)\b|\btrack (?:it|my)\b",
        near(r"arriv\w*|expect\w*|receive|get here|deliver\w*|ship(?:ped|ping)?|come", r"when|how (?:long|soon|much longer|many days)|what (?:day|date|time)|eta|estimated", 7),
        r"\bhow (?:long|soon|much time)\b[^.!?]{0,40}\b(?:deliver\w*|shipping|shipment|arrive|arrival|package|parcel)\b|\b(?:delivery|shipping|arrival|shipment) (?:periods?|dates?|times?|estimates?|eta|status)\b",
    ),
    _rule(
        Intent.UNKNOWN_OTHER, "review",
        near(r"leav\w*|writ\w*|post\w*|submit\w*|shar\w*|giv\w*|send\w*|upload\w*|put", r"reviews?|feedbacks?|opinions?|testimonials?|ratings?|comments? (?:about|on|for)", 4),
    ),
    _rule(
        Intent.UNKNOWN_OTHER, "complaint",
        near(r"fil\w*|mak\w*|lodg\w*|submit\w*|regist\w*|rais\w*|send\w*|present\w*|report\w*|want|need", r"(?:formal |customer |consumer |official )?(?:complaints?|reclamations?|claims?|compalints?|complain)", 4) + r"(?!\W+(?:about|for) (?:a )?(?:refund|warranty))",
    ),
)  # fmt: skip
