"""`pipeline.ports.Classifier` on the OpenAI API, or any server that speaks its chat completions.

What a failure is called (`VendorError.code`), and whether a second attempt may mend it:

    timeout, unreachable, http_5xx, http_408          Transient
    http_429                                          RateLimited, and no second attempt
    garbage, no_content, invalid_json, wrong_shape,
    intent_not_allowed, confidence_not_allowed        Transient: the model may do better
    refusal, truncated, content_filter, http_3xx,
    any other http_4xx                                Permanent: it would say the same
    breaker_open                                      Transient, and nothing was asked

Every answer's tokens are told, also those of a failure: the vendor counts them all.

The answer is untrusted: only values of the taxonomy leave this module, never the model's words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import aiohttp
import httpx2
import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline import telemetry
from pipeline.clients.prompt import PROMPT, PROMPT_VERSION, user_message
from pipeline.clients.vendor_http import status_class
from pipeline.domain.breaker import CircuitBreaker
from pipeline.domain.redaction import redact
from pipeline.domain.retry import retry_after_seconds
from pipeline.domain.taxonomy import Confidence, Intent
from pipeline.ports import (
    Meter,
    ModelAnswer,
    Permanent,
    RateLimited,
    Transient,
    Unmetered,
    VendorError,
)
from pipeline.settings import Settings

INPUT_CHARACTERS = 8_000
OUTPUT_TOKENS = 600
SECOND_ATTEMPT_SECONDS = 2.0
"""Time that must be left of the deadline for a second attempt to be worth its price."""
CONNECT_SHARE = 0.25
"""Part of the deadline for a connection, so that a second attempt may find a better one."""
_REQUEST_TIMEOUT = 408

_REFUSALS = frozenset({"refusal", "content_filter"})
# Failures that say something about one text and nothing about the vendor's health.
_ABOUT_THE_TEXT = _REFUSALS | {"truncated", "http_400", "http_413", "http_422"}
# These think before they answer, and at their default effort may think all the output away.
_REASONING_MODELS = ("gpt-5", "o1", "o3", "o4")


class Classification(BaseModel):
    """What the model must answer; becomes the JSON schema that it is held to."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    intent: Intent
    confidence: Confidence


_RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "classification",
        "schema": Classification.model_json_schema(),
        "strict": True,
    },
}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    total_tokens: int = Field(default=0, ge=0)


class _Completion(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


@dataclass
class _Call:
    """One classification: its message, and the tokens of the answers so far."""

    content: str
    channel: str
    tokens: int = 0


def client_for(base_url: str | None, key: str, *, deadline: float) -> AsyncOpenAI:
    """A client without any patience of its own; `deadline` is in seconds, `base_url` None = OpenAI."""
    return AsyncOpenAI(
        # The client refuses to start without any key; servers of one's own need none.
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,
        timeout=openai.Timeout(deadline, connect=deadline * CONNECT_SHARE),
        # A redirect would be one more request, and take the customer's words elsewhere.
        http_client=DefaultAioHttpClient(follow_redirects=False),
    )


class OpenAIClassifier:
    """Asks one model.

    Args:
        client: of `client_for`; all patience is spent here, inside one deadline.
        model: its name.
        deadline: total seconds of `classify`, both attempts together.
        meter: is told of every request.
        may_call: whether a message of this channel may be asked about once more; asked in the step
            that begins the second attempt.
        clock: monotonic seconds.
        now: unix seconds, for ``Retry-After`` as a date.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        deadline: float,
        meter: Meter | None = None,
        may_call: Callable[[str], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._model = model
        self._fixed = {
            "model": model,
            "response_format": _RESPONSE_FORMAT,
            "max_completion_tokens": OUTPUT_TOKENS,
            "store": False,
            **_reasoning(model),
        }
        self._deadline = deadline
        self._meter = meter or Unmetered()
        self._may_call = may_call
        self._clock = clock
        self._now = now
        self._breaker = CircuitBreaker()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        deadline: float | None = None,
        meter: Meter | None = None,
        may_call: Callable[[str], bool] = lambda _: True,
    ) -> Self:
        """The model that the settings name; `deadline` None = theirs."""
        deadline = deadline or settings.openai_deadline
        key = settings.openai_api_key.get_secret_value()
        client = client_for(settings.openai_base_url, key, deadline=deadline)
        return cls(
            client,
            model=settings.openai_model,
            deadline=deadline,
            meter=meter,
            may_call=may_call,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.close()

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        """One intent of the taxonomy, within the deadline.

        Raises:
            VendorError: see the table above.
        """
        started = self._clock()
        if not self._breaker.try_pass(started):
            raise Transient("breaker_open")
        # Redacted before it is cut: a cut through an address would leave half of it readable.
        call = _Call(user_message(redact(text)[:INPUT_CHARACTERS], channel=channel), channel)
        try:
            answer = await self._within_deadline(call, started + self._deadline)
        except VendorError as error:
            error.tokens = call.tokens
            self._report(error)
            raise
        self._breaker.succeeded()
        return ModelAnswer(
            intent=answer.intent.value,
            confidence=answer.confidence.value,
            model=self._model,
            seconds=self._clock() - started,
            tokens=call.tokens,
            prompt_version=PROMPT_VERSION,
        )

    def _report(self, error: VendorError) -> None:
        if error.code in _ABOUT_THE_TEXT:
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())

    async def _within_deadline(self, call: _Call, ends: float) -> Classification:
        try:
            async with asyncio.timeout(self._deadline):
                try:
                    return await self._attempt(call)
                except RateLimited:
                    # Nobody sleeps through a 429: the gate closes and the rules decide.
                    raise
                except Transient:
                    is_late = self._clock() + SECOND_ATTEMPT_SECONDS > ends
                    if is_late or not self._may_call(call.channel):
                        raise
                return await self._attempt(call)
        except TimeoutError:
            telemetry.vendor_call("openai", "timeout")
            raise Transient("timeout") from None

    async def _attempt(self, call: _Call) -> Classification:
        body = await self._ask(call.content)
        try:
            answer = _read(body, call)
        except VendorError as error:
            # A model that answers and says nothing of use is as good as down.
            is_said = error.code in _REFUSALS
            telemetry.vendor_call("openai", "2xx" if is_said else "unusable")
            raise
        telemetry.vendor_call("openai", "2xx")
        return answer

    async def _ask(self, content: str) -> bytes:
        try:
            with telemetry.timed("vendor_request_seconds", "openai"):
                # `chat.completions.create` walks the whole body along its type hints first, which
                # takes 0.6 ms of CPU for this constant shape.
                response = await self._client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body={
                        **self._fixed,
                        "messages": [
                            {"role": "system", "content": PROMPT},
                            {"role": "user", "content": content},
                        ],
                    },
                )
        except openai.APIStatusError as error:
            telemetry.vendor_call("openai", status_class(error.status_code))
            raise self._status_failure(error) from None
        except (openai.OpenAIError, aiohttp.ClientError) as error:
            # The transport calls every broken connection, a refused one too, a connect timeout, and
            # lets what is no HTTP at all through as it is.
            is_late = isinstance(error, openai.APITimeoutError)
            if is_late and not isinstance(error.__cause__, httpx2.ConnectTimeout):
                raise TimeoutError from None
            telemetry.vendor_call("openai", "unreachable")
            raise Transient("unreachable") from None
        finally:
            self._meter.spent()
        return response.content

    def _status_failure(self, error: openai.APIStatusError) -> VendorError:
        code = f"http_{error.status_code}"
        if isinstance(error, openai.RateLimitError):
            header = error.response.headers.get("Retry-After")
            return RateLimited(code, retry_after_seconds(header, now=self._now()))
        if error.status_code == _REQUEST_TIMEOUT or isinstance(error, openai.InternalServerError):
            return Transient(code)
        return Permanent(code)


def _read(body: bytes, call: _Call) -> Classification:
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        raise Transient("garbage") from None
    call.tokens += completion.usage.total_tokens if completion.usage else 0
    return _answer(completion.choices[0])


def _answer(choice: _Choice) -> Classification:
    if choice.message.refusal:
        raise Permanent("refusal")
    if choice.finish_reason == "length":
        raise Permanent("truncated")
    if choice.finish_reason == "content_filter":
        raise Permanent("content_filter")
    if not choice.message.content:
        raise Transient("no_content")
    try:
        return Classification.model_validate_json(choice.message.content)
    except ValidationError as error:
        raise Transient(_problem(error)) from None


def _problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return "invalid_json"
    return f"{first['loc'][0]}_not_allowed" if first["type"] == "enum" else "wrong_shape"


def _reasoning(model: str) -> dict[str, str]:
    thinks = model.startswith(_REASONING_MODELS) and "chat" not in model
    return {"reasoning_effort": "low"} if thinks else {}
