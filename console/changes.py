"""What may be changed over HTTP: each request's body, and what carries it out.

Whatever the command line changes can be changed here too, by the same lever.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from pipeline.confirming import Written
from pipeline.domain.modes import GLOBAL, Mode, is_scope
from pipeline.domain.template_texts import TEXTS
from pipeline.lever import Answer, Closed, Lever


def _scope(text: str) -> str:
    if not is_scope(text):
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
    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Changes it in the name of `by`; raises what the lever raises."""


class ModeChange(Change):
    """POST /control/mode."""

    mode: Mode
    scope: Annotated[str, AfterValidator(_scope)] = GLOBAL

    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Sets one scope's mode."""
        return await lever.set(self.mode, scope=self.scope, reason=self.reason, by=by)


class TemplateChange(Change):
    """POST /control/template."""

    template: Annotated[str, AfterValidator(_template)]
    on: bool

    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Turns one template on or off."""
        return await lever.switch_template(self.template, on=self.on, reason=self.reason, by=by)


class GateClosing(Change):
    """POST /control/limits/close-until. A moment, not a span: the same request means the same."""

    vendor: Vendor
    until: AwareDatetime

    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Closes a vendor's gate."""
        until = self.until.timestamp()
        return await lever.close_gate(self.vendor, until, reason=self.reason, by=by)


class GateOpening(Change):
    """POST /control/limits/reset."""

    vendor: Vendor

    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Opens a vendor's gate."""
        return await lever.open_gate(self.vendor, reason=self.reason, by=by)


class Shedding(Change):
    """POST /control/limits/shed."""

    what: Optional
    on: bool = True

    async def carry_out(self, lever: Lever, by: str) -> Written:
        """Has an optional kind of call left out."""
        return await lever.shed(self.what, on=self.on, reason=self.reason, by=by)


CHANGES: dict[str, type[Change]] = {
    "/control/mode": ModeChange,
    "/control/template": TemplateChange,
    "/control/limits/close-until": GateClosing,
    "/control/limits/reset": GateOpening,
    "/control/limits/shed": Shedding,
}
"""Path -> the body that it takes."""


def told(written: Written) -> dict[str, Any]:
    """What came of a change, as JSON."""
    said: dict[str, Any] = {}
    match written:
        case Answer():
            said = {"scope": written.scope, "mode": written.mode.value, "was": written.was.value}
        case Closed():
            said = {"closed_until": written.until}
    return {
        **said,
        "epoch": written.epoch,
        "seconds": round(written.seconds, 6),
        "acknowledged": written.is_acknowledged,
        "missing": list(written.missing),
    }
