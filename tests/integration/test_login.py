"""Every client of a process against a broker that wants TLS and a password."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.stream import admin
from pipeline.stream.app import DurableApp
from pipeline.stream.changelog import Changelogs
from pipeline.stream.cluster import Cluster, Login
from pipeline.stream.control import Follower, View
from pipeline.stream.groups import Groups
from pipeline.stream.guard import crash
from pipeline.stream.producer import Outgoing, Producer
from pipeline.stream.table import DurableTable
from sandbox import kafka, kafka_config
from sandbox.kafka import EmbeddedKafka
from tests.integration.test_topics import Plan

pytestmark = pytest.mark.integration

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_app="s3cret";'


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A broker with a second listener, SASL_SSL: its address and who vouches for it."""
    if shutil.which("openssl") is None and "CI" not in os.environ:
        pytest.skip("openssl makes the certificate")
    tmp_path = tmp_path_factory.mktemp("login")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    store = tmp_path / "store.pem"
    store.write_text(key.read_text() + cert.read_text())
    (port,) = kafka_config.free_ports(1)
    plain = kafka_config.properties

    def with_login(*args: Any) -> str:
        text = plain(*args).replace("listeners=", f"listeners=LOGIN://127.0.0.1:{port},", 1)
        return text + "".join(
            f"{name}={value}\n"
            for name, value in {
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL",
                "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
                "listener.name.login.plain.sasl.jaas.config": LOGIN,
                "listener.name.login.ssl.keystore.type": "PEM",
                "listener.name.login.ssl.keystore.location": store,
            }.items()
        )

    with pytest.MonkeyPatch.context() as patch, EmbeddedKafka(tmp_path / "kafka") as embedded:
        patch.setattr(kafka, "properties", with_login)
        # The first handshakes of a JVM take their time.
        patch.setattr(admin, "_TRIES", (2.0, 5.0, 20.0, 60.0))
        embedded.start()
        yield f"127.0.0.1:{port}", str(cert)


def test_every_client_logs_in(secured: tuple[str, str], tmp_path: Path) -> None:
    address, cert = secured
    cluster = Cluster(address, Login(is_tls=True, ca_file=cert, username="app", password="s3cret"))
    plans = [Plan("login-in", 1, config={}), Plan("login-log", 1), Plan("login-control", 1)]
    admin.apply(cluster, plans)
    assert admin.check(cluster, plans) == []

    async def scenario() -> None:
        app: Any = DurableApp("login", bootstrap_servers=cluster, folder=tmp_path, on_crash=crash)
        log = Changelogs(cluster, group="login", source="login-in").open
        table = DurableTable("rows", changelog="login-log", folder=tmp_path, open_changelog=log)
        app.durable.append(table)
        producer = Producer(cluster, client_id="login", config={"log_level": 0})
        done = asyncio.Event()

        @app.agent(app.batches("login-in"), name="login")  # type: ignore[untyped-decorator]
        async def handle(batches: Any) -> None:
            async for batch in batches:
                await table.commit(batch.partition, {b"k": batch.records[-1].value}, producer)
                batch.finish()
                done.set()

        follower = Follower(
            cluster, "login-control", view=View(), sender=producer, key="me", beat=lambda: b"1",
            monotonic=asyncio.get_running_loop().time, on_crash=crash,
        )  # fmt: skip
        async with asyncio.timeout(60):
            await follower.start()
            await follower.wait_known()
            await app.start()
            await producer.send([Outgoing("login-in", b"k", b"v")])
            await done.wait()
            assert table.get(0, b"k") == b"v"
        await follower.stop()
        await app.stop()
        await producer.close()
        await table.close()

    asyncio.run(scenario())
    groups = Groups(cluster, {"login": ["login-in"]})
    (standing,) = groups.look()
    groups.close()
    assert (standing.committed, standing.end) == (1, 1)


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ({"password": "wrong"}, "Invalid username or password"),
        ({"ca_file": None}, "certificate verify failed"),
    ],
)
def test_a_wrong_login_is_told_with_its_reason(
    secured: tuple[str, str], login: dict[str, Any], reason: str
) -> None:
    address, cert = secured
    right = {"is_tls": True, "ca_file": cert, "username": "app", "password": "s3cret"}
    with pytest.raises(admin.BrokerUnreachable) as refused:
        admin.check(Cluster(address, Login(**{**right, **login})), [])
    assert reason in str(refused.value)
    assert "s3cret" not in str(refused.value)
