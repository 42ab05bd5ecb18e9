"""What may be changed over HTTP: each request's body, and what carries it out.

Whatever the command line changes by the lever can be changed here too, and bulk work be stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from console.job_runner import Jobs, described
from console.operating import Operator
from pipeline.confirming import Written
from pipeline.domain.modes import GLOBAL, Mode, is_scope
from pipeline.domain.taxonomy import Intent
from pipeline.domain.template_texts import TEXTS
from pipeline.domain.webhook import CHANNELS, UNKNOWN_CHANNEL
from pipeline.lever import Answer, Closed

NAMES: dict[str, set[str]] = {
    "channel": {*CHANNELS.values(), UNKNOWN_CHANNEL},
    "intent": set(Intent),
    "template": set(TEXTS),
}
"""Kind of a scope -> every name that it may have; a tenant may have any."""


def why_no_scope(text: str) -> str | None:
    """What is wrong with a scope; None = nothing. A misspelt one would bind nobody, unseen."""
    if not is_scope(text):
        return f"{text} is no scope: channel=email, intent=..., template=..., tenant=... or none"
    kind, _, name = text.partition("=")
    if name in NAMES.get(kind, {name}):
        return None
    return f"there is no {kind} {name}: {', '.join(sorted(NAMES[kind]))}"


def _scope(text: str) -> str:
    if why_no_scope(text) is not None:
        raise ValueError("no scope")
    return text


def _template(name: str) -> str:
    if name not in TEXTS:
        raise ValueError("no template")
    return name


Vendor = Literal["richpanel", "shopify", "openai"]
Optional = Literal["order_lookups", "shop_lookups"]


class Change(BaseModel, ABC):
    """A body; `reason` is compulsory everywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: str = Field(min_length=1, max_length=500)

    @abstractmethod
    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Changes it in the name of `by`; what came of it as JSON, see `told`.

        Raises what the lever raises, or the jobs.
        """


class ModeChange(Change):
    """POST /control/mode."""

    mode: Mode
    scope: Annotated[str, AfterValidator(_scope)] = GLOBAL

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Sets one scope's mode."""
        lever = operator.lever
        return told(await lever.set(self.mode, scope=self.scope, reason=self.reason, by=by))


class TemplateChange(Change):
    """POST /control/template."""

    template: Annotated[str, AfterValidator(_template)]
    on: bool

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Turns one template on or off."""
        lever, name = operator.lever, self.template
        return told(await lever.switch_template(name, on=self.on, reason=self.reason, by=by))


class GateClosing(Change):
    """POST /control/limits/close-until. A moment, not a span: the same request means the same."""

    vendor: Vendor
    until: AwareDatetime

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Closes a vendor's gate."""
        until = self.until.timestamp()
        lever = operator.lever
        return told(await lever.close_gate(self.vendor, until, reason=self.reason, by=by))


class GateOpening(Change):
    """POST /control/limits/reset."""

    vendor: Vendor

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Opens a vendor's gate."""
        return told(await operator.lever.open_gate(self.vendor, reason=self.reason, by=by))


class Shedding(Change):
    """POST /control/limits/shed."""

    what: Optional
    on: bool = True

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Has an optional kind of call left out."""
        return told(await operator.lever.shed(self.what, on=self.on, reason=self.reason, by=by))


class JobStop(Change):
    """POST /control/jobs/stop."""

    name: str

    async def carry_out(self, operator: Operator, by: str) -> dict[str, Any]:
        """Has a job stop; returns when it has, behind the items that are under way."""
        jobs = Jobs(operator)
        job = await jobs.stop(self.name, reason=self.reason, by=by)
        return described(job, jobs.state(job))


CHANGES: dict[str, type[Change]] = {
    "/control/mode": ModeChange,
    "/control/template": TemplateChange,
    "/control/limits/close-until": GateClosing,
    "/control/limits/reset": GateOpening,
    "/control/limits/shed": Shedding,
    "/control/jobs/stop": JobStop,
}
"""Path -> the body that it takes."""


def told(written: Written) -> dict[str, Any]:
    """What came of a change, as JSON; not `acknowledged` where somebody has not confirmed it."""
    said: dict[str, Any] = {}
    match written:
        case Answer():
            was = written.was and written.was.value
            said = {"scope": written.scope, "mode": written.mode.value, "was": was}
        case Closed():
            said = {"closed_until": written.until}
    return {
        **said,
        "epoch": written.epoch,
        "seconds": round(written.seconds, 6),
        "acknowledged": written.is_acknowledged,
        "missing": list(written.missing),
    }
