"""`python -m sandbox`: the fake helpdesk, model and shop in one process, until SIGTERM.

Prints one JSON line with their addresses. For development and tests: nothing here is a secret.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.http_server import HttpServer
from sandbox.faults import App, Fault, Faults
from sandbox.journal import Journal
from sandbox.openai import Model
from sandbox.richpanel import Budget, Richpanel, answer
from sandbox.shopify import Shopify
from sandbox.tickets import labelled_messages

KEY = "sandbox-key"


class _Protocol(HttpToolsProtocol):
    """Lets a fault reach the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = cast("dict[str, Any]", {"sandbox.transport": self.transport})


def with_faults(make: Callable[[list[Route]], App], seed: int) -> App:
    """A vendor's app behind its faults, which it takes at /_sandbox/faults."""
    holder: list[Faults] = []

    async def change(request: Request) -> Response:
        faults = holder[0]
        if request.method != "GET":
            rules = orjson.loads(await request.body()) if request.method == "PUT" else []
            faults.set([Fault.model_validate(rule) for rule in rules])
        return answer(200, {"served": faults.served})

    route = Route("/_sandbox/faults", change, methods=["GET", "PUT", "DELETE"])
    holder.append(Faults(make([route]), seed=seed, monotonic=time.monotonic))
    return holder[0]


async def serve(asked: argparse.Namespace) -> None:
    """Serves all three."""
    desk = Richpanel(
        key=KEY,
        budget=Budget(asked.budget, asked.window),
        journal=Journal(asked.journal),
        now=time.time,
        monotonic=time.monotonic,
    )
    labels = dict(labelled_messages())
    model = Model(labels, error_rate=asked.error_rate, seed=asked.seed, now=time.time)
    shop = Shopify(desk.orders, token=KEY, monotonic=time.monotonic)
    apps = {"richpanel": desk.app, "openai": model.app, "shopify": shop.app}
    servers = {
        name: HttpServer(
            uvicorn.Config(
                with_faults(make, asked.seed),
                host="127.0.0.1",
                port=0,
                http=_Protocol,
                log_level="warning",
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        for name, make in apps.items()
    }
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = [asyncio.create_task(server.serve()) for server in servers.values()]
    while not all(server.started for server in servers.values()):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.01)
    urls = {
        name: f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        for name, server in servers.items()
    }
    sys.stdout.write(json.dumps({"ready": True, "key": KEY, **urls}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    for server in servers.values():
        server.stop()
    await asyncio.gather(*serving)


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m sandbox")
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--window", type=float, default=30.0)
    parser.add_argument("--error-rate", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
