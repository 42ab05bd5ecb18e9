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

    _since: float | None = None
    """When it began to wait for headers; None while it does not."""
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the clock: a connection is for a request."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look_again(self._since)

    def on_message_begin(self) -> None:
        """Starts the clock anew for the next request of a kept connection."""
        self._since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stops it."""
        self._since = None
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends it."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def _look_again(self, since: float) -> None:
        # One timer a connection that looks at the clock: two for each request cost more than
        # its signature.
        self._look = self.loop.call_at(since + self.header_deadline, self._judge)

    def _judge(self) -> None:
        now = self.loop.time()
        since = now if self._since is None else self._since
        if now < since + self.header_deadline:
            self._look_again(since)
        # A plain close would first flush to a peer that may not be reading either.
        elif self.transport is not None:
            self.transport.abort()
