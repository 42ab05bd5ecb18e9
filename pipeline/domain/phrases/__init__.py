"""What customers write, by subject: the rules that keywords are made of."""

from __future__ import annotations

from pipeline.domain.phrases.orders import CHANGES, STATUS
from pipeline.domain.phrases.returns import CAUSES, OUTCOMES
from pipeline.domain.phrases.rule import Rule
from pipeline.domain.phrases.sales import SALES
from pipeline.domain.phrases.serious import TIER0
from pipeline.domain.phrases.support import NOTHING_ASKED, SUPPORT

__all__ = ["RULES", "TIER0", "Rule"]

RULES: tuple[Rule, ...] = (
    *CHANGES, *CAUSES, *OUTCOMES, *STATUS, *SALES, *SUPPORT, *NOTHING_ASKED,
)  # fmt: skip
