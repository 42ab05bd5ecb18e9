from __future__ import annotations

from bench.java import LOCK, kafka_version


def test_the_peer_has_the_version_of_the_broker() -> None:
    assert kafka_version("a:b:1 00\norg.apache.kafka:kafka_2.13:9.8.7 ab12\n") == "9.8.7"
    assert f"org.apache.kafka:kafka-clients:{kafka_version(LOCK.read_text())} " in LOCK.read_text()
