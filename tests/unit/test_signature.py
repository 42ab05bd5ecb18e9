from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from ingress.signature import SecretError, Secrets, Verdict, verify

NOW = 1_700_000_000.0
BODY = b'{"ticket_id": "t1"}'
KEY = b"k" * 24
SECRETS = Secrets.of(
    ["old-token", "new-token"],
    ["old-hmac", "new-hmac"],
    ["whsec_" + base64.b64encode(KEY).decode()],
)


def plain(secret: bytes, *, at: float = NOW, body: bytes = BODY) -> dict[str, str]:
    stamp = str(int(at))
    signed = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-signature": signed, "x-timestamp": stamp}


def standard(key: bytes, *, at: float = NOW, more: str = "") -> dict[str, str]:
    stamp = str(int(at))
    signed = hmac.new(key, f"msg_1.{stamp}.".encode() + BODY, hashlib.sha256).digest()
    value = f"{more}v1,{base64.b64encode(signed).decode()}"
    return {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": value}


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({"x-middleware-token": "old-token"}, Verdict.OK),
        ({"x-middleware-token": "new-token"}, Verdict.OK),
        ({"x-middleware-token": "wrong"}, Verdict.WRONG_TOKEN),
        ({}, Verdict.NO_CREDENTIALS),
        (plain(b"old-hmac"), Verdict.OK),
        (plain(b"new-hmac"), Verdict.OK),
        ({**plain(b"new-hmac"), "x-signature": "sha256=" + plain(b"new-hmac")["x-signature"]}, Verdict.OK),
        (plain(b"stranger"), Verdict.WRONG_SIGNATURE),
        (plain(b"new-hmac", body=b"other"), Verdict.WRONG_SIGNATURE),
        (plain(b"new-hmac", at=NOW - 299), Verdict.OK),
        (plain(b"new-hmac", at=NOW - 301), Verdict.STALE),
        (plain(b"new-hmac", at=NOW + 301), Verdict.STALE),
        (standard(KEY), Verdict.OK),
        (standard(KEY, more="v1,AAAA v1a,BBBB "), Verdict.OK),
        (standard(b"x" * 24), Verdict.WRONG_SIGNATURE),
        (standard(KEY, at=NOW - 400), Verdict.STALE),
        ({**standard(KEY), "webhook-id": "msg_2"}, Verdict.WRONG_SIGNATURE),
        ({**standard(b"x" * 24), "x-middleware-token": "new-token"}, Verdict.WRONG_SIGNATURE),
    ],
)  # fmt: skip
def test_each_way_to_authenticate(headers: dict[str, str], verdict: Verdict) -> None:
    assert verify(headers, BODY, SECRETS, now=NOW) is verdict


def test_a_signed_timestamp_that_is_no_number_is_stale() -> None:
    signed = hmac.new(b"new-hmac", b"soon." + BODY, hashlib.sha256).hexdigest()
    headers = {"x-signature": signed, "x-timestamp": "soon"}
    assert verify(headers, BODY, SECRETS, now=NOW) is Verdict.STALE


def test_a_malformed_secret_is_named_by_its_form_only() -> None:
    with pytest.raises(SecretError) as caught:
        Secrets.of([], [], ["whsec_not base64!"])
    assert "not base64" not in str(caught.value).replace("whsec_ and base64", "")


@pytest.mark.parametrize("given", [([""], [], []), ([], ["a", ""], []), ([], [], ["whsec_"])])
def test_an_empty_secret_is_refused_because_anybody_could_use_it(
    given: tuple[list[str], list[str], list[str]],
) -> None:
    with pytest.raises(SecretError, match="empty"):
        Secrets.of(*given)


def test_secrets_do_not_show_in_a_repr() -> None:
    assert "new-token" not in repr(SECRETS)
    assert not Secrets()
