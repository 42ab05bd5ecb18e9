"""Crash-only: what cannot be made durable ends the process, and the supervisor starts anew.

Exit codes: 0 stopped as asked, 64 wrong use, 70 (EX_SOFTWARE) something failed that only a fresh
start mends, 78 (EX_CONFIG) topics or settings do not fit and a restart will not help. 1 means that
something kept the loop for itself until `witness` ended the process from beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

log = logging.getLogger(__name__)

EXIT_NO_TURN = 1
"""faulthandler's own; a fresh start mends it as it does `EXIT_CRASH`."""
EXIT_USAGE = 64
EXIT_CRASH = 70
EXIT_CONFIG = 78
TAKE_BACK = 2.0
"""Seconds before a crash in which an innocent event may get its attempt back."""


class Told(Exception):
    """Its text is the layer's own and holds no row: it may be logged.

    `code` and `table` are for a product, which knows the command that mends it.
    """

    code = ""
    table = ""


class Refused(Told):
    """Going on would do harm, and so would trying again; the text says what a person has to do."""


def crash(
    where: str,
    error: BaseException | None = None,
    *,
    code: str = "",
    told: Callable[[Told], str] = str,
) -> None:
    """Ends the process now, with exit code 70, or 78 where a restart will not help.

    `told` puts an error into words; a product adds the command that mends it.

    No cleanup runs: every clean-up handler is a place where half-done work could still be
    committed, while the restart path is exercised by every crash.
    """
    log.critical(
        "infrastructure failure, the process ends",
        extra={"fields": {"where": where, "code": code or type(error).__name__}},
        exc_info=error,
    )
    if isinstance(error, Told):
        log.critical("refused", extra={"fields": {"where": where, "reason": told(error)}})
    logging.shutdown()
    os._exit(EXIT_CONFIG if isinstance(error, Refused) else EXIT_CRASH)


Crash = Callable[[str, BaseException], None]
"""What is called when work cannot go on: `crash` in a process, a recorder in a test."""


class HasAttempt(Protocol):
    """Work in hand whose attempt was noted."""

    @property
    def take_back(self) -> Callable[[], Awaitable[None]]: ...  # noqa: D102


async def give_up(work: HasAttempt) -> None:
    """Before a crash that is no event's fault: this attempt counts for nothing.

    Best effort and short: where the broker is away it cannot be said, and the count stays.
    """
    with contextlib.suppress(Exception):
        await asyncio.wait_for(work.take_back(), TAKE_BACK)
