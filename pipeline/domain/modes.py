"""Modes: how much may happen at the helpdesk, for everything or for one scope.

The effective mode of a step is the minimum over the scopes that it lies in. A scope's own mode is
kept as a set of holds, each under a key of its own, and is the minimum of them: a change adds a
hold and then removes those that its author had seen. Two operators at once can therefore never
undo each other unseen: a raise takes away only the holds it knew, so a panic beside it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import total_ordering

from pydantic import Field

from pipeline.domain.events import Message, UnreadableValue

MODE_PREFIX = "mode/"
GLOBAL = "global"
SCOPE_KINDS = ("channel", "intent", "template", "tenant")
_SCOPE = re.compile(rf"(?:{'|'.join(SCOPE_KINDS)})=[A-Za-z0-9_.:-]{{1,64}}")


@total_ordering
class Mode(Enum):
    """Most restrictive first. `STOP` calls nobody, `SHADOW` decides only, `DRAFT` writes notes."""

    STOP = "stop"
    SHADOW = "shadow"
    ROUTE_ONLY = "route_only"
    DRAFT = "draft"
    LIVE = "live"

    @property
    def rank(self) -> int:
        """0 for the most restrictive."""
        return _ORDER.index(self)

    def __lt__(self, other: Mode) -> bool:
        return self.rank < other.rank

    @property
    def above(self) -> Mode:
        """One step less restrictive; `LIVE` has none and stays."""
        return _ORDER[min(self.rank + 1, len(_ORDER) - 1)]


_ORDER = tuple(Mode)

FIRST_MODE = Mode.SHADOW
"""Of an installation where nobody has set one yet."""


class ModeRecord(Message):
    """One hold: nothing above `mode` may happen in its scope."""

    mode: Mode
    reason: str = Field(min_length=1, max_length=500)
    by: str = Field(min_length=1, max_length=100)
    at: float
    """Unix seconds."""


@dataclass(frozen=True)
class Subject:
    """What a step is about, as far as scopes go; None where it is about none."""

    tenant: str | None = None
    channel: str | None = None
    intent: str | None = None
    template: str | None = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the step lies in, `GLOBAL` first."""
        named = ((kind, getattr(self, kind)) for kind in SCOPE_KINDS)
        return (GLOBAL, *(f"{kind}={value}" for kind, value in named if value is not None))


def is_scope(text: str) -> bool:
    """Whether `text` names a scope: ``global`` or ``channel=email`` and the like."""
    return text == GLOBAL or _SCOPE.fullmatch(text) is not None


def mode_key(scope: str, hold: str) -> str:
    """The key of one hold; `hold` is its own id, without a slash."""
    return f"{MODE_PREFIX}{scope}/{hold}"


def scope_of(key: str) -> str:
    """The scope of a hold's key; `GLOBAL` for one that cannot be read, so that it binds all."""
    scope, _, hold = key.removeprefix(MODE_PREFIX).partition("/")
    return scope if hold and is_scope(scope) else GLOBAL


def mode_of(key: str, value: bytes) -> Mode:
    """What one hold allows; `STOP` where key or value cannot be read."""
    scope, _, hold = key.removeprefix(MODE_PREFIX).partition("/")
    if not hold or not is_scope(scope):
        return Mode.STOP
    try:
        return ModeRecord.parse(value).mode
    except UnreadableValue:
        return Mode.STOP


def own_modes(holds: Iterable[tuple[str, bytes]]) -> dict[str, Mode]:
    """Scope -> the minimum of its holds; scopes without any are left out."""
    found: dict[str, Mode] = {}
    for key, value in holds:
        scope = scope_of(key)
        found[scope] = min(mode_of(key, value), found.get(scope, Mode.LIVE))
    return found


def own_mode(modes: Mapping[str, Mode], scope: str) -> Mode:
    """The mode of one scope alone: without holds, everything is `FIRST_MODE` and no part less."""
    return modes.get(scope, FIRST_MODE if scope == GLOBAL else Mode.LIVE)


def effective(modes: Mapping[str, Mode], scopes: Iterable[str]) -> Mode:
    """The minimum over `scopes` and `GLOBAL`, whether it is named or not."""
    return min(own_mode(modes, scope) for scope in (GLOBAL, *scopes))


@dataclass(frozen=True)
class Standing:
    """A scope's own mode as it stands, and since when nothing above it was in force, unix seconds."""

    mode: Mode
    since: float


def standing(
    holds: Iterable[tuple[str, bytes, float]], *, unset_since: float
) -> dict[str, Standing]:
    """Scope -> what stands, `GLOBAL` always: with no hold at all, its first mode since `unset_since`.

    `holds` are key, value and when each was written. Since the newest one all of them stand; what
    has been taken away meanwhile can only have made the mode lower.
    """
    there = list(holds)
    since: dict[str, float] = {}
    for key, _, at in there:
        scope = scope_of(key)
        since[scope] = max(at, since.get(scope, at))
    modes = own_modes((key, value) for key, value, _ in there)
    return {
        scope: Standing(own_mode(modes, scope), since.get(scope, unset_since))
        for scope in (GLOBAL, *modes)
    }


@dataclass(frozen=True)
class StepTooBig:
    """A raise of more than one step; `next` is the mode that may be asked for."""

    now: Mode
    next: Mode


@dataclass(frozen=True)
class Change:
    """What a change of one scope writes, in this order, so that no moment allows more.

    First `put` under `key`, then the removal of every key in `remove`.
    """

    key: str
    put: ModeRecord
    remove: tuple[str, ...]
    was: Mode


def change(
    holds: Mapping[str, bytes], scope: str, record: ModeRecord, *, hold: str
) -> Change | StepTooBig:
    """Sets one scope to ``record.mode``: any way down, one step up.

    Args:
        holds: every key below `MODE_PREFIX` and its value, as known now.
        scope: what is changed; see `is_scope`.
        record: the new mode with its reason.
        hold: a fresh id for the new hold.
    """
    seen = {key: value for key, value in holds.items() if scope_of(key) == scope}
    was = own_mode(own_modes(seen.items()), scope)
    if record.mode > was.above:
        return StepTooBig(was, was.above)
    return Change(mode_key(scope, hold), record, tuple(sorted(seen)), was)
