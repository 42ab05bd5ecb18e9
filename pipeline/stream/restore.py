"""From a partition's changelog and whatever lies on the local disk to a store that may be used.

What is done is one pure choice over three facts: what the local store says it follows, what the
changelog begins with, and whether the owner has worked before. Local files are only a cache and
are thrown away at any doubt; a changelog that has lost its beginning is another matter. It is
never taken for a new table: an empty ledger would mean every reply again. One that ends below the
local store has lost its end, and what was lost is known here alone.

A disk that comes back after the changelog has dropped its tombstones would bring deleted rows
back: what was not known to be right for half that time (`delete.retention.ms`) is read anew. That
age is taken by this machine's clock, so the time must be far longer than clocks are apart.

What cannot be told: a lost tail that was written over before we look (unclean leader election,
which is off), and a changelog emptied together with the group's commits and every local disk,
which is what starting over on purpose looks like.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from pipeline.stream.changelog import ChangelogReader
from pipeline.stream.guard import Refused
from pipeline.stream.store import CorruptStoreError, Marker, Store, set_aside, wipe

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 3.0
BULK = 20_000
"""Records from which on opening the store twice costs less than it saves."""


class TableRefused(Refused):
    """The changelog has lost rows; only a person may decide to go on, by `begin_again`."""

    code = "rows_lost"

    def __init__(self, table: str, partition: int, reason: str) -> None:
        super().__init__(
            f"the changelog of table {table}, partition {partition}: {reason}. Going on would "
            "forget what was done and do it again. Bring the topic back from a mirror or a backup, "
            "or go on with what this machine's disk holds of it, or without its rows"
        )
        self.table = table


@dataclass(frozen=True, slots=True)
class Corrupt:
    """There is a store, and its files cannot be trusted."""


@dataclass(frozen=True, slots=True)
class Begin:
    """First use: write the epoch."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Apply what the changelog has beyond the store."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """Read everything anew; `keep` moves the old files aside instead of deleting them."""

    reason: str
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Rows were lost."""

    reason: str


Choice = Begin | CatchUp | Rebuild | Refuse


def choose(
    local: Marker | Corrupt | None,
    *,
    topic_id: str,
    epoch: str | None,
    end: int,
    has_history: bool,
    is_stale: bool = False,
) -> Choice:
    """What to do about one partition.

    Args:
        local: what lies on this disk; None = nothing.
        topic_id: the broker's id of the changelog topic.
        epoch: what the changelog begins with; None = not with an epoch.
        end: one above its last offset.
        has_history: the owner has worked before. Asked only where `epoch` is None.
        is_stale: see `is_stale`.
    """
    if epoch is None:
        return _without_epoch(local, end=end, has_history=has_history)
    if not isinstance(local, Marker):
        return Rebuild("no local state" if local is None else "local state is damaged")
    if local.topic_id != topic_id:
        return Rebuild("local state belongs to another topic or cluster", keep=True)
    if local.epoch != epoch:
        return Refuse("it has lost its beginning and was begun again")
    if local.position > end:
        return Refuse(
            f"it ends at offset {end}, but this disk holds what was acknowledged up to "
            f"{local.position}: the broker has lost the end of it"
        )
    return Rebuild("local state is older than tombstones are kept") if is_stale else CatchUp()


def is_stale(local: Marker | Corrupt | None, changelog: ChangelogReader, now: float) -> bool:
    """Whether tombstones that the store has not seen may be gone; `now` in unix seconds.

    A store that has seen all there is needs none of them. A marker of the future says that one of
    two clocks was far off, so nothing is known of its age.
    """
    if not isinstance(local, Marker) or local.position >= changelog.end:
        return False
    return abs(now - local.known_at) > changelog.delete_retention() / 2


def _without_epoch(local: Marker | Corrupt | None, *, end: int, has_history: bool) -> Choice:
    if end > 0:
        return Refuse("it has lost its beginning")
    if local is not None:
        return Refuse("it is empty, but this worker has state of it")
    return Refuse("it is empty, but the stage has worked before") if has_history else Begin()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one partition's restore is: done when `position` is `end`."""

    table: str
    partition: int
    position: int
    end: int
    rows: int
    seconds: float


OnProgress = Callable[[Progress], None]


def log_progress(progress: Progress) -> None:
    """One line for each report; a restore of nothing is not worth one."""
    if progress.rows:
        log.info(
            "table restored" if progress.position == progress.end else "table is being restored",
            extra={
                "fields": {
                    "table": progress.table,
                    "partition": progress.partition,
                    "rows": progress.rows,
                    "left": progress.end - progress.position,
                    "seconds": round(progress.seconds, 2),
                }
            },
        )


@dataclass(frozen=True)
class Restore:
    """How one partition of one table is restored."""

    table: str
    partition: int
    folder: Path
    new_epoch: Callable[[], str]
    now: Callable[[], float]
    """Unix seconds."""
    on_progress: OnProgress = log_progress

    def run(self, changelog: ChangelogReader) -> Store:
        """Opens the store and brings it to the end of `changelog`.

        Raises:
            TableRefused: rows were lost.
            TableBusyError: another process has the folder.
            RestoreError: the changelog cannot be read.
        """
        store, local = _look(self.folder)
        known_at = self.now()
        try:
            choice = choose(
                local,
                topic_id=changelog.topic_id,
                epoch=changelog.epoch,
                end=changelog.end,
                has_history=changelog.epoch is None and changelog.has_history(),
                is_stale=is_stale(local, changelog, known_at),
            )
            position = local.position if isinstance(local, Marker) else 0
            match choice:
                case Refuse(reason):
                    self._refuse(reason)
                case Begin():
                    changelog.begin(self.new_epoch())
                case Rebuild():
                    if store is not None:
                        store.close()
                    _discard(self.folder, local, choice)
                    store, position = None, 0
            is_bulk = changelog.end - position > BULK
            if store is None:
                store = Store.open(self.folder, bulk=is_bulk)
            elif is_bulk:
                store = store.reopen(bulk=True)
            self._apply(store, changelog, Marker(
                changelog.topic_id, changelog.epoch or "", position, int(known_at)
            ))  # fmt: skip
            if is_bulk:
                store = store.reopen()
        except BaseException:
            if store is not None:
                store.close()
            raise
        return store

    def _refuse(self, reason: str) -> NoReturn:
        raise TableRefused(self.table, self.partition, reason)

    def _apply(self, store: Store, changelog: ChangelogReader, begin: Marker) -> None:
        began = told = time.monotonic()
        rows = 0
        for changes, reached in changelog.read(begin.position):
            # No write-ahead log: a crash only means beginning again from the marker, which is
            # written with the rows; what counts is flushed at the end.
            store.apply(changes, replace(begin, position=reached), write_ahead=False)
            rows += len(changes)
            if time.monotonic() - told > PROGRESS_SECONDS:
                told = time.monotonic()
                self._tell(reached, changelog.end, rows, told - began)
        end = changelog.end
        store.apply((), replace(begin, position=end), write_ahead=False)
        store.flush()
        self._tell(end, end, rows, time.monotonic() - began)

    def _tell(self, position: int, end: int, rows: int, seconds: float) -> None:
        self.on_progress(Progress(self.table, self.partition, position, end, rows, seconds))


def _look(folder: Path) -> tuple[Store | None, Marker | Corrupt | None]:
    if not folder.exists():
        return None, None
    try:
        store = Store.open(folder)
    except CorruptStoreError:
        return None, Corrupt()
    try:
        return store, store.marker
    except CorruptStoreError:
        store.close()
        return None, Corrupt()


def _discard(folder: Path, local: Marker | Corrupt | None, why: Rebuild) -> None:
    if local is not None:
        kept = str(set_aside(folder)) if why.keep else None
        log.warning(
            "local table is thrown away and rebuilt from its changelog",
            extra={"fields": {"folder": str(folder), "reason": why.reason, "kept": kept}},
        )
    wipe(folder)  # also one that was made and never written
