"""W2: signed webhooks of 1 kB, HMAC checked, 202 after acks=all.

`rate`, `cpu_us` and `p99_ms` are of 64 connections that never pause (wrk); `p99_ms_at_50_per_s` and
`p99_ms_at_500_per_s` of requests that leave when they are due, however slow the answers are.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bench import records
from bench.broker import FOLDER, Broker, broker, fresh_folder, log_of
from bench.contestants import PEERS, Contestant
from bench.figures import Round, at, quantile
from bench.process import Running
from bench.rounds import Say, alternate
from pipeline import topics
from pipeline.stream import admin

ROUNDS = 3
CONNECTIONS = 64
SATURATION_SECONDS = 8
WARM_UP_SECONDS = 3
RATES = (50, 500)
OPEN_LOOP_SECONDS = 8
BODIES = 256
SECRET = "a-secret-of-the-bench"  # noqa: S105 - signs made-up webhooks on loopback
IDLE = "bench-idle"
PATH = "/webhooks/richpanel"


def measure(*, rounds: int, contestants: Sequence[Contestant], say: Say) -> dict[str, Any]:
    """Loads every contestant `rounds` times, in turn.

    Raises:
        RuntimeError: wrk is not installed.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is missing: apt-get install wrk")
    with broker(say) as kafka:
        admin.apply(kafka.address, topics.plans(partitions=4, replication=1))
        kafka.create(IDLE)
        done = alternate(
            contestants,
            rounds,
            lambda each, _: run(kafka, each),
            say,
            figures={"rate": "rate", "cpu": "cpu_us", "p99": "p99_ms"},
        )
    return {"settings": {"rounds": rounds, "connections": CONNECTIONS}, **done}


def run(kafka: Broker, contestant: Contestant) -> Round:
    """One contestant's round on a process of its own.

    Raises:
        ProcessError: it ended.
    """
    env = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
        "SWITCHBOARD_DATA_DIR": str(fresh_folder(f"ingress-{contestant.name}")),
        "SWITCHBOARD_WEBHOOK_HMAC_SECRETS": json.dumps([SECRET]),
        "SWITCHBOARD_INGRESS_RATE": "1000000",
        "SWITCHBOARD_INGRESS_BURST": "1000000",
        "SWITCHBOARD_PORT": str(free_port()),
        "BENCH_IDLE": IDLE,
        "BENCH_TOPIC": topics.RECEIVED.name,
    }
    before = kafka.count(topics.RECEIVED.name)
    log = log_of("ingress", contestant)
    with Running(contestant.command(), env=env, log=log) as running:
        url = running.said()["url"]
        if refusal := asyncio.run(refuses_strangers(url)):
            return {"failed": refusal}
        requests = presigned(url)
        warm = wrk(url, requests, WARM_UP_SECONDS)
        began = time.time()
        hot = wrk(url, requests, SATURATION_SECONDS)
        ended = time.time()
        cpu = at(running.meter.cpu, ended) - at(running.meter.cpu, began)
        open_loops = {rate: asyncio.run(open_loop(url, rate)) for rate in RATES}
    answered = warm["accepted"] + hot["accepted"] + sum(map(len, open_loops.values()))
    found = kafka.count(topics.RECEIVED.name) - before
    if fault := judged(answered, found, warm["refused"] + hot["refused"]):
        return {"failed": fault}
    return {
        "rate": round(hot["accepted"] / hot["seconds"]),
        "cpu_us": round(1e6 * cpu / hot["accepted"], 1),
        "rss_mib": running.meter.peak_rss >> 20,
        "p50_ms": round(hot["p50_ms"], 2),
        "p99_ms": round(hot["p99_ms"], 2),
        **{
            f"p{percent}_ms_at_{rate}_per_s": round(1000 * quantile(each, percent / 100), 2)
            for rate, each in open_loops.items()
            for percent in (50, 99)
        },
    }


def judged(answered: float, found: float, refused: float) -> str | None:
    """Why the run counts for nothing; None when each 202 stands for a record on the topic.

    wrk drops the requests that wait when its time is up, twice: those may be on the topic too.
    """
    if refused:
        return f"{refused:.0f} requests were not accepted"
    if found < answered:
        return f"{answered - found:.0f} accepted webhooks are missing"
    if found > answered + 2 * CONNECTIONS:
        return f"{found - answered:.0f} records too many"
    return None


def signed(body: bytes, now: float) -> dict[str, str]:
    """The headers of one webhook."""
    timestamp = str(int(now))
    signature = hmac.digest(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "x-timestamp": timestamp,
        "x-signature": signature.hex(),
    }


def presigned(url: str) -> Path:
    """A file of whole requests, signed now, each ended by a zero byte."""
    parts = []
    for number in range(BODIES):
        body = records.value(number)
        headers = {
            "host": urlsplit(url).netloc,
            "content-length": str(len(body)),
            **signed(body, time.time()),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        parts.append(f"POST {PATH} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    path = FOLDER / "requests"
    path.write_bytes(b"\0".join(parts))
    return path


def wrk(url: str, requests: Path, seconds: int) -> dict[str, float]:
    """What wrk saw: accepted and refused requests, seconds, latency."""
    command = [
        "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
        "--timeout", "10s", "--script", str(PEERS / "presigned.lua"), url, "--", str(requests),
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return found


async def refuses_strangers(url: str) -> str | None:
    """Why it counts for nothing: a webhook with another's signature was taken."""
    body = records.value(0)
    headers = signed(records.value(1), time.time())
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{url}{PATH}", data=body, headers=headers) as answer,
    ):
        return None if answer.status == 401 else f"a wrong signature got {answer.status}"  # noqa: PLR2004


async def open_loop(url: str, rate: float) -> list[float]:
    """Seconds from due to answered of every request at `rate` a second.

    Raises:
        aiohttp.ClientError: one was not accepted.
    """
    latencies: list[float] = []
    async with aiohttp.ClientSession(
        raise_for_status=True, connector=aiohttp.TCPConnector(limit=500)
    ) as client:

        async def post(due: float, body: bytes) -> None:
            headers = signed(body, time.time())
            async with client.post(f"{url}{PATH}", data=body, headers=headers) as answer:
                await answer.read()
            latencies.append(time.perf_counter() - due)

        began = time.perf_counter() + 0.1
        sent = []
        for number in range(int(rate * OPEN_LOOP_SECONDS)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sent.append(asyncio.create_task(post(due, records.value(number))))
        await asyncio.gather(*sent)
    return latencies


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
