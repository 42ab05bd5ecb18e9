"""`./switchboard serve`: the control API as a process, until SIGTERM.

Prints one JSON line when it listens. Ends as every process does: 78 where settings or address do
not fit, 70 where the broker is away and another start may help.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from typing import NoReturn

import orjson
import uvicorn

from console.api import ControlApi
from console.operating import ControlLost, operating
from pipeline.brokers import brokers
from pipeline.http_server import HttpServer
from pipeline.mending import mended
from pipeline.settings import Settings, SettingsError, listening, load_settings
from pipeline.stream.admin import BrokerUnreachable
from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH
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
    try:
        settings = load_settings()
        tokens = tokens_of(settings)
        with listening(settings) as bound:
            asyncio.run(run(settings, tokens, bound))
    except SettingsError as error:
        _end(error, EXIT_CONFIG)
    except (BrokerUnreachable, ControlLost) as error:
        _end(error, EXIT_CRASH)


def _end(error: Exception, code: int) -> NoReturn:
    sys.stderr.write(f"error: {mended(error)}\n")
    sys.exit(code)


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


async def run(settings: Settings, tokens: dict[str, str], bound: socket.socket) -> None:
    """Serves on `bound` until SIGTERM or SIGINT."""
    async with operating(brokers(settings)) as operator:
        await operator.known()
        server = ControlServer(
            uvicorn.Config(
                ControlApi(operator, tokens).app(),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.serve([bound])
