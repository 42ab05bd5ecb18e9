"""A real server on loopback that answers as scripted, for what no well-behaved server does."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

Answer = bytes | Literal["reset", "hang", "half"]
"""Bytes to send; or a reset, silence, or half an answer and then silence, after the request."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Loopback:
    """The last answer repeats; `requests` are all that arrived whole."""

    answers: list[Answer]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await _request(reader))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "reset":
            writer.transport.abort()
            return
        if answer == "half":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        if isinstance(answer, bytes):
            writer.write(answer)
        else:
            await reader.read()  # until the client gives up


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = first.split(" ")
    return Request(method, path, headers, body)


def answer(value: Any, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer with `value` as JSON, or as it is if it is bytes; `_` in names is `-`."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """The address of a server that `handler` answers for; no connection outlives it."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            await handler(reader, writer)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            handling.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        left = tuple(handling)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def answering(*answers: Answer) -> AsyncIterator[Loopback]:
    loopback = Loopback(list(answers))
    async with serving(loopback.serve) as loopback.url:
        yield loopback


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """The address of a server that has just gone."""
    async with answering("hang") as loopback:
        pass
    yield loopback.url
