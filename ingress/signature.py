"""Is a webhook from whom it says? Three ways, several live secrets each, constant time.

* ``X-Middleware-Token``: a static token, which is what the helpdesk can send.
* ``X-Signature`` + ``X-Timestamp``: hex HMAC-SHA256 over ``timestamp.body``.
* Standard Webhooks 1.0: ``webhook-id``, ``webhook-timestamp``, ``webhook-signature``.

The answer to the sender never tells which part failed; the verdict does, for the metric.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

TOLERANCE = 300.0
"""Seconds that a timestamp may differ from our clock, both ways (Standard Webhooks: 5 minutes)."""

STANDARD_PREFIX = "whsec_"


class Verdict(StrEnum):
    """How an authentication ended."""

    OK = "ok"
    NO_CREDENTIALS = "no_credentials"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a verdict, not a secret
    WRONG_SIGNATURE = "wrong_signature"
    STALE = "stale_timestamp"


class SecretError(Exception):
    """A configured secret has no usable form; the text names the form, never the secret."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """The live secrets of each way. Several at once are a rotation in progress."""

    tokens: tuple[bytes, ...] = ()
    hmac_keys: tuple[bytes, ...] = ()
    standard_keys: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, tokens: Sequence[str], hmacs: Sequence[str], standards: Sequence[str]) -> Secrets:
        """The secrets as the settings hold them.

        Raises:
            SecretError: a Standard Webhooks secret is not ``whsec_`` + base64, or one is empty,
                which a variable that was never set makes and anybody could sign with.
        """
        secrets = cls(
            tuple(token.encode() for token in tokens),
            tuple(secret.encode() for secret in hmacs),
            tuple(_standard_key(secret) for secret in standards),
        )
        if not all((*secrets.tokens, *secrets.hmac_keys, *secrets.standard_keys)):
            raise SecretError("a webhook secret is empty")
        return secrets

    def __bool__(self) -> bool:
        return bool(self.tokens or self.hmac_keys or self.standard_keys)


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError("a Standard Webhooks secret must be whsec_ and base64") from None


def verify(headers: Mapping[str, str], body: bytes, secrets: Secrets, *, now: float) -> Verdict:
    """The verdict on one request; `headers` by lower-case name, `now` in unix seconds.

    The first way whose headers are present decides: a wrong signature is not saved by a token.
    """
    if "webhook-signature" in headers:
        return _standard(headers, body, secrets.standard_keys, now)
    if "x-signature" in headers:
        return _plain(headers, body, secrets.hmac_keys, now)
    if "x-middleware-token" in headers:
        sent = headers["x-middleware-token"].encode()
        return Verdict.OK if _any_equal(secrets.tokens, sent) else Verdict.WRONG_TOKEN
    return Verdict.NO_CREDENTIALS


def _standard(
    headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float
) -> Verdict:
    timestamp = headers.get("webhook-timestamp", "")
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    sent = [
        part.removeprefix("v1,").encode()
        for part in headers["webhook-signature"].split()
        if part.startswith("v1,")
    ]
    return _judge([_any_equal(expected, each) for each in sent], timestamp, now)


def _plain(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float) -> Verdict:
    timestamp = headers.get("x-timestamp", "")
    signed = timestamp.encode() + b"." + body
    expected = [hmac.digest(key, signed, hashlib.sha256).hex().encode() for key in keys]
    sent = headers["x-signature"].removeprefix("sha256=").casefold().encode()
    return _judge([_any_equal(expected, sent)], timestamp, now)


def _judge(matches: Sequence[bool], timestamp: str, now: float) -> Verdict:
    # The signature is judged first: an unsigned timestamp says nothing.
    if not any(matches):
        return Verdict.WRONG_SIGNATURE
    try:
        is_fresh = abs(now - float(timestamp)) <= TOLERANCE
    except ValueError:
        return Verdict.STALE
    return Verdict.OK if is_fresh else Verdict.STALE


def _any_equal(expected: Sequence[bytes], sent: bytes) -> bool:
    # Every secret is compared, so the time does not tell which one is live.
    return any([hmac.compare_digest(each, sent) for each in expected])  # noqa: C419 - no early end
