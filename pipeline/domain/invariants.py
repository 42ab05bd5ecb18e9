"""What must always hold, told from the audit trail and the modes that stand (DESIGN section 1).

* An accepted event reaches its terminal outcome. One that does not is told of within 60 s where others
  have overtaken it, or where nothing waits and nothing is in hand. While anything waits, be it for a
  vendor's budget, behind a 429 or for a stage that is down, it may be in that line, and a lower bound
  than the critical age would call every backlog a loss; that something waits has alerts of its own.
* A reply key is sent once.
* Nothing is done at the helpdesk that the mode does not allow.

The state is bounded and is rebuilt by reading the last hours of the trail again, so it is the same
after a restart. What is forgotten for want of room is counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.events import Audit
from pipeline.domain.modes import Mode, Standing, Subject, is_scope

OUTCOME_WITHIN = 55.0
"""Seconds without a word of an event that others have overtaken or that nothing can be waiting for;
it is told of within 60."""
OUTCOME_AT_LAST = 300.0
"""Seconds without a word of an event that may wait in line: the critical age (DOMAIN section 1)."""
OVERTAKEN_BY = 10.0
"""Seconds by which a later event must have come into line to count as overtaking: tickets are
worked on side by side, so near neighbours pass each other every day."""
DUE_SLACK = 30.0
"""Seconds after it is due that parked work, and what waits behind it, may take to be back in line."""
UNKNOWN_AFTER = 300.0
"""Seconds after which a reply that may or may not have been sent is told of (RELIABILITY R16)."""
RECENT = 900.0
"""Seconds for which a violation that has happened is told of."""
TOLERANCE = 1.0
"""Seconds by which two processes may differ in what the broker's clock says, by which both calls and
mode changes are stamped."""
SETTLE = 15.0
"""Seconds after which a call is held against the mode changes: the trail has several partitions, and
the change that allowed a call may be read after it."""
OBEYED_AFTER = 5.0
"""Seconds after which a mode binds everybody, confirmed or not: who is cut off stops within these."""
MOST_OPEN = 100_000
MOST_REPLIES = 200_000
MOST_ENDED = 50_000
MOST_CHANGES = 1_000

NEEDS = {
    "routed": Mode.ROUTE_ONLY,
    "marked": Mode.ROUTE_ONLY,
    "drafted": Mode.DRAFT,
    "replied": Mode.LIVE,
}
"""What the audit says was done at the helpdesk -> the least restrictive mode that allows it."""
SETTLED = frozenset({"replied", "drafted", "triaged"})
"""What the audit says of a reply whose end is known, a human's to settle included."""


@dataclass
class _Open:
    """An accepted event without an outcome; moments are unix seconds."""

    accepted_at: float
    partition: int
    conversation: str | None
    unsettled_since: float | None = None
    """Since when its reply may or may not have been sent."""


@dataclass(frozen=True)
class Broken:
    """How much is broken now; all are counts."""

    without_outcome: int = 0
    unknown_replies: int = 0
    double_sends: int = 0
    mode_violations: int = 0
    forgotten: int = 0
    """Open events that were dropped for want of room, since this process began."""


@dataclass(frozen=True)
class _Call:
    """A call that is not judged yet: when it was made, which mode it needs, and of which scopes."""

    at: float
    needs: Mode
    scopes: tuple[str, ...]


class Invariants:
    """Folds the trail; a record that comes twice changes nothing that is told."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._waiting: OrderedDict[str, float] = OrderedDict()
        """Conversation -> until when its parked work may keep it waiting."""
        self._passed: dict[int, float] = {}
        """Partition -> when the latest event was accepted that has its outcome."""
        self._replies: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._changes: deque[tuple[float, str, Mode]] = deque(maxlen=MOST_CHANGES)
        """When a scope's mode began to bind."""
        self._calls: OrderedDict[tuple[int, int], _Call] = OrderedDict()
        self._doubled: OrderedDict[str, float] = OrderedDict()
        self._violations: OrderedDict[tuple[int, int], float] = OrderedDict()
        self._forgotten = 0

    def add(self, audit: Audit, *, partition: int, offset: int) -> None:
        """Takes one record of the trail, which lies at `partition` and `offset`."""
        if audit.stage == "control":
            self._control(audit)
            return
        if audit.stage == "dedup" and audit.what == "accepted":
            self._accepted(audit, partition)
        if audit.what == "parked":
            self._parked(audit)
        if audit.stage == "act":
            self._acted(audit, (partition, offset))
        if audit.outcome is not None:
            self._ends(audit)

    # -- one terminal outcome -----------------------------------------------------------------

    def _accepted(self, audit: Audit, partition: int) -> None:
        # Its end may have been read before: the two can lie on different partitions.
        if audit.at <= self._ended.get(audit.ingress_id, float("-inf")):
            return
        self._open[audit.ingress_id] = _Open(audit.at, partition, audit.conversation_hash)
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)
            self._forgotten += 1

    def _ends(self, audit: Audit) -> None:
        self._ended[audit.ingress_id] = audit.at
        self._ended.move_to_end(audit.ingress_id)
        _bounded(self._ended, MOST_ENDED)
        mine = self._open.pop(audit.ingress_id, None)
        if mine is not None:
            passed = self._passed.get(mine.partition, mine.accepted_at)
            self._passed[mine.partition] = max(passed, mine.accepted_at)

    def _parked(self, audit: Audit) -> None:
        mine = self._open.get(audit.ingress_id)
        # Parked for anything else, as by a helpdesk that is down when the reply is to be read back,
        # it is as unknown as before.
        if mine is not None and mine.unsettled_since is None and audit.reason == "unsettled":
            mine.unsettled_since = audit.at
        # Not by the wait: jitter adds to a long one more than any slack, and cuts what has no tier.
        due = audit.detail.get("due")
        if audit.conversation_hash is not None and isinstance(due, int | float):
            until = due + DUE_SLACK
            before = self._waiting.get(audit.conversation_hash, until)
            self._waiting[audit.conversation_hash] = max(before, until)
            _bounded(self._waiting, MOST_OPEN)

    # -- one send per key, and none against the mode ------------------------------------------

    def _acted(self, audit: Audit, place: tuple[int, int]) -> None:
        if audit.what == "replied" and audit.reason is None and audit.action_id is not None:
            first = self._replies.setdefault(audit.action_id, place)
            if first != place:
                self._doubled[audit.action_id] = audit.at
            _bounded(self._replies, MOST_REPLIES)
            _bounded(self._doubled, MOST_CHANGES)
        if audit.what in SETTLED and (mine := self._open.get(audit.ingress_id)) is not None:
            mine.unsettled_since = None
        needs = NEEDS.get(audit.what)
        if needs is None or audit.reason is not None:
            return
        said, called_at = audit.detail.get("mode"), audit.detail.get("called_at")
        if isinstance(said, str) and said in _MODES and _MODES[said] < needs:
            self._violated(place, audit.at)
        elif isinstance(called_at, int | float):
            told = (audit.detail.get(kind) for kind in ("channel", "intent"))
            channel, intent = (each if isinstance(each, str) else None for each in told)
            scopes = Subject(channel=channel, intent=intent).scopes
            self._calls[place] = _Call(float(called_at), needs, scopes)
            while len(self._calls) > MOST_ENDED:
                self._calls.popitem(last=False)

    def _violated(self, place: tuple[int, int], at: float) -> None:
        self._violations[place] = at
        _bounded(self._violations, MOST_CHANGES)

    def _judge_calls(self, now: float, standing: Mapping[str, Standing]) -> None:
        """Holds each call that has settled against the modes that bound everybody then."""
        ripe = {place: call for place, call in self._calls.items() if call.at < now - SETTLE}
        for place, call in ripe.items():
            del self._calls[place]
            # Both a second before and a second after: what changed in between may go either way.
            moments = (call.at - TOLERANCE, call.at + TOLERANCE)
            for scope in call.scopes:
                stands = standing.get(scope)
                if max(self._mode_at(scope, at, stands) for at in moments) < call.needs:
                    self._violated(place, call.at)

    def _mode_at(self, scope: str, at: float, stands: Standing | None) -> Mode:
        """The mode of one scope that bound everybody at `at`; `LIVE` where none is known."""
        known = [
            (when, mode) for when, where, mode in self._changes if where == scope and when <= at
        ]
        # Whoever set it longer ago than the trail is read back is known by this alone. It tells
        # nothing of what was before.
        if stands is not None and stands.since + OBEYED_AFTER <= at:
            known.append((stands.since, stands.mode))
        # By time: changes lie on several partitions and are read in any order.
        return max(known, key=lambda change: change[0])[1] if known else Mode.LIVE

    def _control(self, audit: Audit) -> None:
        """A lower mode binds once all have confirmed it, a higher one from its first moment.

        It is told of when it is durable, or even confirmed; the first moment is when its write began.
        """
        # Only a stop is ever set without knowing what was before.
        mode, was = audit.detail.get("mode"), audit.detail.get("was", Mode.LIVE.value)
        scope = str(audit.detail.get("scope"))
        if not is_scope(scope) or mode not in _MODES or was not in _MODES:
            return
        is_raise = _MODES[str(mode)] > _MODES[str(was)]
        if is_raise and audit.what in {"mode_set", "mode_released"}:
            took = audit.detail.get("seconds", 0.0)
            began = audit.at - took if isinstance(took, int | float) else audit.at
            self._changes.append((began, scope, _MODES[str(mode)]))
        elif not is_raise and audit.what == "mode_acknowledged":
            self._changes.append((audit.at, scope, _MODES[str(mode)]))

    # -- told ---------------------------------------------------------------------------------

    def broken(
        self, now: float, standing: Mapping[str, Standing], *, is_idle: bool = False
    ) -> Broken:
        """What is broken at `now`, unix seconds.

        `standing` are the modes as they stand, by scope: the trail does not reach back to all that
        were set, and the logbook may lack one. `is_idle` says that a moment ago no stage had anything
        to do, nothing was parked, and the trail is read to its end.
        """
        self._judge_calls(now, standing)
        return Broken(
            without_outcome=sum(
                self._is_lost(each, now, is_idle=is_idle) for each in self._open.values()
            ),
            unknown_replies=sum(
                each.unsettled_since is not None and now - each.unsettled_since > UNKNOWN_AFTER
                for each in self._open.values()
            ),
            double_sends=sum(now - at <= RECENT for at in self._doubled.values()),
            mode_violations=sum(now - at <= RECENT for at in self._violations.values()),
            forgotten=self._forgotten,
        )

    def _is_lost(self, mine: _Open, now: float, *, is_idle: bool) -> bool:
        # Parked work that comes back stands at the end of the line: who passed it meanwhile did not
        # overtake it.
        in_line = max(mine.accepted_at, self._waiting.get(mine.conversation or "", 0.0))
        is_overtaken = self._passed.get(mine.partition, 0.0) - in_line > OVERTAKEN_BY
        return now - in_line > (OUTCOME_WITHIN if is_overtaken or is_idle else OUTCOME_AT_LAST)


_MODES = {mode.value: mode for mode in Mode}


def _bounded(kept: OrderedDict[str, float] | OrderedDict[str, tuple[int, int]]
             | OrderedDict[tuple[int, int], float], most: int) -> None:  # fmt: skip
    """Drops the oldest beyond `most`."""
    while len(kept) > most:
        kept.popitem(last=False)
