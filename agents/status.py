"""The HTTP side of a stage: /ping /ready /metrics, and /windows where windows are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
import uvicorn

from pipeline import telemetry
from pipeline.http_server import HttpServer

Answer = tuple[int, str, bytes]
Route = Callable[[Mapping[str, str]], Answer | Awaitable[Answer]]
JSON = "application/json"


def json_answer(status: int, body: Any) -> Answer:
    """`body` as a JSON response."""
    return status, JSON, orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)


def status_routes(is_ready: Callable[[], bool]) -> dict[str, Route]:
    """What every stage serves. /ready is 503 until partitions are assigned and restored."""
    return {
        "/ping": lambda _: json_answer(200, {"ok": True}),
        "/ready": lambda _: json_answer(*((200, {"ready": True}) if is_ready() else (503, {"ready": False}))),
        "/metrics": lambda _: (200, "text/plain; version=0.0.4", telemetry.exposition()),
    }  # fmt: skip


def status_app(routes: Mapping[str, Route]) -> Callable[..., Awaitable[None]]:
    """An ASGI app that answers GET on `routes`; a `ValueError` of a route is a 400."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        route = routes.get(scope["path"])
        query = parse_qs(scope["query_string"].decode("latin-1"))
        try:
            answer = json_answer(404, {"error": "not found", "paths": sorted(routes)})
            if route is not None:
                made = route({name: values[-1] for name, values in query.items()})
                answer = await made if isinstance(made, Awaitable) else made
        except ValueError as error:
            answer = json_answer(400, {"error": str(error)})
        status, kind, body = answer
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class StatusServer(HttpServer):
    """The HTTP side of one stage."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        config = uvicorn.Config(
            status_app(routes),
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        super().__init__(config)
