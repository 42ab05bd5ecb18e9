"""Did the system keep its promises in one run? Judged by the sender's and the vendor's journals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from console.trail import Trail
from pipeline.domain.events import Outcome, conversation_hash

TENANT = "default"
"""Of every environment that `dev` starts."""


def report(
    sender: Mapping[str, Any],
    trail: Trail,
    vendor: Mapping[str, Any],
    applied: Sequence[Mapping[str, Any]],
    restarts: Mapping[str, int],
) -> dict[str, Any]:
    """The figures of one run.

    `lost` counts webhooks that got a 2xx and have no terminal outcome; `double_replies` is the
    fake helpdesk's own count of what it applied; `claims_without_effect` counts routes and replies
    of the audit trail that its journal (`applied`) does not hold. `bare_read` counts webhooks
    without words (`bare_sent`) whose words were read at the helpdesk; the rest go to a human.
    `kept` is True only when every promise held.
    """
    held = {(conversation_hash(TENANT, each["ticket_id"]), each["kind"]) for each in applied}
    accepted: Mapping[str, str] = sender["accepted_ids"]
    kinds = [accepted[each] for each in accepted]
    outcomes = trail.counts(accepted)
    figures: dict[str, Any] = {
        "sent": sender["sent"],
        "accepted": sender["accepted"],
        "failed": sender["failed"],
        "unknown": sender["unknown"],
        "outcomes": outcomes,
        "lost": len(trail.missing(accepted)),
        "double_replies": int(vendor["double_replies"]),
        "contradictions": trail.contradictions,
        "claims_without_effect": len(trail.claims - held),
        "duplicates_sent": sum(kind in ("duplicate", "conflict") for kind in kinds),
        "duplicates_found": outcomes.get(Outcome.DUPLICATE, 0),
        "broken_sent": kinds.count("broken"),
        "quarantined": outcomes.get(Outcome.QUARANTINED, 0),
        "bare_sent": kinds.count("bare"),
        "bare_read": len(trail.read.intersection(accepted)),
        "replies_sent": vendor["effects"].get("reply", 0),
        "vendor_requests": dict(vendor["requests"]),
        "latency_seconds": {
            name: trail.quantile(share)
            for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
        },
        "restarts": dict(restarts),
    }
    figures["kept"] = not broken_promises(figures)
    return figures


def broken_promises(figures: Mapping[str, Any]) -> list[str]:
    """Each promise that did not hold, in words."""
    checks = (
        (figures["lost"] == 0, "accepted webhooks without an outcome"),
        (figures["double_replies"] == 0, "replies that were sent twice"),
        (figures["contradictions"] == 0, "webhooks with two different outcomes"),
        (figures["claims_without_effect"] == 0, "routes or replies that the helpdesk has not"),
        (
            figures["duplicates_sent"] == figures["duplicates_found"],
            "duplicates sent and found differ",
        ),
        (figures["broken_sent"] == figures["quarantined"], "broken bodies and quarantine differ"),
        (figures["failed"] == 0, "webhooks that were refused"),
    )
    return [words for held, words in checks if not held]
