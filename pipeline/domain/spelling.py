"""One spelling for what customers write: lower case, whole words, slips of the hand mended."""

from __future__ import annotations

import re

MAX_TEXT = 8_000
"""Characters that are looked at (DOMAIN section 4); of a longer text, its start and its end."""
_END = 2_000
"""Of those, characters from the end of a longer text: a threat often stands last, and padding
must not push it out of sight."""

_WORDS = {
    "u": "you", "ur": "your", "ure": "you are", "ya": "you", "y'all": "you all",
    "pls": "please", "plz": "please", "plss": "please", "plse": "please", "thx": "thanks",
    "ty": "thanks", "tysm": "thanks", "asap": "soon", "wanna": "want to", "gonna": "going to",
    "gotta": "have to", "gimme": "give me", "lemme": "let me", "dunno": "do not know",
    "wheres": "where is", "where's": "where is", "whats": "what is", "what's": "what is",
    "hows": "how is", "how's": "how is", "when's": "when is", "whens": "when is",
    "who's": "who is", "why's": "why is", "wen": "when", "wat": "what", "wht": "what",
    "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not",
    "wont": "will not", "ain't": "is not", "aint": "is not", "shan't": "shall not",
    "im": "i am", "i'm": "i am", "ive": "i have", "i've": "i have",
    "i'd": "i would", "i'll": "i will", "its": "it is", "it's": "it is", "thats": "that is",
    "that's": "that is", "he's": "he is", "she's": "she is", "theres": "there is", "there's": "there is", "let's": "let us",
    "theyre": "they are", "they're": "they are", "youre": "you are", "you're": "you are",
    "we're": "we are", "weve": "we have", "youve": "you have", "hadnt": "had not",
    "ordr": "order", "oder": "order", "oders": "orders", "odrer": "order", "adress": "address",
    "addres": "address", "addresss": "address", "adresses": "addresses", "acc": "account",
    "recvd": "received", "rcvd": "received", "recd": "received", "msg": "message",
    "pkg": "package", "yest": "yesterday", "wks": "weeks", "wk": "week", "diff": "different",
    "prob": "problem", "colour": "color", "colours": "colors", "flavour": "flavor",
    "mom": "mum", "amt": "amount", "tho": "though", "bc": "because", "w": "with",
    "insta": "instagram", "ig": "instagram", "fb": "facebook", "smth": "something",
}  # fmt: skip
_OFTEN_MISTYPED = (
    "cancel", "cancelled", "canceled", "cancelling", "refund", "refunded", "refunds", "received",
    "receive", "delivered", "delivery", "damaged", "package", "parcel", "address", "account",
    "password", "tracking", "exchange", "discount", "subscription", "unsubscribe", "newsletter",
    "invoice", "payment", "charged", "shipping", "shipped", "shipment", "missing", "broken",
    "defective", "return", "returned", "ordered", "purchase", "different", "incorrect",
    "complaint", "warranty", "available", "registration", "arrived", "arrive", "replacement",
    "website", "customer", "deducted", "product", "counterfeit", "website", "yesterday",
    "information", "details", "assistance", "agent", "human", "online", "profile",
)  # fmt: skip
_NOT = frozenset(
    "do does did is are was were has have had could would should".split()  # noqa: SIM905
)
_ENDINGS = {"ll": " will", "ve": " have", "re": " are", "d": " would"}


def _slips(word: str) -> set[str]:
    """`word` with one letter left out, doubled, or changed places with the next.

    The first and the last letter stay: without them it may be another word ("refunds").
    """
    inner = range(1, len(word) - 1)
    dropped = {word[:at] + word[at + 1 :] for at in inner}
    doubled = {word[:at] + word[at] + word[at:] for at in inner}
    swapped = {
        word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 2)
    }
    return dropped | doubled | swapped


_SPELLING: dict[str, str] = {
    **{slip: word for word in _OFTEN_MISTYPED for slip in _slips(word)},
    "recieved": "received",
    "recieve": "receive",
    "cancle": "cancel",
    "canceld": "cancelled",
    **{word: word for word in _OFTEN_MISTYPED},
    **_WORDS,
}
_WORD = re.compile(r"[\w']+")
_SIGNS = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "`": "'", "\u00b4": "'", "\u201c": '"', "\u201d": '"',
     "\u2014": ",", "\u2013": "-", "\r": "\n", "%": " percent "}
)  # fmt: skip


def _spelled(found: re.Match[str]) -> str:
    word = found.group()
    known = _SPELLING.get(word)
    if known is not None:
        return known
    if word.endswith(("nt", "n't")):
        stem = word.removesuffix("t").removesuffix("'").removesuffix("n")
        return f"{stem} not" if stem in _NOT else word
    if "'" in word:
        stem, _, ending = word.rpartition("'")
        return stem + _ENDINGS.get(ending, f"'{ending}")
    return word


_EMPTY_LINES = re.compile(r"\n(?:[ \t]{0,80}\n){2,}")


def capped(text: str) -> str:
    """At most `MAX_TEXT` characters of `text`: its start and its end, without empty stretches."""
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT - _END - 2]}\n\n{text[-_END:]}"
    return _EMPTY_LINES.sub("\n\n", text)


def normalise(text: str) -> str:
    """What phrases expect (see `wording`), of at most `MAX_TEXT` characters of `text`.

    Lower case, frequent spellings made one and contractions written out, so the answer may be
    longer; line breaks stay.
    """
    return _WORD.sub(_spelled, capped(text).translate(_SIGNS).casefold()).strip()
