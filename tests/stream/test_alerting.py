"""The judgement of alerts over a topic in memory: what is durable, what is told, who is lowered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.alert_sinks import SinkFailed
from agents.alerting import EVERY, Alerting
from agents.telling import Telling
from pipeline import telemetry
from pipeline.alert_board import AlertBoard, Judgement
from pipeline.domain.alerts import WINDOW, Phase, shipped_rules
from pipeline.domain.incidents import Entry, Kind
from pipeline.domain.invariants import Broken
from pipeline.domain.modes import Mode
from pipeline.domain.notices import AGAIN_AFTER, ALONE, GivenUp, Notice
from pipeline.domain.signals import KINDS, Facts, Waiting
from pipeline.lever import Answer, Held
from pipeline.stream.control import Update, View
from pipeline.stream.delivery import DeliveryError, Failure

T = 1_700_000_000.0
CLOSED = {"richpanel": T + 30}
ALIVE = dict.fromkeys(KINDS, 0.5)


class Topic:
    """The topic of alerts as a follower has it; `fails` makes the next write fail."""

    def __init__(self) -> None:
        self.view = View()
        self.board = AlertBoard(self.view)
        self.fails = False

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        assert holds()

    async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
        if self.fails:
            raise DeliveryError("away", Failure.RETRIABLE)
        for key, value in entries:
            self.view.apply([Update(key, value, self.view.position, T)])
        return self.view.position - 1


class Desk:
    """A sink that remembers, and fails while it is told to."""

    name = "webhook"

    def __init__(self) -> None:
        self.seen: list[Notice] = []
        self.failure: Exception | None = None

    async def send(self, notice: Notice) -> None:
        if self.failure is not None:
            raise self.failure
        self.seen.append(notice)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(each.rule, each.kind) for each in self.seen]


@dataclass
class Hand:
    """A lever that only notes who pulled it."""

    mode: Mode = Mode.LIVE
    holds: list[Mode] = field(default_factory=list)
    fails: bool = False
    is_fresh: bool = True
    missing: tuple[str, ...] = ()

    def known_at(self, scope: str) -> Mode | None:
        return self.mode if self.is_fresh else None

    async def hold(self, mode: Mode, *, reason: str, by: str, patience: float) -> Held:
        if self.fails:
            raise DeliveryError("away", Failure.RETRIABLE)
        was, self.mode = self.mode, min(mode, self.mode)
        self.holds.append(mode)
        record: Any = None
        return Held("k", record, Answer(1, 0.1, self.missing, "global", self.mode, was))


@dataclass
class Worker:
    """One observe worker that speaks."""

    topic: Topic
    desk: Desk = field(default_factory=Desk)
    hand: Hand = field(default_factory=Hand)
    now: float = T

    def __post_init__(self) -> None:
        nothing: Any = None
        lever: Any = self.hand
        follower: Any = self.topic
        self.telling = Telling(
            self.topic.board, follower, [self.desk], lambda: self.now, lambda low, _: low
        )
        self.alerting = Alerting(
            shipped_rules(), self.topic.board, follower, nothing, nothing, lever, self.telling,
            "RUNBOOK.md", is_speaker=lambda: True, now=lambda: self.now, monotonic=lambda: 0.0,
        )  # fmt: skip
        self.alerting.states = self.topic.board.states()

    async def judge(self, at: float, *, used: dict[str, float] | None = None, **facts: Any) -> None:
        self.now = T + at
        known: dict[str, Any] = {"heard": ALIVE, "gates": {}, "broken": Broken(), "waiting": {}}
        await self.alerting.judge(Facts(now=self.now, **{**known, **facts}), used or {})
        await self.telling.tell()

    @property
    def firing(self) -> set[str]:
        return {
            each.id for each in self.topic.board.states().values() if each.phase is Phase.FIRING
        }


def played(story: Callable[[Worker], Awaitable[None]], worker: Worker | None = None) -> Worker:
    worker = worker or Worker(Topic())
    asyncio.run(story(worker))  # type: ignore[arg-type]
    return worker


def test_an_alert_fires_is_told_once_and_closes() -> None:
    async def story(worker: Worker) -> None:
        for at in (0, 2, 4):
            await worker.judge(at, gates=CLOSED)
        assert worker.firing == {"gate_closed/richpanel"}
        for at in (40, 50, 61):
            await worker.judge(at, gates=CLOSED)

    worker = played(story)
    assert worker.firing == set()
    assert worker.desk.told == [("gate_closed", "fired"), ("gate_closed", "closed")]
    assert worker.topic.board.deliveries() == []
    (incident,) = worker.topic.board.incidents().values()
    assert [each.kind.value for each in incident.entries] == [
        "opened",
        "alert_fired",
        "alert_closed",
    ]
    assert incident.state == "open"


def test_the_next_worker_goes_on_with_what_is_open_and_tells_nobody_twice() -> None:
    async def begin(worker: Worker) -> None:
        await worker.judge(0, gates=CLOSED)

    async def go_on(worker: Worker) -> None:
        await worker.judge(2, gates=CLOSED)
        assert worker.desk.told == []
        await worker.judge(31, gates=CLOSED)
        await worker.judge(60, gates=CLOSED)

    first = played(begin)
    assert first.desk.told == [("gate_closed", "fired")]
    second = played(go_on, Worker(first.topic))
    assert second.desk.told == [("gate_closed", "closed")]


def test_a_firing_alert_shows_its_worst_value_and_a_slow_rise_is_not_written_each_time() -> None:
    def missed(customers: int) -> dict[str, Any]:
        return {"last_webhook_at": T - 60, "written_at": [T - 50] * customers}

    async def story(worker: Worker) -> None:
        written = []
        for at, customers in enumerate((2, 2, 4, 100, 101, 105, 109, 111, 50)):
            await worker.judge(at, **missed(customers))
            written.append(worker.topic.board.states()["ingress_silent/all"].worst)
        assert written == [2, 2, 4, 100, 100, 100, 100, 111, 111]

    assert played(story).desk.told == [("ingress_silent", "fired")]


def test_what_is_not_durable_is_told_to_nobody_and_comes_again() -> None:
    async def story(worker: Worker) -> None:
        worker.topic.fails = True
        with pytest.raises(DeliveryError):
            await worker.judge(0, gates=CLOSED)
        assert worker.desk.told == []
        worker.topic.fails = False
        await worker.judge(2, gates=CLOSED)

    assert played(story).desk.told == [("gate_closed", "fired")]


def test_flapping_within_the_window_is_one_notice() -> None:
    async def story(worker: Worker) -> None:
        for start in range(0, 600, 100):
            await worker.judge(start, gates={"richpanel": T + start + 10})
            await worker.judge(start + 11, gates={})
            await worker.judge(start + 40, gates={})

    told = played(story).desk.told
    assert [kind for _, kind in told].count("fired") == 1


def test_sev0_lowers_the_mode_by_itself_once_and_never_raises_it() -> None:
    async def story(worker: Worker) -> None:
        for at in (0, 2, 4):
            await worker.judge(at, broken=Broken(double_sends=1))

    worker = played(story)
    assert worker.hand.holds == [Mode.ROUTE_ONLY]
    (incident,) = worker.topic.board.incidents().values()
    assert "the mode went from live to route_only" in [each.text for each in incident.entries]
    low = Worker(Topic(), hand=Hand(Mode.STOP))
    assert played(story, low).hand.holds == []
    assert low.hand.mode is Mode.STOP


def test_sev0_lowers_the_mode_where_nobody_knows_it_and_says_who_has_not_confirmed() -> None:
    async def story(worker: Worker) -> None:
        for at in (0, 2):
            await worker.judge(at, broken=Broken(mode_violations=1))

    worker = Worker(Topic(), hand=Hand(is_fresh=False, missing=("act-0", "act-1")))
    played(story, worker)
    assert worker.hand.holds == [Mode.STOP]
    (incident,) = worker.topic.board.incidents().values()
    said = "the mode went from an unknown mode to stop; not confirmed by act-0, act-1"
    assert said in [each.text for each in incident.entries]


async def raised_by_hand(worker: Worker, at: float) -> None:
    """Somebody acknowledges what a double reply has opened, and steps back to live."""
    await worker.judge(0, broken=Broken(double_sends=1))
    await worker.judge(2, broken=Broken(double_sends=2))
    assert worker.hand.holds == [Mode.ROUTE_ONLY]
    (id_,) = worker.topic.board.incidents()
    mine = Entry(incident=id_, kind=Kind.ACKNOWLEDGED, at=T + 60, by="ann")
    await worker.topic.put([(mine.key, mine.to_bytes())])
    worker.hand.mode = Mode.LIVE
    await worker.judge(at, broken=Broken(double_sends=2))
    assert worker.hand.mode is Mode.LIVE


@pytest.mark.parametrize("is_another_worker", [False, True])
def test_the_next_double_reply_lowers_again_what_people_have_raised_and_they_are_told(
    is_another_worker: bool,
) -> None:
    async def story(worker: Worker) -> None:
        await raised_by_hand(worker, 360)
        if is_another_worker:
            worker = Worker(worker.topic, worker.desk, worker.hand)
        # The first two have grown old by then; the last one is new.
        await worker.judge(902, broken=Broken(double_sends=1))
        await worker.judge(904, broken=Broken(double_sends=2))
        assert worker.hand.mode is Mode.ROUTE_ONLY
        for at in (906, 908):
            await worker.judge(at, broken=Broken(double_sends=2))

    worker = played(story)
    assert worker.hand.holds == [Mode.ROUTE_ONLY, Mode.ROUTE_ONLY]
    assert worker.desk.told == [("reply_sent_twice", "fired")] * 2
    assert len({each.id for each in worker.desk.seen}) == 2
    assert worker.topic.board.deliveries() == []
    (incident,) = worker.topic.board.incidents().values()
    said = [each.text for each in incident.entries if each.kind is Kind.LEVER_PULLED]
    assert said == ["the mode went from live to route_only"] * 2


def test_a_lever_that_was_pulled_again_is_told_of_though_the_broker_took_no_word_of_it() -> None:
    async def story(worker: Worker) -> None:
        await raised_by_hand(worker, 360)
        await worker.judge(902, broken=Broken(double_sends=1))
        worker.topic.fails = True
        with pytest.raises(DeliveryError):
            await worker.judge(904, broken=Broken(double_sends=2))
        assert worker.hand.mode is Mode.ROUTE_ONLY
        worker.topic.fails = False
        await worker.judge(906, broken=Broken(double_sends=2))

    worker = played(story)
    assert worker.desk.told == [("reply_sent_twice", "fired")] * 2
    (incident,) = worker.topic.board.incidents().values()
    assert [each.kind for each in incident.entries].count(Kind.LEVER_PULLED) == 2
    assert worker.topic.board.states()["reply_sent_twice/all"].pulled_at == T + 904


def test_a_lever_that_does_not_move_is_pulled_again() -> None:
    async def story(worker: Worker) -> None:
        worker.hand.fails = True
        with pytest.raises(DeliveryError):
            await worker.judge(0, broken=Broken(mode_violations=1))
        worker.hand.fails = False
        await worker.judge(2, broken=Broken(mode_violations=1))

    assert played(story).hand.holds == [Mode.STOP]


@pytest.mark.parametrize("failure", [SinkFailed("http_500"), RuntimeError("of the sink's own")])
def test_a_failing_sink_is_tried_again_under_the_same_id(
    failure: Exception,
) -> None:
    async def story(worker: Worker) -> None:
        worker.desk.failure = failure
        await worker.judge(0, gates=CLOSED)
        (waiting,) = worker.topic.board.deliveries()
        assert (waiting.tries, waiting.next_at) == (1, T + 5)
        worker.desk.failure = None
        await worker.judge(4, gates=CLOSED)
        assert worker.desk.told == []
        await worker.judge(6, gates=CLOSED)
        assert [each.id for each in worker.desk.seen] == [waiting.notice.id]
        assert worker.topic.board.deliveries() == []

    played(story)


GONE = SinkFailed("http_410", for_good=True)


def never_told(worker: Worker) -> tuple[GivenUp, ...]:
    """What the worker's next sign of life says."""
    return Judgement.parse(worker.alerting.judged.to_bytes()).given_up


def test_a_sink_that_is_gone_is_left_alone_for_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    async def story(worker: Worker) -> None:
        worker.desk.failure = GONE
        await worker.judge(0, gates=CLOSED)
        worker.desk.failure = None
        await worker.judge(ALONE - 1, broken=Broken(without_outcome=1))
        assert worker.topic.board.deliveries() == []
        assert worker.desk.told == []
        await worker.judge(ALONE, broken=Broken(), heard={**ALIVE, "act": 60.0})
        assert worker.desk.told == [("process_silent", "fired")]

    played(story)
    lost = [each.fields for each in caplog.records if each.message == "a notice is given up"]  # type: ignore[attr-defined]
    assert lost == [
        {"sink": "webhook", "code": "http_410", "rule": "gate_closed"},
        {"sink": "webhook", "code": "left_alone", "rule": "events_without_outcome"},
    ]


def test_what_a_sink_was_never_told_is_in_the_signs_of_life_until_it_takes_a_notice() -> None:
    async def story(worker: Worker) -> None:
        worker.desk.failure = GONE
        await worker.judge(0, gates=CLOSED)
        worker.desk.failure = None
        await worker.judge(2, gates=CLOSED, broken=Broken(without_outcome=1))
        await worker.judge(4, gates=CLOSED, broken=Broken(without_outcome=1))
        lost = GivenUp(sink="webhook", notices=2, since=T, code="left_alone")
        assert never_told(worker) == (lost,)
        await worker.judge(ALONE, gates=CLOSED, heard={**ALIVE, "act": 60.0})
        await worker.judge(ALONE + 2, gates=CLOSED)
        assert never_told(worker) == ()

    played(story)


def test_a_notice_that_is_given_up_after_its_last_try_is_in_the_signs_of_life_too() -> None:
    async def story(worker: Worker) -> None:
        worker.desk.failure = SinkFailed("timeout")
        await worker.judge(0, gates={"richpanel": math.inf})
        while waiting := worker.topic.board.deliveries():
            assert never_told(worker) == ()
            worker.now = waiting[0].next_at
            await worker.telling.tell()
        at = worker.now - T
        assert at == sum(AGAIN_AFTER)
        await worker.judge(at, gates={"richpanel": math.inf})
        assert never_told(worker) == (
            GivenUp(sink="webhook", notices=1, since=worker.now, code="timeout"),
        )

    played(story)


def test_a_notice_for_a_sink_that_is_not_set_here_is_given_up_and_no_doubt_of_this_worker() -> None:
    async def story(worker: Worker) -> None:
        await worker.alerting.judge(Facts(now=T, heard=ALIVE, gates=CLOSED), {})
        (waiting,) = worker.topic.board.deliveries()
        other = waiting.model_copy(update={"sink": "slack"})
        await worker.topic.put([(other.key, other.to_bytes())])
        await worker.judge(2, gates=CLOSED)
        await worker.judge(4, gates=CLOSED)
        assert worker.topic.board.deliveries() == []
        assert never_told(worker) == ()

    assert played(story).desk.told == [("gate_closed", "fired")]


def test_what_became_of_a_notice_is_written_when_the_broker_is_back() -> None:
    async def story(worker: Worker, failure: SinkFailed | None) -> None:
        await worker.alerting.judge(Facts(now=T, heard=ALIVE, gates=CLOSED), {})
        worker.desk.failure = failure
        worker.topic.fails = True
        with pytest.raises(DeliveryError):
            await worker.telling.tell()
        worker.desk.failure, worker.topic.fails = None, False
        for at in (2, 10):
            worker.now = T + at
            await worker.telling.tell()

    for failure in (None, SinkFailed("http_500")):
        worker = Worker(Topic())
        asyncio.run(story(worker, failure))
        assert worker.desk.told == [("gate_closed", "fired")]
        assert worker.topic.board.deliveries() == []


@pytest.mark.parametrize("error", [DeliveryError("away", Failure.RETRIABLE), RuntimeError("a bug")])
def test_telling_goes_on_whatever_one_look_comes_to(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Topic):
        async def put(self, entries: Iterable[tuple[str, bytes | None]]) -> int:
            if self.fails:
                raise error
            return await super().put(entries)

    async def story(worker: Worker) -> None:
        await worker.alerting.judge(Facts(now=T, heard=ALIVE, gates=CLOSED), {})
        worker.topic.fails = True
        looks = iter(range(2))

        async def sleep(_: float) -> None:
            worker.topic.fails = False
            if next(looks, None) is None:
                raise asyncio.CancelledError

        worker.telling.sleep = sleep
        with pytest.raises(asyncio.CancelledError):
            await worker.telling.run()

    worker = played(story, Worker(Failing()))
    assert worker.desk.told == [("gate_closed", "fired")]
    assert worker.topic.board.deliveries() == []
    assert [each.levelname for each in caplog.records] == [
        "WARNING" if isinstance(error, DeliveryError) else "ERROR"
    ]


def test_a_gate_whose_record_cannot_be_read_is_told_of() -> None:
    async def story(worker: Worker) -> None:
        for at in (0, 2):
            await worker.judge(at, gates={"richpanel": math.inf})

    worker = played(story)
    assert worker.desk.told == [("gate_closed", "fired")]
    assert worker.firing == {"gate_closed/richpanel"}


def test_a_worker_that_judges_no_more_takes_back_what_it_told_prometheus() -> None:
    class Quiet:
        """Facts and trail of a worker that is the one for one judgement."""

        watching_since = 0.0

        def start(self) -> None: ...

        def stop(self) -> None: ...

        async def look(self) -> tuple[Facts, dict[str, float]]:
            broken = Broken(1, 2, 3, 4)
            return Facts(now=T, heard=ALIVE, gates=CLOSED, waiting={}, broken=broken), {}

    async def story(worker: Worker) -> None:
        ended = asyncio.Event()
        quiet: Any = Quiet()
        worker.alerting.facts = worker.alerting.trail = quiet
        worker.alerting.is_speaker = lambda: not seen
        worker.topic.view.known_at = 1.0

        async def sleep(seconds: float) -> None:
            if seconds == EVERY:
                ended.set() if seen else seen.append(told())
            await asyncio.sleep(0)

        worker.alerting.sleep = sleep
        await worker.alerting.start()
        await ended.wait()
        await worker.alerting.stop()

    def told() -> list[float | None]:
        names = (
            "events_without_outcome",
            "replies_unknown",
            "reply_keys_sent_twice",
            "mode_violations",
        )
        registry = telemetry.REGISTRY
        return [registry.get_sample_value(telemetry.PREFIX + name) for name in names]

    seen: list[list[float | None]] = []
    played(story)
    assert seen == [[1.0, 2.0, 3.0, 4.0]]
    assert told() == [0.0, 0.0, 0.0, 0.0]
    assert b"switchboard_alerts_firing{" not in telemetry.exposition()


def test_when_was_judged_and_what_was_not_goes_into_the_signs_of_life() -> None:
    async def story(worker: Worker) -> None:
        board = worker.topic.board
        await worker.topic.put([("worker/0", worker.alerting.judged.to_bytes())])
        assert board.judged() is None
        await worker.judge(4, broken=None)
        await worker.topic.put([("worker/0", worker.alerting.judged.to_bytes())])
        await worker.topic.put([("worker/1", Judgement(at=T).to_bytes()), ("worker/2", b"{}")])
        judged = board.judged()
        assert judged is not None
        assert judged.at == T + 4
        assert {"reply_sent_twice", "mode_violated"} <= set(judged.unknown)
        assert "gate_closed" not in judged.unknown

    played(story)


def test_a_serious_alert_is_told_of_again_until_somebody_has_it() -> None:
    async def story(worker: Worker) -> None:
        for at in (0, 10, WINDOW + 1):
            await worker.judge(at, broken=Broken(without_outcome=3))

    kinds = [kind for _, kind in played(story).desk.told]
    assert kinds == ["fired", "reminded"]


def test_what_is_worse_than_the_acknowledged_incident_that_it_joins_is_told_of_again() -> None:
    async def story(worker: Worker) -> None:
        await worker.judge(0, gates={"richpanel": math.inf})
        (id_,) = worker.topic.board.incidents()
        mine = Entry(incident=id_, kind=Kind.ACKNOWLEDGED, at=T + 5, by="ann")
        await worker.topic.put([(mine.key, mine.to_bytes())])
        for at in (10, 20 + WINDOW):
            await worker.judge(at, gates={"richpanel": math.inf}, broken=Broken(without_outcome=3))
        assert list(worker.topic.board.incidents()) == [id_]

    assert played(story).desk.told == [
        ("gate_closed", "fired"),
        ("events_without_outcome", "fired"),
        ("events_without_outcome", "reminded"),
    ]


def test_nobody_is_reminded_of_an_incident_that_somebody_has_closed() -> None:
    async def story(worker: Worker) -> None:
        await worker.judge(0, broken=Broken(without_outcome=3))
        (id_,) = worker.topic.board.incidents()
        closed = Entry(incident=id_, kind=Kind.CLOSED, at=T + 5, by="ann", text="known")
        await worker.topic.put([(closed.key, closed.to_bytes())])
        await worker.judge(WINDOW + 1, broken=Broken(without_outcome=3))

    assert [kind for _, kind in played(story).desk.told] == ["fired"]


def test_a_budget_is_told_of_and_a_notice_holds_no_words_of_customers() -> None:
    async def story(worker: Worker) -> None:
        await worker.judge(0, used={"richpanel": 0.72})
        await worker.judge(2, used={"richpanel": 0.75})
        await worker.judge(4, waiting={"act": Waiting(5000, 400.0, stands=True)})
        await worker.judge(16, waiting={"act": Waiting(5000, 400.0, stands=True)})

    seen = played(story).desk.seen
    assert [each.group for each in seen if each.kind == "budget"] == ["richpanel"]
    assert {each.rule for each in seen} == {
        "budget", "queue_standing", "queue_old", "queue_very_old", "queue_deep",
    }  # fmt: skip
    assert {each.group for each in seen} == {"richpanel", "act"}
