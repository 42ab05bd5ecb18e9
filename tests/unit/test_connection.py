"""Connections that send nothing, or too slowly, are closed and hurt nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from ingress.connection import Connection


class Impatient(Connection):
    header_deadline = 0.2


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[int]:
    config = uvicorn.Config(app, http=Impatient, port=0, lifespan="off", log_config=None, **options)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection without an answer, within five seconds."""
    try:
        async with asyncio.timeout(5):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


async def answer(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


@pytest.mark.parametrize("said", [b"", b"P", b"POST / HTTP/1.1\r\nX-Slow: a"])
def test_a_connection_that_never_finishes_its_headers_is_closed(said: bytes) -> None:
    async def play() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            assert await closed(reader)
            writer.close()

    asyncio.run(play())


def test_a_kept_connection_has_a_deadline_for_each_request() -> None:
    async def play() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"202" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
            await reader.read()
            writer.close()

    asyncio.run(asyncio.wait_for(play(), 5))


def test_a_crowd_of_slow_connections_keeps_nobody_out_for_longer_than_the_deadline() -> None:
    async def play() -> None:
        async with serving(limit_concurrency=20) as port:
            crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
            assert b"503" in await answer(port)
            assert all([await closed(reader) for reader, _ in crowd])
            assert b"202" in await answer(port)
            for _, writer in crowd:
                writer.close()

    asyncio.run(play())
