"""What leaves for a model is stripped of what names a person (DOMAIN section 5)."""

from __future__ import annotations

import re

_LINK = re.compile(r"(?:https?://|\bwww\.)\S+", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_TRACKING = re.compile(
    r"\b1Z ?(?:[0-9A-Z] ?){15}[0-9A-Z]\b"  # UPS
    r"|\b[A-Z]{2} ?\d{9} ?[A-Z]{2}\b"  # postal services (UPU S10)
    r"|\b(?:TBA|JD|JJD)\d{9,20}\b"  # Amazon, DHL
    r"|\b\d(?:[ -]?\d){19,33}\b",  # USPS, FedEx
    re.IGNORECASE,
)
_NAMED_TRACKING = re.compile(
    r"\b(tracking(?: (?:number|no\.?|id|code|is|was))*[:#]? ?#?)(?=\w{0,39}\d{3})[A-Z0-9]{6,40}\b",
    re.IGNORECASE,
)
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_ORDER = re.compile(
    r"(?:#\s?|\b(?P<words>(?:orders?|invoice|reference|ref|confirmation|rma)\b"
    r"(?: (?:number|no|num|id|ref|is|was))*[:.]?) ?#?)[A-Z]{0,4}-?(?P<digits>\d{3,14})\b(?![ .-]?\d)",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,4}\d{2,4}\b"
    r"|(?<!\w)(?:1[ .-]?)?\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{4}\b"
    r"|\b0\d{2,4}[ .-]?\d{3,4}[ .-]?\d{3,4}\b"
    r"|\b\d{3}[.-]\d{4}\b"
)
_LONG_NUMBER = re.compile(r"\b\d{6,12}\b")
_SHOWN = 4
"""Digits of a number that stay; a number that has no more shows none."""


def redact(text: str) -> str:
    """`text` without emails, phones, links, tracking numbers, cards and whole order numbers.

    Weakness: names and street addresses stay; no pattern tells them from other words.
    """
    # The order matters: a longer form first, or its parts would be taken for something else.
    text = _LINK.sub("***", text)
    text = _EMAIL.sub("***@***", text)
    text = _TRACKING.sub("***", text)
    text = _NAMED_TRACKING.sub(r"\1***", text)
    text = _CARD.sub("[card]", text)
    text = _ORDER.sub(_masked_order, text)
    text = _PHONE.sub(lambda found: f"***-***-{_digits(found.group())[-_SHOWN:]}", text)
    return _LONG_NUMBER.sub(lambda found: _masked(found.group()), text)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _masked(digits: str) -> str:
    return f"***{digits[-_SHOWN:] if len(digits) > _SHOWN else ''}"


def _masked_order(found: re.Match[str]) -> str:
    words = found["words"]
    return f"{words} {_masked(found['digits'])}" if words else _masked(found["digits"])
