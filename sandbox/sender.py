"""`python -m sandbox.sender`: the helpdesk that sends webhooks, and remembers what it was told.

Prints a JSON line at the start, one every 25 deliveries and, at the end, its journal: per
delivery ok (2xx), fail (another answer) or unknown (no answer), with the ingress ids of the ok.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import httpx

from sandbox.tickets import sample_tickets
from sandbox.traffic import Delivery, traffic

TRIES = 60
PAUSE = 0.5


async def seed_desk(client: httpx.AsyncClient, asked: argparse.Namespace) -> list[Delivery]:
    """Puts the tickets on the fake helpdesk; the deliveries about them."""
    at = time.time()
    samples = sample_tickets(asked.count, seed=asked.seed, run=asked.run, at=at)
    rows = [{"ticket": each.ticket, "order": each.order, "messages": 1} for each in samples]
    for begin in range(0, len(rows), 500):
        sent = await client.post(
            f"{asked.richpanel}/_sandbox/tickets", json=rows[begin : begin + 500]
        )
        sent.raise_for_status()
    return traffic(samples, asked.count, seed=asked.seed)


async def deliver(
    client: httpx.AsyncClient, asked: argparse.Namespace, delivery: Delivery
) -> tuple[str, str | None]:
    """Sends one webhook until it has an answer that is not a polite "later"."""
    headers = {"X-Middleware-Token": asked.token, "content-type": "application/json"}
    url = f"{asked.ingress}/webhooks/richpanel"
    for _ in range(TRIES):
        try:
            said = await client.post(url, content=delivery.body, headers=headers)
        except httpx.ConnectError:
            await asyncio.sleep(PAUSE)
            continue
        except httpx.HTTPError:
            return "unknown", None
        if said.is_success:
            return "ok", str(said.json()["ingress_id"])
        if said.status_code not in (429, 503):
            return "fail", None
        await asyncio.sleep(min(5.0, float(said.headers.get("retry-after", PAUSE))))
    return "fail", None


async def send_all(asked: argparse.Namespace) -> dict[str, Any]:
    """Sends everything at the asked rate; the sender's journal."""
    results: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    accepted: dict[str, str] = {}
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(timeout=20, limits=limits) as client:
        deliveries = await seed_desk(client, asked)
        _say({"ready": True, "deliveries": len(deliveries)})
        began = time.monotonic()
        pending: set[asyncio.Task[None]] = set()
        last: dict[str, asyncio.Task[None]] = {}

        async def one(delivery: Delivery, before: asyncio.Task[None] | None) -> None:
            # A real duplicate follows its original; only then is it known which one must win.
            if before is not None:
                await asyncio.wait([before])
            result, ingress_id = await deliver(client, asked, delivery)
            results[result] += 1
            kinds[delivery.kind] += 1
            if ingress_id is not None:
                accepted[ingress_id] = delivery.kind

        for number, delivery in enumerate(deliveries):
            wait = began + number / asked.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(one(delivery, last.get(delivery.ticket_id)))
            last[delivery.ticket_id] = task
            pending.add(task)
            task.add_done_callback(pending.discard)
            if number % 25 == 0:
                _say({"sent": number})
        while pending:
            await asyncio.wait(pending)
    return {
        "done": True,
        "sent": len(deliveries),
        "accepted": results["ok"],
        "failed": results["fail"],
        "unknown": results["unknown"],
        "by_kind": dict(kinds),
        "accepted_ids": accepted,
    }


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Reads the command line and sends."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.sender")
    parser.add_argument("--ingress", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--richpanel", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", required=True)
    _say(asyncio.run(send_all(parser.parse_args())))


if __name__ == "__main__":
    main()
