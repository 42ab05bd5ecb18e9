"""What a customer says in a text: their own words, as sentences, and what they assert.

Quoted history, signatures, salutations and subject lines of our own mails are no words of the
customer; denied wishes, conditions and stories of others are, but they assert nothing.
"""

from __future__ import annotations

import re
from itertools import pairwise

from pipeline.domain.spelling import capped

_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|\n\s*\n\s*|\n(?=[-*\u2022])")


def sentences(said: str) -> list[str]:
    """The sentences of a normalised text; a question keeps its mark."""
    ends = [0, *(found.end() for found in _SENTENCE_END.finditer(said)), len(said)]
    parts = (" ".join(said[start:end].split()) for start, end in pairwise(ends))
    return [part for part in parts if part]


_OUR_MAIL = re.compile(
    r"^[ \t]{0,8}>[^\n]*"
    r"|^[ \t]{0,8}-{2,12} ?(?:original|forwarded) message[\s\S]*"
    r"|^(?:begin forwarded message|on [^\n]{6,200} wrote:|_{8,})[\s\S]*"
    r"|^from:[^\n]*\n(?:sent|date|to|subject):[\s\S]*"
    r"|^(?:subject|betreff|objet): ?(?:re|fwd?|aw|wg)\b[^\n]*",
    re.MULTILINE | re.IGNORECASE,
)
_SIGN_OFF = re.compile(
    r"^(?:-- ?$|(?:(?:many |with |kind |kindest |best |warm |warmest |sincere )*"
    r"(?:thanks|regards|wishes)|thank you|best|cheers|sincerely|yours [a-z]+|all the best|xoxo)"
    r"[ ,.!]*$|sent from my )",
    re.MULTILINE | re.IGNORECASE,
)
_STILL_TALKING = re.compile(
    r"\b(?:i|i'm|i'll|i've|we|my|your|you|please|ps|p\.s)\b|\?", re.IGNORECASE
)
_DISCLAIMER = re.compile(
    r"^[^\n]{0,80}\b(?:this (?:e-?mail|message)|information contained)\b[^\n]{0,200}"
    r"\b(?:confidential|privileged|intended)\b[^\n]*",
    re.MULTILINE | re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"^(?:(?:dear|hi|hello|hey|to|good (?:morning|afternoon|evening|day))\b[ ,]{0,2}(?:the )?)"
    r"(?:customer (?:service|support|care)|support|help ?desk|customer)(?: team)?\b",
    re.MULTILINE | re.IGNORECASE,
)
_MENTION = re.compile(r"(?<!\w)@\w{2,30}")


def without_signature(text: str) -> str:
    """`text` without what stands below a sign-off, and without legal small print.

    A line below it that speaks ("PS: my lawyer will call you") is kept, for a job title is no
    threat but a postscript may be one.
    """
    text = _DISCLAIMER.sub("", text)
    found = _SIGN_OFF.search(text)
    while found is not None and not text[: found.start()].strip():
        found = _SIGN_OFF.search(text, found.end())
    if found is None:
        return text
    below = text[found.end() :].split("\n")
    return text[: found.start()] + "\n".join(line for line in below if _STILL_TALKING.search(line))


def own_words(text: str) -> str:
    """`text` (capped) without quoted mail, signature, salutation and mentions of accounts."""
    text = _OUR_MAIL.sub("", capped(text.replace("\r\n", "\n")))
    return _MENTION.sub("", _SALUTATION.sub("", without_signature(text)))


_UNTIL = r"(?:(?!\b(?:but|just|only|because|until|before|please|then|so|can|could|i|kindly|cancel)\b)[^,.;!?\n]){0,90}"
_WISHED = (
    r"cancel\w*|return\w*|exchang\w*|refund\w*|money|replac\w*|vouchers?|store credit|credit"
    r"|chang\w*|new one|another|discounts?|apolog\w*|compensation|substitut\w*|different (?:size|color)"
)
_DENIED = (
    r"\b(?:(?:not|never|nor) (?:\w+ )?(?:want|wanted|wish|need|like|intend|plan|planning|mean|looking|trying"
    r"|asking|ask|asked|requesting|request|going|here|after|seeking|demanding|care|interested)"
    r"|(?:^|please |but |just |[.!?,;] ?)do not|no need|rather not|instead of|rather than|than|without|am not|are not)"
    rf"(?: (?!but|just|only|and|refund)\w+){{0,4}}? (?:{_WISHED})\b(?: (?:back|it|them|that|this|yet|the order|my order|order))?"
)
_NOT_NEEDED = (
    r"\bno (?:refund|return|exchange|cancellation|replacement|voucher|discount)s?"
    r" (?:is |are )?(?:needed|necessary|required|wanted)\b"
)
_ABSENT = (
    r"\b(?:not|nothing|never|no) (?:is |was |were |are |been )?(?:actually |really |even )?"
    r"(?:damaged|damage|defective|broken|faulty|wrong|missing|complaints?|returns|returned|rush|hurry)\b"
)
_ASKED = "".join(
    rf"(?<!\b{word} )"
    for word in (
        "know", "see", "check", "wondering", "wondered", "wonder", "me", "ask", "curious", "confirm",
        "sure", "checking", "tell", "verify", "seeing", "asking", "idea", "certain", "unsure", "out",
    )
)  # fmt: skip
_CONDITION = (
    rf"\b(?=[iuws]){_ASKED}(?:if|in case|unless|what if|what happens (?:if|when)|should) "
    r"(?:it|they|this|that|these|those|something|anything|one|any|the|my|an?) "
    r"(?:\w+ ){0,2}?(?:is|are|arrives?|comes?|gets?|turns?|does|do|were|was|breaks?|has|have|will"
    r"|can|could|would|fits?|goes|needs?|ships?|shipped|happens?)\b" + _UNTIL
)
_MAYBE = r"\b(?:might|may) (?:\w+ )?(?:have to|need to|want to|end up) \w+(?: it| them| this)?\b"
_OTHERS = (
    r"\bmy (?:sister|brother|friend|friends|cousin|colleague|aunt|uncle|boss|wife|husband|partner)"
    r" (?:\w+ )?(?:got a|returned|has a|has one|had a|had one|loves?|said|says|told|swears|recommended"
    r"|mentioned|bought one|works|emailed|wrote|is a)\b(?:(?!\bbut\b|\bactually\b)[^,.;!?\n]){0,90}"
)
_STORY = (
    r"\bi used to\b[^.;!?\n]{0,90}|\((?:she|he|they|thanks|thank you)\b[^)\n]{0,80}\)"
    r"|\b(?:after|since) (?:my|the|our) (?:exchange|return|refund|cancellation) (?:was|got|is|has been) \w+"
    r"|\byou (?:offered|suggested|proposed) (?:me )?(?:to )?\w+"
)
_NOT_ASSERTED = tuple(
    re.compile(each)
    for each in (_DENIED, _NOT_NEEDED, _ABSENT, _CONDITION, _MAYBE, _OTHERS, _STORY)
)


def asserted(said: str) -> str:
    """A normalised text without denied wishes, conditions and what others did.

    "I do not want a refund" wishes none, "if it arrives damaged" reports none; but "you have not
    refunded me" denies no wish and stays.
    """
    for aside in _NOT_ASSERTED:
        said = aside.sub(" ", said)
    return said
