from __future__ import annotations

import io

from rich.console import Console

from console.environment import Urls
from console.screen import outcome_table
from console.trail import Trail

URL = "http://127.0.0.1:65535"
URLS = Urls("127.0.0.1:65535", URL, URL, URL, URL, {"observe": URL}, "f" * 32, URL)
STATS = {"requests": {"200": 12345, "429": 7}, "double_replies": 0}


def test_the_live_screen_fits_a_terminal_of_80_columns_and_24_lines() -> None:
    shown = io.StringIO()
    trail = Trail()
    trail.reasons = {
        f"i{n}": reason for n, reason in enumerate(["channel", "vip", "human_answered"])
    }
    trail.outcomes = dict.fromkeys(trail.reasons, "withheld")
    counts = {
        "received|accepted": 11000, "received|duplicated": 1000,
        "auto_reply_sent|cancel_order|email": 40, "actions|route|routed": 77,
    }  # fmt: skip
    figures = {"windows": {"counts": counts}, "vendor": STATS}
    console = Console(file=shown, width=80, height=24)
    console.print(outcome_table(URLS, trail, figures, {"act": 2}))
    lines = shown.getvalue().splitlines()
    assert len(lines) < 24
    text = " ".join(shown.getvalue().split())
    for words in ("received 12000", "routed 77", "withheld channel 1 vip 1 human_answered 1",
                  "200 12345 429 7", "restarts act 2", f"X-Middleware-Token: {'f' * 32}"):  # fmt: skip
        assert words in text
