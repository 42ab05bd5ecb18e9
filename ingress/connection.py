"""A connection that must say what it wants in time.

Uvicorn bounds an idle connection only between two requests. One that opens and sends nothing, or
drips its headers, would be held for ever, and enough of them use up every connection there is.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Connection(HttpToolsProtocol):
    """Uvicorn's HTTP protocol with a deadline for the headers of each request.

    The body has a deadline of its own (`ingress.server.read_body`).
    """

    header_deadline = 10.0
    """Seconds from the connection, or a request's first byte, to the end of its headers."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the clock: a connection is for a request."""
        super().connection_made(transport)
        self._start()

    def on_message_begin(self) -> None:
        """Starts the clock anew for the next request of a kept connection."""
        self._stop()
        self._start()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stops it."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops it."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._due = self.loop.call_later(self.header_deadline, self._give_up)

    def _stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        # A plain close would first flush to a peer that may not be reading either.
        if self.transport is not None:
            self.transport.abort()
