"""All settings: one frozen object, read once from the environment, validated together.

Every field is the variable ``SWITCHBOARD_<NAME>``; the broker alone keeps the name the
Kafka world gave it, ``KAFKA_BOOTSTRAP_SERVERS``. Lists are JSON (``'["a","b"]'``).
Secrets are masked in ``repr``. Defaults come from DOMAIN facts of the first tenant.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, FilePath, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.domain.budget import Split, split
from pipeline.domain.ledger import Unsettled

BUDGETS = (
    "vendor_kept_share",
    "vendor_budget",
    "vendor_window",
    "read_share",
    "shopify_rate",
    "openai_requests",
    "openai_tokens",
)
"""Settings of the vendors' budgets."""

VERSION = "0.1.0"
"""Of the code, as every process tells it on the control topic."""


class SettingsError(Exception):
    """The environment does not describe a runnable process; the text names each variable."""


class Settings(BaseSettings):
    """What a process needs to know before it starts."""

    model_config = SettingsConfigDict(env_prefix="SWITCHBOARD_", frozen=True, extra="ignore")

    kafka_addresses: str = Field(
        default="127.0.0.1:9092",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_addresses"),
    )
    """Comma-separated ``host:port`` of the brokers."""
    kafka_tls: bool = False
    """Whether the brokers are spoken to over TLS."""
    kafka_ca_file: FilePath | None = None
    """Certificates (PEM) of who vouches for the brokers; none = those whom the machine trusts."""
    kafka_cert_file: FilePath | None = None
    """This client's own certificate (PEM), where the brokers want one."""
    kafka_key_file: FilePath | None = None
    """The key of that certificate (PEM, not encrypted)."""
    kafka_username: str | None = None
    """Name to log in at the brokers with by SASL; none = no SASL."""
    kafka_password: SecretStr = SecretStr("")
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How the password is proven."""
    partitions: int = Field(default=4, ge=1, le=1000)
    """Partitions of every keyed topic. Forever: it decides where a ticket lives."""
    replication: int = Field(default=1, ge=1, le=5)
    """Copies of each partition; 3 in production, with ``min.insync.replicas`` 2."""
    data_dir: Path = Path(".switchboard")
    """Where local state lives: tables, logs, the embedded broker."""
    instance: str = Field(default="0", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    """Name of this worker beside others of its stage; each has its own table folder."""
    static_membership: bool = False
    """Join the group under the instance's name. Only where a supervisor proves the old process
    dead before it starts the new one: two live holders of one name evict each other for ever."""
    tenant: str = Field(default="default", pattern=r"^[a-z0-9-]{1,32}$")

    host: str = "127.0.0.1"
    """Address that this process's HTTP server binds."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of this process's HTTP server; 0 = any free one, printed at the start."""

    traces_url: str = ""
    """OTLP/HTTP collector that spans are told to, e.g. ``http://127.0.0.1:4318``; empty = no traces."""
    webhook_tokens: tuple[SecretStr, ...] = ()
    """Accepted values of ``X-Middleware-Token``; several while one is being rotated."""
    webhook_hmac_secrets: tuple[SecretStr, ...] = ()
    """Secrets for ``X-Signature`` + ``X-Timestamp``."""
    webhook_standard_secrets: tuple[SecretStr, ...] = ()
    """Standard Webhooks secrets, ``whsec_`` + base64."""
    webhook_sources: tuple[str, ...] = ("richpanel",)
    """Names accepted in ``/webhooks/{source}``."""
    ingress_rate: float = Field(default=200.0, gt=0)
    """Webhooks per second and source that are accepted in the long run."""
    ingress_burst: int = Field(default=2000, ge=1)
    """Webhooks that a source may send at once before the rate applies."""
    ingress_ack_timeout: float = Field(default=5.0, gt=0)
    """Seconds the broker has to acknowledge a webhook before the answer is 503."""

    alert_webhook_url: SecretStr = SecretStr("")
    """Where alerts are posted in Standard Webhooks form; empty = nowhere."""
    alert_webhook_secret: SecretStr = SecretStr("")
    """``whsec_`` + base64, which these posts are signed with."""
    alert_slack_url: SecretStr = SecretStr("")
    """An incoming webhook of Slack, or of what imitates it; empty = none."""
    runbook_url: str = "RUNBOOK.md"
    """Where notices say that the runbook lies."""
    control_tokens: dict[str, SecretStr] = Field(default_factory=dict)
    """Who may use the control API: name -> bearer token; the name is who a change is by."""
    tag_prefix: str = Field(default="mw", pattern=r"^[a-z0-9]{1,16}$")
    reply_channels: tuple[str, ...] = ("live_chat", "email", "email_widget")
    """Channels that get automatic replies."""
    bot_agent_id: str | None = None
    """The helpdesk agent that our replies are sent as; without one no email is answered."""
    own_author_ids: tuple[str, ...] = ()
    """Further author ids whose messages are our own and must never be answered."""
    allow_list: tuple[str, ...] = ()
    """Who may be answered in ``live``: addresses, ``@domain``, ticket ids, or ``*`` for everyone.
    Empty = nobody."""
    cap_ticket_10m: int = Field(default=1, ge=0)
    """Automatic replies to one ticket within ten minutes."""
    cap_ticket_24h: int = Field(default=3, ge=0)
    """Automatic replies to one ticket within a day."""
    cap_customer_24h: int = Field(default=5, ge=0)
    """Automatic replies to one customer within a day, over all tickets."""
    reply_max_age: float = Field(default=900.0, gt=0)
    """Seconds after the customer's message within which it may be answered automatically."""

    richpanel_url: str = "https://api.richpanel.com"
    richpanel_key: SecretStr = SecretStr("")
    vendor_timeout: float = Field(default=10.0, gt=0)
    """Total seconds for one vendor call: connect, send and read together. No connection within a
    quarter of them, or silence for three quarters, ends it earlier."""
    vendor_kept_share: float = Field(default=0.2, ge=0, lt=1)
    """Part of each vendor's budget that automation leaves to people and to reconciliation."""
    vendor_budget: int = Field(default=50, ge=1)
    """Requests that the helpdesk allows per ``vendor_window``."""
    vendor_window: float = Field(default=30.0, gt=0)
    """Seconds of the helpdesk's budget window."""
    read_share: float = Field(default=0.15, gt=0, lt=1)
    """Part of automation's budget at the helpdesk that is for reading messages which a webhook
    announced without their words; the rest is for acting."""
    read_deadline: float = Field(default=900.0, gt=0)
    """Seconds after a message could not be read, parked time included, after which its ticket goes
    to the default team without it."""
    act_concurrency: int = Field(default=16, ge=1)
    """Tickets that one act worker has in hand at once."""
    act_deadline: float = Field(default=14_400.0, gt=0)
    """Seconds after an action first failed or was put aside, parked time included, after which one
    that cannot go on becomes a dead letter; and after a customer's message, for which its withheld
    route may be released."""
    reply_lease: float = Field(default=30.0, gt=0)
    """Seconds in which a reserved reply must be sent, or it never is by this worker."""
    reply_settle: float = Field(default=120.0, ge=0)
    """Seconds after a lease before reading back tells whether a reply went out."""
    reply_unsettled: Unsettled = Unsettled.TRIAGE
    """What becomes of a reply that nobody saw go out and the ticket does not show: ``triage``
    gives it to a human, ``verify_resend`` sends it once more; only for a helpdesk that honours
    an idempotency key or shows every write within ``reply_settle``."""

    shopify_url: str | None = None
    """``https://shop.example`` of the shop; without one the helpdesk alone knows orders."""
    shopify_token: SecretStr = SecretStr("")
    shopify_version: str = Field(default="2025-10", pattern=r"^[0-9]{4}-[0-9]{2}$")
    """Version of Shopify's Admin API."""
    shopify_rate: float = Field(default=2.0, gt=0)
    """Requests per second that the shop allows in the long run."""
    shopify_burst: int = Field(default=40, ge=1)
    """Requests that the shop allows at once."""
    order_lookups: bool = True
    """Whether orders are looked up for a reply at all; without, it asks for the order number."""

    openai_base_url: str | None = None
    openai_api_key: SecretStr = SecretStr("")
    openai_model: str = "gpt-5-mini"
    openai_deadline: float = Field(default=10.0, gt=0)
    """Total seconds for a classification by the model, waiting and all attempts together."""
    openai_requests: int = Field(default=500, ge=1)
    """Requests per minute that the model's account allows."""
    openai_tokens: int = Field(default=200_000, ge=1)
    """Tokens per minute that the model's account allows."""
    classify_concurrency: int = Field(default=16, ge=1)

    @property
    def budgets(self) -> dict[str, float]:
        """`BUDGETS` by name."""
        return {name: float(getattr(self, name)) for name in BUDGETS}

    @property
    def our_share(self) -> float:
        """The part of each vendor's budget that is automation's."""
        return 1 - self.vendor_kept_share

    @property
    def helpdesk_split(self) -> Split:
        """Requests that the helpdesk allows in a window, by whom they are for."""
        return split(self.vendor_budget, kept=self.vendor_kept_share, reading=self.read_share)


def listening(settings: Settings) -> socket.socket:
    """A socket bound to `host` and `port`, for this process's HTTP server.

    Raises:
        SettingsError: the address cannot be had.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    # A port of a process that has just ended counts as free.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"SWITCHBOARD_PORT: cannot listen on {settings.host}:{settings.port} "
            f"({os.strerror(error.errno) if error.errno else 'unknown host'}): end what listens "
            "there, or set SWITCHBOARD_PORT to another port, 0 for any free one"
        ) from None
    return bound


def address(bound: socket.socket) -> str:
    """The URL of a bound socket as others reach it."""
    host, port = bound.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - recognised, not bound
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load_settings() -> Settings:
    """Reads the environment once.

    Raises:
        SettingsError: some variable has no usable value; every one is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"SWITCHBOARD_{'.'.join(str(part) for part in problem['loc']).upper()}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("unusable settings:\n  " + "\n  ".join(lines)) from None
