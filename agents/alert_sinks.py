"""Where notices go: a signed webhook, a Slack-compatible webhook, the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp
import orjson

from pipeline.domain.notices import GONE, Notice, sentence, slack_body, webhook_body
from pipeline.settings import Settings, SettingsError

log = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Total seconds of one post."""
_ARRIVED = range(200, 300)


class SinkFailed(Exception):
    """A notice did not arrive; `code` is short and holds no address. `for_good`: no other shall come."""

    def __init__(self, code: str, *, for_good: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.for_good = for_good


class Sink(Protocol):
    """Somewhere that people look at."""

    @property
    def name(self) -> str:
        """Its name in metrics and keys."""
        ...

    async def send(self, notice: Notice) -> None:
        """Returns when the notice has arrived.

        Raises:
            SinkFailed: it has not, or nobody knows.
        """
        ...


class LogSink:
    """The log of the process: always there."""

    name = "log"

    async def send(self, notice: Notice) -> None:
        """Writes a warning with the notice's fields."""
        fields = {"text": sentence(notice), **notice.model_dump(exclude={"schema_version"})}
        log.warning("alert", extra={"fields": fields})


async def _post(url: str, body: bytes, headers: dict[str, str]) -> None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as http,
            http.post(
                url,
                data=body,
                headers={"content-type": "application/json", **headers},
                allow_redirects=False,
            ) as answer,
        ):
            if answer.status not in _ARRIVED:
                raise SinkFailed(f"http_{answer.status}", for_good=answer.status == GONE)
    except TimeoutError:
        raise SinkFailed("timeout") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise SinkFailed(type(error).__name__) from None


class WebhookSink:
    """Posts in Standard Webhooks form: the notice's id is `webhook-id` at each try."""

    name = "webhook"

    def __init__(self, url: str, secret: str, *, now: Callable[[], float]) -> None:
        # Late: it is needed where such a sink is, and nowhere else.
        from standardwebhooks.webhooks import Webhook

        self._url = url
        self._signer: Any = Webhook(secret)
        self._now = now

    async def send(self, notice: Notice) -> None:
        """Posts the signed notice."""
        body = orjson.dumps(webhook_body(notice))
        at = datetime.fromtimestamp(int(self._now()), UTC)
        headers = {
            "webhook-id": notice.id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._signer.sign(notice.id, at, body.decode()),
        }
        await _post(self._url, body, headers)


class SlackSink:
    """Posts one line of text."""

    name = "slack"

    def __init__(self, url: str) -> None:
        self._url = url

    async def send(self, notice: Notice) -> None:
        """Posts the line."""
        await _post(self._url, orjson.dumps(slack_body(notice)), {})


def sinks_of(settings: Settings, *, now: Callable[[], float]) -> Sequence[Sink]:
    """The sinks that are set, the log first.

    Raises:
        SettingsError: the webhook's secret is missing or is none.
    """
    sinks: list[Sink] = [LogSink()]
    if url := settings.alert_webhook_url.get_secret_value():
        secret = settings.alert_webhook_secret.get_secret_value()
        try:
            sinks.append(WebhookSink(url, secret, now=now))
        except Exception:  # noqa: BLE001 - the library raises what base64 and it itself do
            raise SettingsError(
                "SWITCHBOARD_ALERT_WEBHOOK_SECRET: must be whsec_ and base64, to sign alerts with"
            ) from None
    if slack := settings.alert_slack_url.get_secret_value():
        sinks.append(SlackSink(slack))
    return sinks
