"""A Kafka cluster as every client is told of it: where its brokers are, and how to log in there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka.helpers import create_ssl_context


@dataclass(frozen=True)
class Login:
    """How a client makes itself known; without TLS and a name, not at all."""

    is_tls: bool = False
    ca_file: str | None = None
    """Who vouches for the brokers; None = those whom the machine trusts."""
    cert_file: str | None = None
    key_file: str | None = None
    """The client's own certificate and its key, where the brokers want one."""
    username: str | None = None
    """For SASL; None = no SASL."""
    password: str = field(default="", repr=False)
    mechanism: str = "PLAIN"
    """PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""

    @property
    def protocol(self) -> str:
        """Kafka's word for the kind of connection."""
        return f"{'' if self.username is None else 'SASL_'}{'SSL' if self.is_tls else 'PLAINTEXT'}"


class Cluster(str):
    """Addresses, ``host:port,...``, that carry a login along.

    A text: who passes them on or names them in an error need not know of logins, a login is in no
    error, and a plain text is a cluster without one.
    """

    __slots__ = ("login",)
    login: Login

    def __new__(cls, addresses: str, login: Login) -> Self:  # noqa: D102
        made = super().__new__(cls, addresses)
        made.login = login
        return made


def login_of(servers: str) -> Login:
    """The login that `servers` carry."""
    return servers.login if isinstance(servers, Cluster) else Login()


def librdkafka(servers: str) -> dict[str, Any]:
    """What a client of confluent_kafka is told of the cluster."""
    login = login_of(servers)
    said = {
        "bootstrap.servers": str(servers),
        "security.protocol": login.protocol,
        "ssl.ca.location": login.ca_file if login.is_tls else None,
        "ssl.certificate.location": login.cert_file if login.is_tls else None,
        "ssl.key.location": login.key_file if login.is_tls else None,
    }
    if login.username is not None:
        said |= {
            "sasl.mechanism": login.mechanism,
            "sasl.username": login.username,
            "sasl.password": login.password,
        }
    return {name: value for name, value in said.items() if value is not None}


def aiokafka(servers: str) -> dict[str, Any]:
    """The same for a client of aiokafka.

    Raises:
        OSError: a file cannot be read or holds no certificate (`ssl.SSLError`).
    """
    login = login_of(servers)
    said: dict[str, Any] = {"bootstrap_servers": str(servers), "security_protocol": login.protocol}
    if login.is_tls:
        said["ssl_context"] = create_ssl_context(
            cafile=login.ca_file, certfile=login.cert_file, keyfile=login.key_file
        )
    if login.username is not None:
        said |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.username,
            "sasl_plain_password": login.password,
        }
    return said
