"""Optional calls: what a reply can do without is not asked for when calls are scarce."""

from __future__ import annotations

ORDER_LOOKUPS = "order_lookups"
SHOP_LOOKUPS = "shop_lookups"
OPTIONAL = (ORDER_LOOKUPS, SHOP_LOOKUPS)
"""What can be shed by name; the first lever when a vendor is short of budget."""

_REPLYING = frozenset({"draft", "live"})


def why_shed(*, mode: str, is_flagged: bool, is_closed: bool) -> str | None:
    """Why an optional call is left out now, as a reason code; None = it may be made.

    Args:
        mode: the effective mode; where nobody is answered, nothing is looked up for an answer.
        is_flagged: an operator or a setting has switched this kind of call off.
        is_closed: its vendor's gate is closed.
    """
    if mode not in _REPLYING:
        return "mode"
    if is_flagged:
        return "flag"
    return "gate_closed" if is_closed else None
