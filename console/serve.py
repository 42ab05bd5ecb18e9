"""`./switchboard serve`: the control API as a process, until SIGTERM.

Prints one JSON line when it listens.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

import orjson
import uvicorn

from console.api import ControlApi
from console.operating import operating
from pipeline.http_server import HttpServer
from pipeline.settings import Settings, SettingsError, load_settings
from pipeline.telemetry import configure_logging

GRACE = 10


class ControlServer(HttpServer):
    """Says where it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, then prints the line."""
        await super().startup(sockets)
        if self.started:
            line = {"ready": True, "url": self.url}
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
            sys.stdout.flush()


def serve() -> None:
    """Serve the control API, on loopback unless SWITCHBOARD_HOST says otherwise."""
    configure_logging(logging.WARNING)
    settings = load_settings()
    asyncio.run(run(settings, tokens_of(settings)))


def tokens_of(settings: Settings) -> dict[str, str]:
    """Name -> token.

    Raises:
        SettingsError: there is none, so nobody could be let in.
    """
    tokens = {name: token.get_secret_value() for name, token in settings.control_tokens.items()}
    if not tokens or not all(tokens.values()):
        raise SettingsError(
            "nobody may use the control API: set SWITCHBOARD_CONTROL_TOKENS, a JSON object of "
            'names and tokens such as {"alice": "..."}'
        )
    return tokens


async def run(settings: Settings, tokens: dict[str, str]) -> None:
    """Serves until SIGTERM or SIGINT."""
    async with operating(settings.bootstrap_servers) as operator:
        await operator.known()
        server = ControlServer(
            uvicorn.Config(
                ControlApi(operator, tokens).app(),
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.serve()
