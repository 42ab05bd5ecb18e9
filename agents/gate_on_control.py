"""A stage's gates on the control topic: one closes, all close."""

from __future__ import annotations

import time

from agents.gate import Gate
from pipeline.app import Stage
from pipeline.domain.budget import Sharing
from pipeline.domain.control_records import GATE_PREFIX, GateRecord
from pipeline.domain.token_bucket import WindowBucket
from pipeline.settings import Settings
from pipeline.stream.control import Update


def make_gate(
    vendor: str,
    bucket: WindowBucket,
    settings: Settings,
    stage: Stage,
    *,
    turn: int,
    starts_alone: bool = True,
) -> Gate:
    """A vendor's gate with this process's part of `bucket`: its part of the partitions.

    `turn` is how many requests one call makes at most.
    """
    key = GATE_PREFIX + vendor
    longest = turn * max(settings.vendor_timeout, settings.openai_deadline)
    sharing = Sharing(bucket.limit, turn, settings.partitions, guard=bucket.window + longest)

    def part() -> float | None:
        own = stage.app.assigned
        return sharing.part(own, time.time()) if own else None

    async def announce(until: float, reason: str) -> None:
        known = stage.control.gate(vendor)
        if known is not None and known.closed_until >= until:
            return  # an operator's longer closing must not be cut short for who starts later
        by = f"{stage.name}-{settings.instance}"
        record = GateRecord(closed_until=until, by=by, reason=reason)
        await stage.follower.put([(key, record.to_bytes())])

    gate = Gate(
        vendor,
        bucket,
        monotonic=time.monotonic,
        now=time.time,
        part=part,
        announce=announce,
        starts_alone=starts_alone,
    )

    def heard(_: Update) -> None:
        record = stage.control.gate(vendor)
        gate.follow(0.0 if record is None else record.closed_until)

    stage.control.view.on_change(key, heard)
    stage.control.lines.append(lambda: gate.waiting)
    return gate
