"""The fake model: answers from the known label of a sample message, with a set error rate.

It shares no code with the keyword rules. It finds the message by its words alone, because what
reaches it was redacted on the way.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.faults import REFUSED
from sandbox.richpanel import answer

REFUSAL = "I'm sorry, I cannot help with that."


def lookup_key(text: str) -> str:
    """`text` as letters only: what redaction touches is left out on both sides."""
    text = re.sub(r"\S*[@*\d\[\]/]\S*", " ", text.casefold())
    return " ".join(re.findall(r"[a-z']+", text))


class Model:
    """Answers chat completions and responses with structured output."""

    def __init__(
        self, labels: Mapping[str, str], *, error_rate: float, seed: int, now: Callable[[], float]
    ) -> None:
        self._labels = {lookup_key(text): label for text, label in labels.items()}
        self._error_rate = error_rate
        self._random = random.Random(seed)
        self._now = now
        self.requests = 0

    def app(self, extra: Iterable[Route]) -> Starlette:
        """The ASGI app."""
        return Starlette(
            routes=[
                *extra,
                Route("/v1/chat/completions", self.complete, methods=["POST"]),
                Route("/v1/responses", self.respond, methods=["POST"]),
            ]
        )

    async def complete(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        sent = orjson.loads(await request.body())
        if "authorization" not in request.headers:
            return answer(401, {"error": {"message": "no key"}})
        schema = sent.get("response_format", {}).get("json_schema", {}).get("schema", {})
        said = self.say(str(sent["messages"][-1]["content"]), schema)
        refuses = REFUSED in request.scope
        message = {
            "role": "assistant",
            "content": None if refuses else said,
            "refusal": REFUSAL if refuses else None,
        }
        return answer(
            200,
            {
                "id": f"chatcmpl-{self.requests}",
                "object": "chat.completion",
                "created": int(self._now()),
                "model": sent["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": message,
                    }
                ],
                "usage": _usage("prompt_tokens", "completion_tokens", said),
            },
        )

    async def respond(self, request: Request) -> Response:
        """POST /v1/responses."""
        sent = orjson.loads(await request.body())
        if "authorization" not in request.headers:
            return answer(401, {"error": {"message": "no key"}})
        asked = sent["input"]
        text = asked if isinstance(asked, str) else str(asked[-1]["content"])
        said = self.say(text, sent.get("text", {}).get("format", {}).get("schema", {}))
        content: list[dict[str, Any]] = [{"type": "output_text", "text": said, "annotations": []}]
        if REFUSED in request.scope:
            content = [{"type": "refusal", "refusal": REFUSAL}]
        return answer(
            200,
            {
                "id": f"resp_{self.requests}",
                "object": "response",
                "created_at": int(self._now()),
                "model": sent["model"],
                "status": "completed",
                "parallel_tool_calls": False,
                "tool_choice": "none",
                "tools": [],
                "output": [
                    {
                        "id": f"msg_{self.requests}",
                        "type": "message",
                        "role": "assistant",
                        "status": "completed",
                        "content": content,
                    }
                ],
                "usage": _usage("input_tokens", "output_tokens", said),
            },
        )

    def say(self, prompt: str, schema: Mapping[str, Any]) -> str:
        """The answer to the customer's words in `prompt`, in the form of `schema`."""
        self.requests += 1
        label = self._labels.get(lookup_key(_customer_words(prompt)))
        confidence = "high" if label is not None else "low"
        if label is not None and self._random.random() < self._error_rate:
            label = self._random.choice(sorted(set(self._labels.values()) - {label}))
        known: dict[str, Any] = {"intent": label or "unknown_other", "confidence": confidence}
        names = schema.get("properties", {}) or known
        return orjson.dumps({name: known.get(name, "") for name in names}).decode()


def _customer_words(prompt: str) -> str:
    try:
        said = orjson.loads(prompt)
    except orjson.JSONDecodeError:
        return prompt
    return str(said.get("customer_message", prompt)) if isinstance(said, dict) else prompt


def _usage(read: str, written: str, said: str) -> dict[str, int]:
    return {read: 400, written: len(said) // 4, "total_tokens": 400 + len(said) // 4}
