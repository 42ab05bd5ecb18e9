"""`python -m ingress`: the webhook endpoint as a process.

Prints one JSON line when it listens. SIGTERM finishes what was accepted, then ends with 0.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
import time
import uuid

import orjson
import uvicorn

from ingress.connection import Connection
from ingress.server import Server
from ingress.signature import SecretError, Secrets
from ingress.webhooks import Webhooks
from pipeline import topics, tracing
from pipeline.brokers import brokers
from pipeline.control import follow
from pipeline.http_server import HttpServer
from pipeline.measured import Reports
from pipeline.mending import mended
from pipeline.settings import Settings, SettingsError, address, listening, load_settings
from pipeline.stream import admin
from pipeline.stream.guard import EXIT_CONFIG, EXIT_CRASH, crash
from pipeline.stream.producer import Producer
from pipeline.telemetry import configure_logging

log = logging.getLogger("ingress")

GRACE = 15
"""Seconds that accepted requests get at a stop."""
READY_CHECK = 2.0
"""Seconds between two looks at the broker."""


def secrets_of(settings: Settings) -> Secrets:
    """The secrets that webhooks are checked against.

    Raises:
        SettingsError: none is set, or one is malformed.
    """
    try:
        secrets = Secrets.of(
            *(
                [secret.get_secret_value() for secret in group]
                for group in (
                    settings.webhook_tokens,
                    settings.webhook_hmac_secrets,
                    settings.webhook_standard_secrets,
                )
            )
        )
    except SecretError as error:
        raise SettingsError(
            f"SWITCHBOARD_WEBHOOK_TOKENS, _HMAC_SECRETS or _STANDARD_SECRETS: {error}"
        ) from None
    if not secrets:
        raise SettingsError(
            "no webhook secret is set, so every webhook would be refused: set "
            "SWITCHBOARD_WEBHOOK_TOKENS, SWITCHBOARD_WEBHOOK_HMAC_SECRETS or "
            "SWITCHBOARD_WEBHOOK_STANDARD_SECRETS (a JSON list)"
        )
    return secrets


async def run(settings: Settings, secrets: Secrets) -> int:
    """Serves until SIGTERM or SIGINT; the exit code."""
    plan = topics.plans(partitions=settings.partitions, replication=settings.replication)
    used = (topics.RECEIVED.name, topics.AUDIT.name, topics.CONTROL.name)
    written = [each for each in plan if each.name in used]
    mismatches = await asyncio.to_thread(admin.check, brokers(settings), written)
    if mismatches:
        sys.stderr.write(
            "the topics do not fit this version:\n  " + "\n  ".join(map(mended, mismatches)) + "\n"
        )
        return EXIT_CONFIG
    if settings.traces_url:
        tracing.start(settings.traces_url, "ingress")
    bound = listening(settings)
    producer = Producer(
        brokers(settings),
        client_id="switchboard-ingress",
        delivery_timeout=settings.ingress_ack_timeout,
        on_fatal=lambda code: crash("producer", code=code),
    )
    life = uuid.uuid4().hex
    control, follower = follow(
        brokers(settings),
        producer,
        name=f"ingress-{settings.instance}",
        life=life,
        monotonic=time.monotonic,
        # Nothing that ingress does hangs on a mode: webhooks are taken even when nobody can say.
        on_crash=lambda where, error: log.error(
            "control topic lost", extra={"fields": {"where": where, "code": type(error).__name__}}
        ),
    )
    control.url = address(bound)
    # Seeded by the system once; asking it for each webhook costs a call and a turn at the GIL.
    ids = random.Random()  # noqa: S311 - an id is to be unique, not secret
    webhooks = Webhooks(
        producer,
        secrets,
        sources=settings.webhook_sources,
        rate=settings.ingress_rate,
        burst=settings.ingress_burst,
        ack_timeout=settings.ingress_ack_timeout,
        now=time.time,
        monotonic=time.monotonic,
        new_id=lambda: ids.randbytes(16).hex(),
    )
    server = HttpServer(
        uvicorn.Config(
            Server(webhooks, is_ready=lambda: producer.is_connected),
            http=Connection,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE,
            limit_concurrency=2000,
            proxy_headers=False,  # nothing here asks who sent it but by signature
        )
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    reports = Reports(producer, stage="ingress", life=life, now=time.time)
    await follower.start()
    await reports.start()
    watch = asyncio.create_task(_watch(producer, server))
    await server.serve([bound])
    watch.cancel()
    await reports.stop()
    await follower.stop()
    await producer.close()
    return 0


async def _watch(producer: Producer, server: HttpServer) -> None:
    announced = False
    while True:
        await producer.connect(timeout=READY_CHECK)
        if server.started and not announced and producer.is_connected:
            line = {"ready": True, "url": server.url}
            sys.stdout.write(orjson.dumps(line).decode() + "\n")
            sys.stdout.flush()
            announced = True
        await asyncio.sleep(READY_CHECK if announced else 0.05)


def main() -> int:
    """Reads the settings and serves."""
    import uvloop

    configure_logging()
    try:
        settings = load_settings()
        return uvloop.run(run(settings, secrets_of(settings)))
    except (SettingsError, tracing.TracesMissing) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_CONFIG
    except admin.BrokerUnreachable as error:
        sys.stderr.write(f"error: {mended(error)}\n")
        return EXIT_CRASH  # the broker may come: a restart helps
    finally:
        tracing.stop()


if __name__ == "__main__":
    sys.exit(main())
