"""`python -m tests.integration.cut_worker`: the act stage, whose control follower alone can be cut off.

While the file ACT_CUT exists, nothing of the control topic reaches it; ACT_CUT_BOTH stands for its
signs of life too. Everything else of it goes on: records, tables, calls. Nothing of this is in the
product.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from agents.__main__ import main
from pipeline import topics
from pipeline.stream.control import Follower, Update, View

CUT, CUT_BOTH = (Path(os.environ[name]) for name in ("ACT_CUT", "ACT_CUT_BOTH"))


def cut_off() -> None:
    apply, put = View.apply, Follower.put

    def cut_apply(self: View, updates: Iterable[Update]) -> None:
        # The view of the customers' counts has no process of ours in it and goes on.
        is_control = any(True for _ in self.items("process/"))
        if not (is_control and CUT.exists()):
            apply(self, updates)

    async def cut_put(self: Follower, entries: Iterable[tuple[str, bytes | None]]) -> int:
        while self._where.topic == topics.CONTROL.name and CUT_BOTH.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return await put(self, entries)

    View.apply = cut_apply  # type: ignore[method-assign]
    Follower.put = cut_put  # type: ignore[method-assign]


if __name__ == "__main__":
    cut_off()
    sys.exit(main(["act"]))
