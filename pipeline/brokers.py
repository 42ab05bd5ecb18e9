"""The cluster that the settings name, for every client of this process."""

from __future__ import annotations

from pipeline.settings import Settings
from pipeline.stream.cluster import Cluster, Login


def brokers(settings: Settings) -> Cluster:
    """Where the brokers are and how to log in there."""
    files = (settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file)
    ca, cert, key = (None if file is None else str(file) for file in files)
    return Cluster(
        settings.kafka_addresses,
        Login(
            is_tls=settings.kafka_tls,
            ca_file=ca,
            cert_file=cert,
            key_file=key,
            username=settings.kafka_username or None,
            password=settings.kafka_password.get_secret_value(),
            mechanism=settings.kafka_mechanism,
        ),
    )
