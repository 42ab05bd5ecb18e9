"""The control API: what the command line does, over HTTP, behind a bearer token.

    GET  /control/state               modes, switches, gates, processes
    POST /control/mode                {"mode", "reason", "scope"?}
    POST /control/template            {"template", "on", "reason"}
    POST /control/limits/close-until  {"vendor", "until", "reason"}, `until` as RFC 3339
    POST /control/limits/reset        {"vendor", "reason"}
    POST /control/limits/shed         {"what", "on"?, "reason"}
    GET  /control/jobs                bulk work that runs or ran
    POST /control/jobs/stop           {"name", "reason"}; answers when the job has stopped

An `Idempotency-Key` is compulsory. `POST` answers 200 when every live process has confirmed, 202
with the names in `missing` when the change is durable but somebody has not, 400 for what is
malformed, 401 without a token, 409 with a `code` for a key in flight, more than one step up, a
time that has passed or a job that does not run, 413 for a body over 16 KiB, 422 for a key with
another payload, 503 when the state is not known or the broker does not answer: try again with the
same key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from console.changes import CHANGES, Change
from console.idempotency import Keys, Response, Standing
from console.job_runner import JobRefused, Jobs
from console.operating import ControlLost, Operator, described
from pipeline import telemetry
from pipeline.lever import Refused
from pipeline.stream.delivery import DeliveryError

MAX_BODY = 16 * 1024
MOST_READ = 1024 * 1024
"""Bytes of a body over the cap that are read to its end, so that its sender sees the answer."""
MAX_KEY = 200
UNAVAILABLE = 503
RETRY_AFTER = {"retry-after": "1"}


class ControlApi:
    """The endpoints; `tokens` are name -> token, and the name is who a change is by."""

    def __init__(self, operator: Operator, tokens: Mapping[str, str]) -> None:
        self._operator = operator
        self._digests = {name: _digest(token) for name, token in tokens.items()}
        self._keys = Keys()

    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(
            routes=[
                Route("/ping", self.ping),
                Route("/ready", self.ready),
                Route("/metrics", self.metrics),
                Route("/control/state", self._guarded(self.state)),
                Route("/control/jobs", self._guarded(self.jobs)),
                *(
                    Route(path, self._guarded(self.changing(kind)), methods=["POST"])
                    for path, kind in CHANGES.items()
                ),
            ]
        )

    def _guarded(
        self, work: Callable[[Request, str], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[HttpResponse]]:
        async def endpoint(request: Request) -> HttpResponse:
            name = self._who(request.headers.get("authorization", ""))
            if name is None:
                return _http(Response(401, {"error": "unauthorized"}))
            return _http(await work(request, name))

        return endpoint

    def _who(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        given = _digest(token.strip())
        # Every token is compared, so the time tells neither which one nor how much of it fits.
        found = [
            name for name, digest in self._digests.items() if hmac.compare_digest(given, digest)
        ]
        return found[0] if found and scheme.lower() == "bearer" else None

    async def ping(self, _: Request) -> HttpResponse:
        """Lives."""
        return _http(Response(200, {"ok": True}))

    async def ready(self, _: Request) -> HttpResponse:
        """Knows the present state."""
        is_fresh = self._operator.control.is_fresh
        return _http(Response(200 if is_fresh else 503, {"ready": is_fresh}))

    async def metrics(self, _: Request) -> HttpResponse:
        """What Prometheus reads."""
        return HttpResponse(telemetry.exposition(), media_type="text/plain; version=0.0.4")

    async def state(self, _: Request, __: str) -> Response:
        """Everything that stands on the control topic."""
        return Response(200, described(self._operator.control))

    async def jobs(self, _: Request, __: str) -> Response:
        """Every job, oldest first."""
        if not self._operator.control.is_fresh:
            return _error(UNAVAILABLE, "unknown_state", "the present state is not known")
        return Response(200, {"jobs": Jobs(self._operator).described()})

    def changing(self, kind: type[Change]) -> Callable[[Request, str], Awaitable[Response]]:
        """The endpoint that takes one kind of change, once per key."""

        async def change(request: Request, by: str) -> Response:
            key = request.headers.get("idempotency-key", "")
            if not 0 < len(key) <= MAX_KEY:
                needed = f"Idempotency-Key of 1 to {MAX_KEY} characters is needed"
                return _error(400, "no_key", needed)
            body = await _body(request)
            if body is None:
                return _error(413, "too_large", f"at most {MAX_BODY} bytes are taken")
            try:
                asked = kind.model_validate_json(body)
            except ValidationError as error:
                places = [".".join(map(str, each["loc"])) or "body" for each in error.errors()]
                return _error(400, "malformed", f"unusable: {', '.join(places)}")
            # Another person's key is another key.
            return await self._once(f"{by}/{key}", asked, by)

        return change

    async def _once(self, key: str, change: Change, by: str) -> Response:
        payload = f"{type(change).__name__} {change.model_dump_json()}"
        match self._keys.begin(key, payload.encode()):
            case Standing.IN_FLIGHT:
                return _error(409, "in_flight", "the first request with this key still runs")
            case Standing.OTHER_PAYLOAD:
                return _error(422, "other_payload", "this key was used for another change")
            case Response() as known:
                return known
        response = None
        try:
            response = await carry_out(self._operator, change, by)
        finally:
            # What a later try may mend is not kept.
            if response is None or response.status == UNAVAILABLE:
                self._keys.forget(key)
            else:
                self._keys.end(key, response)
        return response


async def carry_out(operator: Operator, change: Change, by: str) -> Response:
    """Changes it and tells how it went."""
    try:
        said = await change.carry_out(operator, by)
    except Refused as refused:
        status = UNAVAILABLE if refused.code == "unknown_state" else 409
        return _error(status, refused.code, str(refused))
    except JobRefused as refused:
        return _error(409, "not_running", str(refused))
    except (DeliveryError, ControlLost) as error:
        return _error(UNAVAILABLE, "not_acknowledged", f"{error}: try again with the same key")
    return Response(200 if said.get("acknowledged", True) else 202, said)


async def _body(request: Request) -> bytes | None:
    """The body; None when it is over `MAX_BODY`."""
    body, size = b"", 0
    async for part in request.stream():
        size += len(part)
        if size <= MAX_BODY:
            body += part
        elif size > MOST_READ:
            break
    return body if size <= MAX_BODY else None


def _error(status: int, code: str, text: str) -> Response:
    return Response(status, {"code": code, "error": text})


def _http(response: Response) -> HttpResponse:
    headers = RETRY_AFTER if response.status == UNAVAILABLE else None
    content = orjson.dumps(response.body)
    return HttpResponse(content, response.status, headers, media_type="application/json")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
