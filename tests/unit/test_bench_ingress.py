from __future__ import annotations

import pytest

from bench.ingress import CONNECTIONS, SECRET, judged, signed
from ingress.signature import Secrets, Verdict, verify


def test_each_202_must_stand_for_a_record() -> None:
    assert judged(100, 100, 0) is None
    assert judged(100, 100 + 2 * CONNECTIONS, 0) is None
    assert judged(100, 99, 0) == "1 accepted webhooks are missing"
    assert judged(100, 101 + 2 * CONNECTIONS, 0) == f"{1 + 2 * CONNECTIONS} records too many"
    assert judged(100, 100, 3) == "3 requests were not accepted"


@pytest.mark.parametrize(
    ("body", "verdict"), [(b"{}", Verdict.OK), (b"[]", Verdict.WRONG_SIGNATURE)]
)
def test_the_bench_signs_as_the_product_verifies(body: bytes, verdict: Verdict) -> None:
    secrets = Secrets.of([], [SECRET], [])
    assert verify(signed(b"{}", 1000.0), body, secrets, now=1001.0) is verdict
