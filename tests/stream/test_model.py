"""The model behind its gate: classification never waits for a vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from agents.gate import Gate
from agents.model import GatedClassifier
from pipeline.app import Stage
from pipeline.domain.concurrency import AdaptiveLimit
from pipeline.domain.token_bucket import WindowBucket
from pipeline.ports import ModelAnswer, Permanent, RateLimited, Transient, VendorError
from tests.stream.controls import Controls
from tests.stream.memory_broker import MemoryBroker, batch_of, run_batch
from tests.stream.test_classify_agent import accepted, classify, requests


@dataclass
class Model:
    """A model that answers as scripted, when it is let."""

    answers: list[VendorError] = field(default_factory=list)
    asked: int = 0
    go: asyncio.Event | None = None

    async def classify(self, text: str, *, channel: str) -> ModelAnswer:
        self.asked += 1
        if self.go is not None:
            await self.go.wait()
        if self.answers:
            raise self.answers.pop(0)
        return ModelAnswer("refund_request", "high", "m", 0.1, 100, "p")


def gated(
    model: Model,
    *,
    requests: int = 1000,
    tokens: float = 1e6,
    most: int = 4,
    part: float = 1.0,
    controls: Controls | None = None,
) -> GatedClassifier:
    clock = asyncio.get_running_loop().time
    bucket = WindowBucket(limit=requests, window=60)
    gate = Gate("openai", bucket, monotonic=clock, now=clock, part=lambda: part, starts_alone=False)
    return GatedClassifier(
        model, gate, WindowBucket(limit=tokens, window=60), AdaptiveLimit(most=most),
        control=(controls or Controls()).control, tenant="default", within=0.02, monotonic=clock,
    )  # fmt: skip


async def code(classifier: GatedClassifier) -> str:
    try:
        return (await classifier.classify("words", channel="email")).intent
    except VendorError as error:
        return error.code


def test_the_first_429_leaves_everything_after_it_to_the_rules() -> None:
    async def play() -> tuple[list[str], int]:
        model = Model([RateLimited("http_429", 60.0)])
        classifier = gated(model)
        return [await code(classifier) for _ in range(3)], model.asked

    assert asyncio.run(play()) == (["http_429", "gate_closed", "gate_closed"], 1)


def test_tokens_are_spent_once_they_are_known() -> None:
    async def play() -> list[str]:
        classifier = gated(Model(), tokens=150)
        return [await code(classifier) for _ in range(3)]

    assert asyncio.run(play()) == ["refund_request", "refund_request", "over_budget"]


def test_the_tokens_of_a_failure_are_spent_too() -> None:
    async def play() -> list[str]:
        refusal = Permanent("refusal")
        refusal.tokens = 200
        classifier = gated(Model([refusal]), tokens=150)
        return [await code(classifier) for _ in range(2)]

    assert asyncio.run(play()) == ["refusal", "over_budget"]


def test_both_attempts_of_a_call_have_their_place_in_the_budget_before_the_first() -> None:
    async def play() -> list[str]:
        model = Model(go=asyncio.Event())
        classifier = gated(model, requests=3)
        first = asyncio.create_task(code(classifier))
        await asyncio.sleep(0)
        second = asyncio.create_task(code(classifier))
        await asyncio.wait([second], timeout=1)
        model.go.set()  # type: ignore[union-attr]
        return [await second, await first]

    assert asyncio.run(play()) == ["over_budget", "refund_request"]


def test_a_worker_has_its_part_of_the_tokens() -> None:
    async def play() -> list[str]:
        classifier = gated(Model(), tokens=300, part=0.25)
        return [await code(classifier) for _ in range(2)]

    assert asyncio.run(play()) == ["refund_request", "over_budget"]


@pytest.mark.parametrize(
    ("error", "room"),
    [
        (Transient("http_503"), 2),
        (Transient("timeout"), 2),
        (Permanent("refusal"), 4),
        (Transient("invalid_json"), 4),
    ],
)
def test_a_model_that_is_overloaded_gets_half_and_the_rest_does_not_wait(
    error: VendorError, room: int
) -> None:
    async def play() -> list[str]:
        model = Model([error], go=asyncio.Event())
        model.go.set()  # type: ignore[union-attr]
        classifier = gated(model)
        await code(classifier)
        model.go.clear()  # type: ignore[union-attr]
        tasks = [asyncio.create_task(code(classifier)) for _ in range(5)]
        await asyncio.sleep(0.1)
        model.go.set()  # type: ignore[union-attr]
        return sorted(await asyncio.gather(*tasks))

    assert asyncio.run(play()) == ["busy"] * (5 - room) + ["refund_request"] * room


def test_at_stop_the_rules_decide_and_the_model_is_not_asked(
    make_stage: Callable[[str], Stage], memory_broker: MemoryBroker
) -> None:
    model = Model()

    async def scenario() -> None:
        stage = make_stage("classify")
        agent = classify(stage, gated(model, controls=Controls().mode("stop", "channel=email")))
        await run_batch(agent, batch_of([accepted(0, "where is my order")]))
        await stage.table.close()

    asyncio.run(scenario())
    (request,) = requests(memory_broker)
    assert request.decision.path == "rules"
    assert request.decision.reasons[0] == "model_mode"
    assert model.asked == 0


def test_what_waits_for_its_turn_when_the_mode_falls_to_stop_is_not_asked() -> None:
    async def play() -> tuple[list[str], int]:
        model = Model(go=asyncio.Event())
        controls = Controls()
        classifier = gated(model, most=1, controls=controls)
        tasks = [asyncio.create_task(code(classifier)) for _ in range(2)]
        await asyncio.sleep(0)
        controls.mode("stop")
        model.go.set()  # type: ignore[union-attr]
        return list(await asyncio.gather(*tasks)), model.asked

    said, asked = asyncio.run(play())
    assert said[1] == "mode"
    assert asked == 1
