"""What leaves for a model is stripped of what names a person (DOMAIN section 5)."""

from __future__ import annotations

import re

# Order matters: a longer form first, or its parts would be taken for something else.
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"https?://\S{0,500}", re.IGNORECASE), "***"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}"), "***@***"),
    (re.compile(r"\b(?:\d[ -]?){13,19}\b"), "[card]"),
    (re.compile(r"\b1Z[0-9A-Z]{16}\b|\b[A-Z]{2}\d{9}[A-Z]{2}\b|\b\d{20,30}\b"), "***"),
)
_PHONE = re.compile(r"(?<![\w#])\+?(?:\(?\d{2,4}\)?[ .-]?){2,3}(\d{4})\b")
_ORDER = re.compile(
    r"#\s?\w{0,4}?(\d{4,12})\b|\b(order|invoice)( (?:number|no\.?|id))?:? (\d{4,12})\b",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """`text` without emails, phones, links, tracking numbers, cards and whole order numbers.

    Weakness: names and street addresses stay; no pattern tells them from other words.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    text = _ORDER.sub(_masked_order, text)
    return _PHONE.sub(lambda found: f"***-***-{found.group(1)}", text)


def _masked_order(found: re.Match[str]) -> str:
    if found.group(1) is not None:
        return f"***{found.group(1)[-4:]}"
    words = f"{found.group(2)}{found.group(3) or ''}"
    return f"{words} ***{found.group(4)[-4:]}"
