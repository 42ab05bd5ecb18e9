"""W3: from the webhook to the tags applied at the helpdesk, vendor and model at 0 ms.

Open loop: every webhook is sent when it is due, and its latency counts from then, so a stall is
not hidden by waiting senders. The end is the fake helpdesk's own journal, on the same clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.figures import OURS, at, quantile, result
from bench.process import Meter

RATES = (1.0, 100.0)
SECONDS = {1.0: 60, 100.0: 30}
WARM_UP = 3000
"""Webhooks; a broker that has just started interprets its bytecode for the first half minute."""
BUDGET = 1_000_000


def measure() -> dict[str, Any]:
    """Latency at every rate; rate, CPU and memory of the whole system at the highest."""
    rounds = {OURS: [asyncio.run(measured())]}
    guarantee = "one outcome for each webhook, no reply twice"
    return result(rounds, guarantees={OURS: guarantee}, figures={})


async def measured() -> dict[str, Any]:
    """Starts an environment of its own and measures every rate in it.

    Raises:
        RuntimeError: it did not start, or a webhook was not routed.
    """
    folder = Path(".switchboard") / f"bench-{os.getpid()}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "console", "up", "--folder", str(folder), "--mode", "route_only",
        "--budget", str(BUDGET), stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None  # noqa: S101 - piped just above
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError("the environment did not start; its words are above")
        urls = json.loads(line)
        meter = Meter(process.pid)
        async with aiohttp.ClientSession(
            # Where the system cannot follow, late answers are figures, not errors of the bench.
            timeout=aiohttp.ClientTimeout(total=120),
            connector=aiohttp.TCPConnector(limit=500),
            raise_for_status=True,
        ) as client:
            await run(client, urls, "warm", rate=90.0, count=WARM_UP)
            figures: dict[str, Any] = {}
            for rate in RATES:
                count = int(rate * SECONDS[rate])
                began = time.time()
                latencies = await run(client, urls, f"r{rate:g}", rate=rate, count=count)
                ended = time.time()
                used = at(meter.cpu, ended) - at(meter.cpu, began)
                figures |= summary(f"{rate:g}_per_s", latencies) | {
                    "rate": round(count / (ended - began), 1),
                    "cpu_us": round(1e6 * used / count),
                }
            meter.stop()
            return {**figures, "rss_mib": meter.peak_rss >> 20}
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def run(
    client: aiohttp.ClientSession, urls: dict[str, Any], name: str, *, rate: float, count: int
) -> list[float]:
    """Latencies in seconds of `count` webhooks at `rate` a second."""
    # A broker of the user's own remembers the ids of earlier runs and would call them duplicates.
    ids = [f"bench-{time.time_ns():x}-{name}-{number}" for number in range(count)]
    await seed(client, urls, ids)
    due: dict[str, float] = {}
    began = time.time() + 0.5
    sends = []
    for number, ticket_id in enumerate(ids):
        due[ticket_id] = began + number / rate
        wait = due[ticket_id] - time.time()
        if wait > 0:
            await asyncio.sleep(wait)
        sends.append(asyncio.create_task(post(client, urls, ticket_id)))
    await asyncio.gather(*sends)
    return await applied(client, urls, due)


async def seed(client: aiohttp.ClientSession, urls: dict[str, Any], ids: list[str]) -> None:
    """Puts the tickets on the fake helpdesk."""
    rows: list[dict[str, Any]] = [
        {
            "messages": 1,
            "order": None,
            "ticket": {
                "id": ticket_id, "number": 1, "status": "OPEN", "created_at": 0, "updated_at": 0,
                "assignee_id": None, "via": {"channel": "email"}, "tags": [], "comments": [],
            },
        }
        for ticket_id in ids
    ]  # fmt: skip
    async with client.post(f"{urls['richpanel']}/_sandbox/tickets", json=rows):
        pass


async def post(client: aiohttp.ClientSession, urls: dict[str, Any], ticket_id: str) -> None:
    """Sends one webhook."""
    body = {
        "ticket_id": ticket_id, "message_id": f"{ticket_id}-m", "channel": "email",
        "message": "where is my order?", "trigger": "customer_message",
    }  # fmt: skip
    async with client.post(
        f"{urls['ingress']}/webhooks/richpanel",
        json=body,
        headers={"X-Middleware-Token": urls["token"]},
    ):
        pass


async def applied(
    client: aiohttp.ClientSession, urls: dict[str, Any], due: dict[str, float]
) -> list[float]:
    """Waits for every ticket's tags; seconds from due to applied. Raises when one is missing."""
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        async with client.get(f"{urls['richpanel']}/_sandbox/journal") as answer:
            effects = (await answer.json())["effects"]
        first: dict[str, float] = {}
        for effect in effects:
            if effect["kind"] == "tags":
                first.setdefault(effect["ticket_id"], effect["at"])
        if due.keys() <= first.keys():
            return [first[ticket_id] - at for ticket_id, at in due.items()]
        await asyncio.sleep(0.5)
    raise RuntimeError("not every ticket was routed within 60 s: no figure without correctness")


def summary(name: str, latencies: list[float]) -> dict[str, float]:
    """Quantiles in milliseconds, from due to applied."""
    return {
        f"p{percent}_ms_at_{name}": round(1000 * quantile(latencies, percent / 100), 1)
        for percent in (50, 95, 99)
    }
