"""A broker's quota: how a test makes one client's produce requests slow.

No client library here knows the request, so it is written out: AlterClientQuotas, version 0.
"""

from __future__ import annotations

import socket
import struct

_ALTER_CLIENT_QUOTAS = 49


def limit_producer(bootstrap: str, client_id: str, bytes_per_second: float) -> None:
    """Holds producers that call themselves `client_id` to so many bytes a second.

    Raises:
        AssertionError: the broker did not take it.
    """
    entity = _array(_text("client-id") + _text(client_id))
    operation = _array(_text("producer_byte_rate") + struct.pack(">d?", bytes_per_second, False))
    request = struct.pack(">hhi", _ALTER_CLIENT_QUOTAS, 0, 1) + _text("test")
    request += _array(entity + operation) + struct.pack(">?", False)
    host, port = bootstrap.split(",", maxsplit=1)[0].rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), 30) as broker,
        broker.makefile("rb") as answers,
    ):
        broker.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", answers.read(4))
        answer = answers.read(size)
    # Correlation id, throttle time, number of entries, then the entry's error code.
    (code,) = struct.unpack_from(">h", answer, 12)
    assert code == 0, answer


def _text(words: str) -> bytes:
    return struct.pack(">h", len(words)) + words.encode()


def _array(only: bytes) -> bytes:
    return struct.pack(">i", 1) + only
