"""Uvicorn as the processes of this project use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class HttpServer(uvicorn.Server):
    """Ends when told to, instead of catching the signals itself.

    Uvicorn raises a caught signal again after serving and the process dies of it: what is still on
    its way to the broker would not be flushed. The process's own handlers call `stop`.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none: see the class."""
        yield

    def stop(self) -> None:
        """Stops accepting and finishes what was accepted."""
        self.should_exit = True

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"
