from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from pipeline.brokers import brokers
from pipeline.settings import Settings
from pipeline.stream.admin import LoginRefused, check
from pipeline.stream.app import DurableApp
from pipeline.stream.cluster import Cluster, Login, aiokafka, librdkafka

ADDRESSES = "127.0.0.1:1,127.0.0.1:2"
SASL = Login(username="app", password="s3cret", mechanism="SCRAM-SHA-512")
TLS = Login(is_tls=True, ca_file=certifi.where())
BOTH = Login(is_tls=True, username="app", password="s3cret")


def test_a_text_is_a_cluster_without_a_login() -> None:
    plain = {"bootstrap.servers": ADDRESSES, "security.protocol": "PLAINTEXT"}
    assert librdkafka(ADDRESSES) == librdkafka(Cluster(ADDRESSES, Login())) == plain
    assert aiokafka(ADDRESSES) == {
        "bootstrap_servers": ADDRESSES, "security_protocol": "PLAINTEXT",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("login", "protocol"), [(SASL, "SASL_PLAINTEXT"), (TLS, "SSL"), (BOTH, "SASL_SSL")]
)
def test_every_client_library_takes_the_login(login: Login, protocol: str, tmp_path: Path) -> None:
    cluster = Cluster(ADDRESSES, login)
    assert librdkafka(cluster)["security.protocol"] == protocol
    confluent_kafka.Producer({**librdkafka(cluster), "log_level": 0})

    async def build() -> None:
        await AIOKafkaConsumer(**aiokafka(cluster)).stop()

    asyncio.run(build())
    app: Any = DurableApp("x", bootstrap_servers=cluster, folder=tmp_path)
    of_faust = dict(credentials_to_aiokafka_auth(app.conf.broker_credentials))
    of_ours = aiokafka(cluster)
    assert (of_faust.pop("ssl_context") is not None) == ("ssl_context" in of_ours)
    assert of_faust.items() <= of_ours.items()


def test_a_password_is_in_no_text() -> None:
    cluster = Cluster(ADDRESSES, SASL)
    assert "s3cret" not in f"{cluster} {cluster!r} {cluster.login!r}"


def test_the_settings_name_the_cluster_and_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": ADDRESSES,
        "SWITCHBOARD_KAFKA_TLS": "true",
        "SWITCHBOARD_KAFKA_CA_FILE": certifi.where(),
        "SWITCHBOARD_KAFKA_USERNAME": "app",
        "SWITCHBOARD_KAFKA_PASSWORD": "s3cret",
        "SWITCHBOARD_KAFKA_MECHANISM": "SCRAM-SHA-256",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert "s3cret" not in repr(settings)
    cluster = brokers(settings)
    assert cluster == ADDRESSES
    assert cluster.login == Login(
        is_tls=True, ca_file=certifi.where(), username="app", password="s3cret",
        mechanism="SCRAM-SHA-256",
    )  # fmt: skip


@pytest.fixture
def no_tls() -> Iterator[str]:
    """The address of a server that answers each client hello with something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_a_handshake_that_fails_is_told_with_its_reason(no_tls: str) -> None:
    with pytest.raises(LoginRefused, match=rf"{no_tls} does not let us in: .*SSL handshake failed"):
        check(Cluster(no_tls, TLS), [])
