"""What `mode`, `panic`, `recover`, `limits` and `drill` do and say, over a control topic in memory."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
import typer

from console.api import ControlApi
from console.changes import why_no_scope
from console.drill import STANDS, after, drilled
from console.mode import WAY_BACK, a_reason, in_words, set_each, switched_templates
from console.operating import Operator, Unsure, once_more, or_unsure
from pipeline.confirming import Written
from pipeline.domain.control_records import ProcessRecord, SwitchRecord
from pipeline.domain.modes import Mode
from pipeline.lever import Answer, Refused
from tests.stream.controls import Controls, Topic


@pytest.fixture
def topic() -> Topic:
    return Topic(Controls().mode("live"))


def set_to(topic: Topic, mode: Mode, *scopes: str) -> list[str]:
    """What was told, also where a scope fails."""
    told: list[Answer] = []
    work = set_each(
        topic.lever(), lambda _: mode, scopes, reason="x", patience=0.0, tell=told.append
    )
    try:
        asyncio.run(work)
    except (Refused, Unsure) as error:
        return [*(each.scope for each in told), str(error)]
    return [each.scope for each in told]


def drill(topic: Topic, **patience: float) -> dict[str, Any]:
    operator = SimpleNamespace(control=topic.controls.control, lever=topic.lever())
    return asyncio.run(drilled(cast("Operator", operator), "drill", patience.get("patience", 1.0)))


def test_scopes_are_told_one_by_one_and_the_one_that_fails_names_itself(topic: Topic) -> None:
    topic.controls.mode("stop", "channel=email")
    first, error = set_to(topic, Mode.DRAFT, "tenant=a", "channel=email", "tenant=b")
    assert first == "tenant=a"
    assert error.startswith("channel=email is at stop")
    assert topic.controls.control.own_mode("tenant=a") is Mode.DRAFT
    assert topic.controls.control.own_mode("tenant=b") is Mode.LIVE


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        ("global", "set stop --reason x (and back, one step at a time: " + WAY_BACK + ")"),
        ("tenant=a", "set stop --scope tenant=a --reason x"),
    ],
)
def test_a_change_that_was_not_acknowledged_may_be_written_and_is_set_once_more(
    topic: Topic, scope: str, ends: str
) -> None:
    topic.refuse = lambda _: True
    (error,) = set_to(topic, Mode.STOP, scope)
    assert "_MSG_TIMED_OUT" in error
    assert "may be written or not" in error
    assert error.endswith(ends)


def test_what_is_done_before_a_change_that_was_not_acknowledged_is_told(topic: Topic) -> None:
    topic.refuse = lambda entries: "tenant=b" in entries[0][0]
    assert set_to(topic, Mode.STOP, "tenant=a", "tenant=b")[0] == "tenant=a"


def test_what_was_typed_can_be_pasted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["console", "limits", "reset", "openai", "--reason", "it's ok"])
    command = "./switchboard limits reset openai --reason 'it'\"'\"'s ok'"
    assert once_more() == f"Run it once more: {command}"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_that_cannot_be_written_down_is_refused(reason: str) -> None:
    with pytest.raises(typer.BadParameter):
        a_reason(reason)
    assert a_reason(" too many mails ") == "too many mails"


@pytest.mark.parametrize("scope", ["channel=emial", "intent=refund", "template=t_no", "planet=x"])
def test_a_misspelt_scope_is_refused_with_what_there_is(scope: str) -> None:
    wrong = why_no_scope(scope)
    assert wrong is not None
    assert "channel=email" in wrong or f"there is no {scope.replace('=', ' ')}: " in wrong


@pytest.mark.parametrize(
    "scope",
    ["global", "channel=email", "channel=unknown", "intent=refund_request", "tenant=anybody"],
)
def test_a_scope_that_something_may_lie_in_is_taken(scope: str) -> None:
    assert why_no_scope(scope) is None


MISSING = Written(7, 1.0, ("act-0",))


def test_whoever_has_not_confirmed_is_named_and_so_is_what_shows_it_later() -> None:
    said = in_words("global: live -> stop", MISSING)
    assert "NOT CONFIRMED after 1.0 s by: act-0" in said
    assert "stops by itself within 5 s" in said
    assert said.endswith("./switchboard mode show")


def test_a_drill_gives_back_what_was(topic: Topic) -> None:
    result = drill(topic)
    assert (result["was"], result["mode"], result["missing"]) == ("live", "live", [])
    assert after(result["was"], result["mode"]) == "the mode is live, as it was before"


def test_a_drill_under_a_panic_says_that_the_mode_is_stop_as_before(topic: Topic) -> None:
    topic.controls.mode("stop")
    assert after(*(drill(topic)[name] for name in ("was", "mode"))) == (
        "the mode is stop, as it was before"
    )


def test_a_drill_during_which_somebody_panics_does_not_say_that_all_is_as_it_was(
    topic: Topic,
) -> None:
    def panics(entries: list[tuple[str, bytes | None]]) -> bool:
        if entries[0][1] is None:  # the release
            topic.controls.mode("stop")
        return False

    topic.refuse = panics
    result = drill(topic)
    assert (result["was"], result["mode"]) == ("live", "stop")
    assert after("live", "stop").endswith("./switchboard mode show")
    assert "as it was" not in after("live", "stop")


def test_a_drill_names_who_has_not_confirmed_and_lets_go_all_the_same(topic: Topic) -> None:
    deaf = ProcessRecord(name="act-7", confirmed=-1, silent_after=60.0)
    topic.controls.put("process/act-7/1", deaf.to_bytes())
    result = drill(topic, patience=0.0)
    assert result["missing"] == ["act-7"]
    assert topic.mode is Mode.LIVE


def test_a_drill_whose_stop_may_stand_tells_the_way_back(topic: Topic) -> None:
    topic.refuse = lambda _: True

    def work() -> None:
        with or_unsure(STANDS):
            drill(topic)

    with pytest.raises(Unsure, match=r"\./switchboard mode show .*\./switchboard recover --reason"):
        work()


def test_a_drill_that_is_broken_off_lets_go(topic: Topic) -> None:
    deaf = ProcessRecord(name="act-7", confirmed=-1, silent_after=60.0)
    topic.controls.put("process/act-7/1", deaf.to_bytes())
    operator = SimpleNamespace(control=topic.controls.control, lever=topic.lever())

    async def broken_off() -> None:
        drilling = asyncio.ensure_future(drilled(cast("Operator", operator), "drill", 600.0))
        while topic.mode is not Mode.STOP:  # noqa: ASYNC110 - a turn of the loop at a time
            await asyncio.sleep(0)
        drilling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drilling

    asyncio.run(broken_off())
    assert topic.mode is Mode.LIVE


def test_a_template_that_is_off_is_shown_with_who_and_why_and_an_unreadable_one_is_off() -> None:
    off = SwitchRecord(on=False, by="ann", reason="typo", at=0.0).to_bytes().decode()
    rows = switched_templates({"template/t_a": off, "template/t_b": "nonsense", "shed/x": off})
    assert rows == [
        ("t_a", "off", "ann", "1970-01-01 00:00:00+00:00", "typo"),
        ("t_b", "off", "unknown", "", "unreadable record"),
    ]


def posted(topic: Topic, path: str, body: bytes, key: str = "k") -> tuple[int, dict[str, Any]]:
    """What the control API answers to alice."""
    operator = SimpleNamespace(control=topic.controls.control, lever=topic.lever())
    app = ControlApi(cast("Operator", operator), {"alice": "a-token"}).app()
    headers = {"Authorization": "Bearer a-token", "Idempotency-Key": key}

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            if not body:
                return await client.get(path, headers=headers)
            return await client.post(path, content=body, headers=headers)

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


@pytest.mark.parametrize(("size", "status"), [(400, 200), (17_000, 413), (3_000_000, 413)])
def test_the_api_takes_a_body_up_to_16_kib(topic: Topic, size: int, status: int) -> None:
    body = b'{"mode": "draft", "reason": "%s"}' % (b"x" * size)
    assert posted(topic, "/control/mode", body)[0] == status
    assert topic.mode is (Mode.DRAFT if status == 200 else Mode.LIVE)


def test_the_api_tells_of_jobs_and_that_one_does_not_run(topic: Topic) -> None:
    assert posted(topic, "/control/jobs", b"") == (200, {"jobs": []})
    status, said = posted(topic, "/control/jobs/stop", b'{"name": "j1", "reason": "x"}')
    assert (status, said["code"]) == (409, "not_running")
    assert said["error"].endswith("./switchboard jobs list")
