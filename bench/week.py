"""How long questions over a week take: four partitions with 60,480 windows of ten seconds each.

The table is the product's, on RocksDB; only its changelog is left out, which a question never
reads. Windows hold what those of a desk with 2,000 messages an hour do, ten times the usual one
(DOMAIN section 4): some thirty series, nine of them histograms.
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.figures import quantile
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.query import WIDTH, answer, ask, told
from pipeline.domain.windows import Window
from pipeline.stream.store import Marker, Store
from tables.windows import WindowsTable

PARTITIONS = 4
DAYS = 7
END = 1_700_000_000 // 86_400 * 86_400
BEGIN = END - DAYS * 86_400
QUESTIONS: tuple[tuple[str, int | None, tuple[str, ...]], ...] = (
    ("received", 900, ("outcome",)),
    ("vendor_429_rate", 900, ("vendor",)),
    ("end_to_end_seconds", 3600, ()),
    ("stage_duration_seconds", 3600, ("stage",)),
    ("vendor_request_seconds", 3600, ("vendor",)),
    ("classification_latency_seconds", None, ()),
    ("actions", 86_400, ("action", "outcome")),
)
ASKED = 40
"""How often each is asked, each time from another second on."""
_RUN = 360


class Stored:
    """The part of `DurableTable` that windows are read and written through, without a changelog."""

    def __init__(self, folder: Path) -> None:
        self._stores = {n: Store.open(folder / str(n)) for n in range(PARTITIONS)}

    def partitions(self) -> Mapping[int, Store]:
        """What is kept here."""
        return self._stores

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Rows of `keys`."""
        return self._stores[partition].get_many(keys)

    def get(self, partition: int, key: bytes) -> bytes | None:
        """One row."""
        return self.get_many(partition, [key])[0]

    def items_of(self, partition: int, begin: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows with `begin` <= key < `end`."""
        for key, value, _ in self._stores[partition].rows(begin):
            if key >= end:
                break
            yield key, value

    def put(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Writes rows."""
        changes = [(key, value, 0) for key, value in rows.items()]
        self._stores[partition].apply(changes, Marker("bench", "bench", 0), write_ahead=False)

    def close(self) -> None:
        """Ends."""
        for store in self._stores.values():
            store.close()


def some_window(rng: random.Random) -> Window:
    """A window of ten seconds of an ordinary desk."""
    window = Window(start=0)
    for outcome in ("accepted", "duplicated", "ignored"):
        window.count(CATALOGUE["received"].series(outcome), rng.randint(1, 9))
    for vendor in ("richpanel", "openai", "shopify"):
        for status in ("2xx", "429", "5xx"):
            window.count(CATALOGUE["vendor_requests"].series(vendor, status), rng.randint(1, 9))
        for _ in range(rng.randint(0, 3)):
            window.observe(CATALOGUE["vendor_request_seconds"].series(vendor), rng.lognormvariate(-2, 1))  # fmt: skip
    for action in ("route", "reply", "mark"):
        for outcome in ("routed", "replied", "withheld"):
            window.count(CATALOGUE["actions"].series(action, outcome), rng.randint(1, 9))
    for name, labels in (
        ("stage_duration_seconds", ("dedup", "classify", "act")),
        ("end_to_end_seconds", ("email", "live_chat")),
        ("classification_latency_seconds", ("model",)),
    ):
        for label in labels:
            for _ in range(rng.randint(0, 3)):
                window.observe(CATALOGUE[name].series(label), rng.lognormvariate(-2, 1))
    return window


def fill(table: WindowsTable, stored: Stored) -> None:
    """A week of windows, with the wider ones as `observe` writes them."""
    rng = random.Random(5)
    pool = [some_window(rng) for _ in range(100)]
    for first in range(BEGIN, END, _RUN * WIDTH):
        starts = range(first, min(END, first + _RUN * WIDTH), WIDTH)
        folded = {start: rng.choice(pool).model_copy(update={"start": start}) for start in starts}
        # One partition's rows for all: what lies in another one is as long to read.
        rows = table.puts(0, folded)
        for partition in range(PARTITIONS):
            stored.put(partition, rows)


def asked(table: WindowsTable, rng: random.Random) -> dict[str, list[float]]:
    """Milliseconds of each question, each time it was asked."""
    spent: dict[str, list[float]] = {}
    for _ in range(ASKED):
        for metric, step, by in QUESTIONS:
            begin, end = BEGIN + rng.randint(0, 899), END - rng.randint(0, 899)
            began = time.perf_counter()
            question = ask(metric, begin, end, step=step, by=by)
            pieces = (piece for each in table.partitions for piece in table.read(each, question))
            orjson.dumps(told(question, answer(pieces, question), ()))
            words = f"{metric}, {'one point' if step is None else f'steps of {step} s'}"
            spent.setdefault(words, []).append(1000 * (time.perf_counter() - began))
    return spent


def measure() -> dict[str, Any]:
    """Milliseconds of questions over a week: of each, and of all together."""
    with tempfile.TemporaryDirectory(prefix="bench-week-") as folder:
        stored = Stored(Path(folder))
        table = WindowsTable(stored)  # type: ignore[arg-type]
        fill(table, stored)
        gc.freeze()  # as `python -m agents` does when it is ready
        spent = asked(table, random.Random(6))
        stored.close()
    every = [each for times in spent.values() for each in times]
    return {
        "windows": PARTITIONS * (END - BEGIN) // WIDTH,
        "p50_ms": round(quantile(every, 0.5), 1),
        "p99_ms": round(quantile(every, 0.99), 1),
        "p99_ms_of": {name: round(quantile(times, 0.99), 1) for name, times in spent.items()},
    }


if __name__ == "__main__":
    print(orjson.dumps(measure(), option=orjson.OPT_INDENT_2).decode())
