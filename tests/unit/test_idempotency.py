from __future__ import annotations

from console import idempotency
from console.idempotency import Keys, Response, Standing

OK = Response(200, {"mode": "stop"})


def test_a_key_runs_once_and_then_answers_the_same() -> None:
    keys = Keys()
    assert keys.begin("k", b"a") is None
    assert keys.begin("k", b"a") is Standing.IN_FLIGHT
    assert keys.begin("k", b"b") is Standing.OTHER_PAYLOAD
    keys.end("k", OK)
    assert keys.begin("k", b"a") is OK
    assert keys.begin("k", b"b") is Standing.OTHER_PAYLOAD
    assert keys.begin("other", b"b") is None


def test_what_came_to_nothing_runs_again() -> None:
    keys = Keys()
    keys.begin("k", b"a")
    keys.forget("k")
    assert keys.begin("k", b"b") is None


def test_the_oldest_answers_go_and_what_runs_stays() -> None:
    keys = Keys()
    keys.begin("runs", b"")
    for number in range(idempotency.REMEMBERED):
        keys.begin(str(number), b"")
        keys.end(str(number), OK)
    assert keys.begin("0", b"") is None
    assert keys.begin("runs", b"") is Standing.IN_FLIGHT
    assert keys.begin("5", b"") is OK
