"""Watches the loop from beside it: what still goes on where the loop gives no turn.

A loop that one record keeps for itself can neither look at its clock nor end the process, and the
consumer's own thread goes on telling the group that all is well: the partitions would be held and
stand still for ever.
"""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Callable

from pipeline.stream.stall import TICK

LAST_RESORT = 60.0
"""Seconds without a turn of the loop after which the process ends: the patience of `watchdog`, which
lives in that loop. Work that comes back after the 5 s of a fatal standstill ends it sooner."""
_ARMED_FOR = 1.0
"""Seconds after which the alarm is set anew: it is a thread each time, half a millisecond."""
_STDERR = 2


class Witness:
    """A thread that counts while the process runs, and an alarm that needs no turn and no GIL.

    The alarm is faulthandler's. It ends the process with `guard.EXIT_NO_TURN`, and writes file, line
    and function of each thread to stderr: no values, so nothing of a record.
    """

    def __init__(
        self, *, last_resort: float = LAST_RESORT, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._last_resort = last_resort
        self._monotonic = monotonic
        self._armed = float("-inf")
        self._seen = monotonic()
        self._ran = 0.0
        self._ended = threading.Event()

    def begin(self) -> None:
        """Counts from now on; the alarm is first set by `turn`."""
        self._seen = self._monotonic()
        self._ended.clear()
        threading.Thread(target=self._watch, name="witness", daemon=True).start()

    def turn(self) -> None:
        """The loop has had a turn: the alarm is put off."""
        now = self._monotonic()
        if now - self._armed >= min(_ARMED_FOR, self._last_resort / 2):
            faulthandler.dump_traceback_later(self._last_resort, exit=True, file=_STDERR)
            self._armed = now

    def look(self) -> None:
        """One look at the clock, in the thread: what is missing since the last, nobody ran."""
        now = self._monotonic()
        self._ran += min(now - self._seen, 2 * TICK)
        self._seen = now

    def ran(self) -> float:
        """Seconds for which the process has run, be it in the loop or not."""
        return self._ran

    def end(self) -> None:
        """No alarm any more, and no thread."""
        faulthandler.cancel_dump_traceback_later()
        self._armed = float("-inf")
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            self.look()
