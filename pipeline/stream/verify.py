"""Is a local store what its changelog comes to? Works on the files, beside a running owner too.

The store is looked at first and the changelog is folded afterwards into a store of its own on
disk, so millions of rows need no memory. Keys that the changelog has touched since the look are
left out: the owner may have them or not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.stream.changelog import ChangelogReader
from pipeline.stream.restore import CatchUp, Rebuild, Refuse, choose, is_stale
from pipeline.stream.store import Marker, Row, Store

SAMPLES = 5
OpenChangelog = Callable[[], AbstractContextManager[ChangelogReader]]


@dataclass
class Verdict:
    """What was found; `problem` is why rows were not compared at all."""

    rows: int = 0
    behind: int = 0
    """Changelog records that the store has not seen: a restart reads them."""
    missing: int = 0
    extra: int = 0
    different: int = 0
    samples: list[bytes] = field(default_factory=list)
    """Keys of the first differences."""
    problem: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether the store equals the fold of its changelog."""
        return self.problem is None and not (self.missing or self.extra or self.different)


def verify(folder: Path, open_changelog: OpenChangelog, *, now: float | None = None) -> Verdict:
    """Compares the store in `folder` with its changelog; `now` in unix seconds, None for now.

    Raises:
        CorruptStoreError: the files are damaged, or there are none.
        RestoreError: the changelog cannot be read.
    """
    with Store.view(folder) as view:
        marker = view.marker
        with open_changelog() as changelog:
            problem = _problem(marker, changelog, time.time() if now is None else now)
            if problem is not None or marker is None:
                return Verdict(problem=problem or "the store was never written")
            with tempfile.TemporaryDirectory(prefix="table-fold-") as own:
                fold, touched = fold_of(changelog, Path(own), marker.position)
                try:
                    verdict = _compare(view.rows(), fold.rows(), touched)
                finally:
                    fold.close()
            verdict.behind = changelog.end - marker.position
    return verdict


def _problem(marker: Marker | None, changelog: ChangelogReader, now: float) -> str | None:
    choice = choose(
        marker,
        topic_id=changelog.topic_id,
        epoch=changelog.epoch,
        end=changelog.end,
        has_history=True,
        is_stale=is_stale(marker, changelog, now),
    )
    match choice:
        case CatchUp():
            return None
        case Rebuild(reason):
            return f"{reason}: the next start rebuilds it"
        case Refuse(reason):
            return f"the changelog is refused: {reason}"
        case _:
            raise AssertionError("with history nothing begins")


def fold_of(changelog: ChangelogReader, folder: Path, position: int) -> tuple[Store, set[bytes]]:
    """The fold of the changelog, made in `folder`, and the keys it touched from `position` on."""
    fold = Store.open(folder / "fold", bulk=True)
    touched: set[bytes] = set()
    for changes, reached in changelog.read(0):
        fold.apply(changes, Marker("", "", reached), write_ahead=False)
        if reached > position:
            touched.update(key for key, _, offset in changes if offset >= position)
    fold.flush()
    return fold.reopen(), touched


def _compare(mine: Iterator[Row], fold: Iterator[Row], touched: set[bytes]) -> Verdict:
    verdict = Verdict()
    for key, here, there in side_by_side(mine, fold):
        verdict.rows += here is not None
        if here == there or key in touched:
            continue
        kind = "extra" if there is None else "missing" if here is None else "different"
        setattr(verdict, kind, getattr(verdict, kind) + 1)
        verdict.samples += [key] if len(verdict.samples) < SAMPLES else []
    return verdict


def side_by_side(
    mine: Iterator[Row], fold: Iterator[Row]
) -> Iterator[tuple[bytes, Row | None, Row | None]]:
    """Each key of either, in order, with the row that each of them has of it."""
    here, there = next(mine, None), next(fold, None)
    while here is not None or there is not None:
        key = min(row.key for row in (here, there) if row is not None)
        left = here if here is not None and here.key == key else None
        right = there if there is not None and there.key == key else None
        yield key, left, right
        here = next(mine, None) if left is not None else here
        there = next(fold, None) if right is not None else there
