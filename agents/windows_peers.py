"""The windows of every partition, wherever they are kept: this worker's own, and the others'.

An `observe` worker has the windows of its partitions alone. Who else is there stands on the
control topic, with the address that it answers at; what this one lacks it asks the others for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from pipeline.control import Control
from pipeline.domain.metrics import CATALOGUE
from pipeline.domain.query import Dated, Line, Question, answer
from pipeline.domain.tally import Tally
from tables.windows import Piece, WindowsTable

log = logging.getLogger(__name__)

PATH = "/windows/part"
OBSERVE = "observe-"
"""What the names of `observe` processes begin with."""
PATIENCE = 3.0
"""Seconds that another worker has to answer."""

Fetch = Callable[[str, Mapping[str, str]], Awaitable[Any]]
"""GETs the JSON at an address with a query; raises `PeerError`."""


class PeerError(Exception):
    """Another worker did not answer, or not usably."""


@dataclass(frozen=True)
class Found:
    """What could be read for a question; `missing` are the partitions that nobody answered for."""

    pieces: tuple[Dated, ...]
    missing: tuple[int, ...]

    def lines(self, question: Question) -> list[Line]:
        """The answer as far as it is known."""
        return answer(self.pieces, question)


class Windows:
    """Reads the windows of all `partitions` partitions of the audit trail.

    `peers` gives the addresses of the other live workers.
    """

    def __init__(
        self, table: WindowsTable, *, partitions: int, peers: Callable[[], list[str]], fetch: Fetch
    ) -> None:
        self._table = table
        self._all = frozenset(range(partitions))
        self._peers = peers
        self._fetch = fetch

    async def find(self, question: Question, names: tuple[str, ...] | None = None) -> Found:
        """What all workers have for `question`; `names` are the metrics to read, None = its own."""
        mine = self._all & self._table.partitions
        pieces: list[Dated] = [
            piece
            for partition in sorted(mine)
            for piece in self._table.read(partition, question, names)
        ]
        missing = self._all - mine
        if missing and (urls := self._peers()):
            query = asked_of_peers(question, missing, names)
            told = await asyncio.gather(*(self._ask(url + PATH, query) for url in urls))
            for partition, theirs in (each for answer in told for each in answer.items()):
                if partition in missing:
                    pieces += theirs
                    missing -= {partition}
        return Found(tuple(pieces), tuple(sorted(missing)))

    async def lines(self, questions: Iterable[Question]) -> dict[Question, list[Line]]:
        """Question -> its answer; a range is read once for all that ask for it.

        One for which some partition could not be had is left out: a part is no answer.
        """
        ranges: dict[tuple[int, int, int], list[Question]] = defaultdict(list)
        for each in questions:
            ranges[each.begin, each.end, each.step].append(each)
        # Side by side: each may wait as long as another worker has to answer.
        founds = await asyncio.gather(*map(self._for_all, ranges.values()))
        return {
            each: found.lines(each)
            for same, found in zip(ranges.values(), founds, strict=True)
            for each in same
            if not found.missing
        }

    async def _for_all(self, same: list[Question]) -> Found:
        """What all workers have for questions about one range."""
        names = tuple(sorted({name for each in same for name in each.metric.stored}))
        return await self.find(same[0], names)

    def part(self, question: Question, query: Mapping[str, str]) -> dict[str, Any]:
        """What this worker has of the partitions that another one lacks, step by step."""
        wanted = frozenset(map(int, query["partitions"].split(",")))
        names = tuple(CATALOGUE[each].name for each in query["names"].split(","))
        return {
            str(partition): _by_step(self._table.read(partition, question, names), question)
            for partition in sorted(wanted & self._table.partitions)
        }

    async def _ask(self, url: str, query: Mapping[str, str]) -> dict[int, list[Piece]]:
        try:
            told = await self._fetch(url, query)
            return {
                int(partition): [_piece(each) for each in pieces]
                for partition, pieces in told.items()
            }
        except (PeerError, LookupError, TypeError, ValueError, AttributeError) as error:
            # Its partitions are told as missing.
            log.warning("no windows", extra={"fields": {"error": type(error).__name__}})
            return {}


def asked_of_peers(
    question: Question, missing: Iterable[int], names: tuple[str, ...] | None
) -> dict[str, str]:
    """The query string for the `missing` partitions."""
    step = {} if len(question.starts) == 1 else {"step": str(question.step)}
    return {
        "metric": question.metric.name,
        "from": str(question.begin),
        "to": str(question.end),
        "partitions": ",".join(map(str, sorted(missing))),
        "names": ",".join(question.metric.stored if names is None else names),
        **step,
    }


def peers_on(control: Control, own: Callable[[], str]) -> Callable[[], list[str]]:
    """The addresses of the live `observe` workers but for `own`."""

    def peers() -> list[str]:
        now = control.view.broker_time
        urls = {
            heard.record.url
            for heard in control.processes()
            if heard.record.name.startswith(OBSERVE) and heard.is_live(now)
        }
        return sorted(urls - {"", own()})

    return peers


async def fetch_json(url: str, query: Mapping[str, str]) -> Any:
    """The JSON that another worker answers.

    Raises:
        PeerError: none came in time.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
            session.get(url, params=query, raise_for_status=True) as response,
        ):
            return await response.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise PeerError(type(error).__name__) from error


def _by_step(pieces: Iterable[Dated], question: Question) -> list[dict[str, Any]]:
    """One piece for each step: wide enough for the question, and few to send."""
    steps: dict[int, Tally] = {}
    for piece in pieces:
        start = piece.start - (piece.start - question.begin) % question.step
        steps.setdefault(start, Tally()).add(piece)
    return [{"start": start, **tally.model_dump()} for start, tally in steps.items()]


def _piece(told: Mapping[str, Any]) -> Piece:
    histograms = {
        series: {int(index): times for index, times in buckets.items()}
        for series, buckets in told["histograms"].items()
    }
    return Piece(told["start"], told["counts"], histograms, told["levels"])
