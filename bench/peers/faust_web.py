"""Signed webhooks on Faust's own web: HMAC checked, 202 when the broker has acknowledged."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any

import faust
from faust.web import View

env = os.environ
SECRETS = [secret.encode() for secret in json.loads(env["SWITCHBOARD_WEBHOOK_HMAC_SECRETS"])]
PORT = int(env["SWITCHBOARD_PORT"])
app = faust.App(
    "bench-web",
    broker=f"kafka://{env['KAFKA_BOOTSTRAP_SERVERS']}",
    store="memory://",
    datadir=env["SWITCHBOARD_DATA_DIR"],
    topic_disable_leader=True,
    producer_acks=-1,
    producer_linger=0.002,
    web_bind="127.0.0.1",
    web_host="127.0.0.1",
    web_port=PORT,
)
topic = app.topic(
    env["BENCH_TOPIC"],
    key_serializer="raw",
    value_serializer="raw",
    key_type=bytes,
    value_type=bytes,
)


def is_signed(headers: Any, body: bytes) -> bool:
    """Whether the sender knows a secret and signed within the last five minutes."""
    timestamp = headers.get("x-timestamp", "")
    signed = timestamp.encode() + b"." + body
    expected = [hmac.digest(secret, signed, hashlib.sha256).hex() for secret in SECRETS]
    fits = [hmac.compare_digest(each, headers.get("x-signature", "")) for each in expected]
    return any(fits) and abs(time.time() - float(timestamp)) <= 300  # noqa: PLR2004


@app.page("/webhooks/richpanel")
class Webhook(View):  # type: ignore[misc]
    """Takes webhooks."""

    async def post(self, request: Any, **_: Any) -> Any:
        """One."""
        body = await request.read()
        if not is_signed(request.headers, body):
            return self.json({"error": "unauthorized"}, status=401)
        key = json.loads(body)["ticket_id"].encode()
        await (await topic.send(key=key, value=body))
        return self.json({"ok": True}, status=202)


@app.agent(app.topic(env["BENCH_IDLE"]))  # type: ignore[untyped-decorator]
async def nothing(events: Any) -> None:
    """A worker without an agent does not start; this one's topic stays empty."""
    async for _ in events:
        pass


@app.task  # type: ignore[untyped-decorator]
async def announce() -> None:
    """Says where it listens, once it does."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            break
    line = json.dumps({"url": f"http://127.0.0.1:{PORT}"})
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    app.main()
