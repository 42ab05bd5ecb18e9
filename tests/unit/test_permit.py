from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.conversation import TicketView
from pipeline.domain.modes import Mode
from pipeline.domain.permit import (
    DAY,
    SHORT,
    Allow,
    Asked,
    Earlier,
    Policy,
    Verdict,
    WithheldReason,
    Withhold,
    is_listed,
    permit_reply,
    permit_route,
    still_allowed,
)
from pipeline.domain.taxonomy import Confidence

NOW = 1_000_000.0
POLICY = Policy(reply_channels=("live_chat", "email", "email_widget"), allow_list=("*",))


ASKED = Asked(
    channel="email",
    ticket_id="t1",
    customer="ann@example.com",
    template_is_on=True,
    tier=1,
    has_text=True,
    received_at=NOW - 5,
)
TICKET = TicketView(
    is_open=True,
    tags=frozenset({"mw-processed"}),
    human_wrote_last=False,
    has_newer_customer_message=False,
    replied_since_human=False,
)


@dataclass(frozen=True)
class Case:
    """A reply that may be sent, unless a field is changed."""

    mode: Mode = Mode.LIVE
    asked: Asked = ASKED
    policy: Policy = POLICY
    ticket: TicketView = TICKET
    earlier: Earlier = field(default_factory=Earlier)

    def ask(self) -> Verdict:
        return permit_reply(
            self.asked,
            mode=self.mode,
            policy=self.policy,
            ticket=self.ticket,
            earlier=self.earlier,
            now=NOW,
        )

    def with_(self, **fields: Any) -> Case:
        """A copy with fields of any of its parts changed."""
        changed = self
        for name, value in fields.items():
            if hasattr(changed, name):
                changed = replace(changed, **{name: value})
                continue
            part = next(
                each
                for each in ("asked", "policy", "ticket", "earlier")
                if hasattr(getattr(changed, each), name)
            )
            changed = replace(changed, **{part: replace(getattr(changed, part), **{name: value})})
        return changed


WELL = Case()
ALL_WRONG: dict[str, Any] = {
    "mode": Mode.SHADOW, "channel": "email", "reply_channels": (), "template_is_on": False,
    "allow_list": (), "on_ticket": (NOW,) * 3, "to_customer": None, "is_open": False,
    "human_wrote_last": True, "has_newer_customer_message": True,
    "tags": frozenset({"vip", "switchboard-ignore"}), "replied_since_human": True, "tier": 0,
    "has_text": False, "received_at": NOW - 901, "has_bot_agent": False,
}  # fmt: skip
MENDED_IN_ORDER: list[tuple[WithheldReason, dict[str, Any]]] = [
    (WithheldReason.MODE, {"mode": Mode.LIVE}),
    (WithheldReason.CHANNEL, {"reply_channels": ("email",)}),
    (WithheldReason.TEMPLATE_OFF, {"template_is_on": True}),
    (WithheldReason.ALLOW_LIST, {"allow_list": ("*",)}),
    (WithheldReason.CAP_TICKET_10M, {"per_ticket_10m": 9}),
    (WithheldReason.CAP_TICKET_24H, {"per_ticket_24h": 9}),
    (WithheldReason.CAP_UNKNOWN, {"to_customer": (NOW,) * 5}),
    (WithheldReason.CAP_CUSTOMER_24H, {"to_customer": ()}),
    (WithheldReason.TICKET_CLOSED, {"is_open": True}),
    (WithheldReason.HUMAN_ANSWERED, {"human_wrote_last": False}),
    (WithheldReason.NEWER_MESSAGE, {"has_newer_customer_message": False}),
    (WithheldReason.VIP, {"tags": frozenset({"switchboard-ignore"})}),
    (WithheldReason.IGNORE_TAG, {"tags": frozenset()}),
    (WithheldReason.ALREADY_REPLIED, {"replied_since_human": False}),
    (WithheldReason.TIER_0, {"tier": 1, "confidence": "low"}),
    (WithheldReason.LOW_CONFIDENCE, {"confidence": "high"}),
    (WithheldReason.NO_TEXT, {"has_text": True}),
    (WithheldReason.TOO_OLD, {"received_at": NOW}),
    (WithheldReason.NO_BOT_AGENT, {"has_bot_agent": True}),
]
ALONE: list[tuple[dict[str, Any], WithheldReason]] = [
    ({"mode": Mode.STOP}, WithheldReason.MODE),
    ({"channel": "tiktok"}, WithheldReason.CHANNEL),
    ({"template_is_on": False}, WithheldReason.TEMPLATE_OFF),
    ({"allow_list": ("@example.org",)}, WithheldReason.ALLOW_LIST),
    ({"on_ticket": (NOW - SHORT + 1,)}, WithheldReason.CAP_TICKET_10M),
    ({"on_ticket": (NOW - SHORT,) * 3}, WithheldReason.CAP_TICKET_24H),
    ({"to_customer": None}, WithheldReason.CAP_UNKNOWN),
    ({"to_customer": (NOW - DAY + 1,) * 5}, WithheldReason.CAP_CUSTOMER_24H),
    ({"is_open": False}, WithheldReason.TICKET_CLOSED),
    ({"human_wrote_last": True}, WithheldReason.HUMAN_ANSWERED),
    ({"has_newer_customer_message": True}, WithheldReason.NEWER_MESSAGE),
    ({"tags": frozenset({"vip"})}, WithheldReason.VIP),
    ({"tags": frozenset({"switchboard-ignore"})}, WithheldReason.IGNORE_TAG),
    ({"replied_since_human": True}, WithheldReason.ALREADY_REPLIED),
    ({"tier": 0}, WithheldReason.TIER_0),
    ({"confidence": "low"}, WithheldReason.LOW_CONFIDENCE),
    ({"confidence": "certain"}, WithheldReason.LOW_CONFIDENCE),
    ({"has_text": False}, WithheldReason.NO_TEXT),
    ({"received_at": NOW - 901}, WithheldReason.TOO_OLD),
    ({"has_bot_agent": False}, WithheldReason.NO_BOT_AGENT),
]


def test_a_reply_that_nothing_speaks_against_is_allowed() -> None:
    assert WELL.ask() == Allow()


def test_in_draft_it_becomes_a_note() -> None:
    assert WELL.with_(mode=Mode.DRAFT).ask() == Allow(as_note=True)


@pytest.mark.parametrize(("change", "reason"), ALONE)
def test_each_ground_alone_withholds_a_reply(
    change: dict[str, Any], reason: WithheldReason
) -> None:
    assert WELL.with_(**change).ask() == Withhold(reason)


def test_every_reason_has_its_ground() -> None:
    assert {reason for _, reason in ALONE} == set(WithheldReason)


def test_of_several_grounds_the_first_in_order_is_named() -> None:
    case = WELL.with_(**ALL_WRONG)
    for reason, mending in MENDED_IN_ORDER:
        assert case.ask() == Withhold(reason)
        case = case.with_(**mending)
    assert case.ask() == Allow()


@pytest.mark.parametrize("mode", [Mode.STOP, Mode.SHADOW, Mode.ROUTE_ONLY])
def test_below_draft_nobody_is_answered(mode: Mode) -> None:
    assert WELL.with_(mode=mode).ask() == Withhold(WithheldReason.MODE)


@pytest.mark.parametrize("mode", list(Mode))
def test_routes_are_applied_from_route_only_upwards(mode: Mode) -> None:
    verdict = permit_route(mode, WELL.ticket)
    assert verdict == (Allow() if mode >= Mode.ROUTE_ONLY else Withhold(WithheldReason.MODE))


def test_a_ticket_to_be_ignored_is_not_routed_either() -> None:
    ticket = replace(WELL.ticket, tags=frozenset({"switchboard-ignore"}))
    assert permit_route(Mode.LIVE, ticket) == Withhold(WithheldReason.IGNORE_TAG)


def test_medium_confidence_makes_a_draft_of_a_reply() -> None:
    assert WELL.with_(confidence="medium").ask() == Allow(as_note=True)
    assert WELL.with_(confidence="medium", mode=Mode.DRAFT).ask() == Allow(as_note=True)
    assert WELL.with_(confidence="medium", mode=Mode.ROUTE_ONLY).ask() == Withhold(
        WithheldReason.MODE
    )


def test_a_draft_needs_neither_allow_list_nor_an_agent_to_send_as() -> None:
    case = WELL.with_(mode=Mode.DRAFT, allow_list=(), has_bot_agent=False)
    assert case.ask() == Allow(as_note=True)


@pytest.mark.parametrize(
    ("entry", "listed"),
    [
        ("*", True),
        ("Ann@example.com", True),
        ("@EXAMPLE.com", True),
        ("T1", True),
        ("@ample.com", False),
        ("example.com", False),
        ("", False),
        ("@", False),
    ],
)
def test_the_allow_list_names_people_domains_and_tickets(entry: str, listed: bool) -> None:
    assert is_listed(WELL.asked, [entry]) is listed


@pytest.mark.parametrize("customer", [None, "+15550001"])
def test_who_has_no_address_stands_on_no_domain(customer: str | None) -> None:
    asked = replace(WELL.asked, customer=customer)
    assert not is_listed(asked, ["@", "@example.com", ""])


def test_live_chat_needs_no_bot_agent() -> None:
    assert WELL.with_(channel="live_chat", has_bot_agent=False).ask() == Allow()


def test_a_reply_of_another_clock_that_is_ahead_counts() -> None:
    case = WELL.with_(on_ticket=(NOW + 3600,))
    assert case.ask() == Withhold(WithheldReason.CAP_TICKET_10M)


def test_a_reply_of_yesterday_does_not_count() -> None:
    times = (NOW - DAY,) * 9
    assert WELL.with_(on_ticket=times, to_customer=times).ask() == Allow()


@pytest.mark.parametrize("mode", list(Mode))
def test_what_was_allowed_is_asked_again_before_the_send(mode: Mode) -> None:
    assert still_allowed(Allow(), mode) is (mode is Mode.LIVE)
    assert still_allowed(Allow(as_note=True), mode) is (mode >= Mode.DRAFT)


ages = st.floats(0, 2 * DAY).map(lambda age: NOW - age)
cases = st.builds(
    Case,
    mode=st.sampled_from(Mode),
    asked=st.builds(
        Asked,
        channel=st.sampled_from(["email", "live_chat", "tiktok"]),
        ticket_id=st.just("t1"),
        customer=st.sampled_from([None, "ann@example.com"]),
        template_is_on=st.booleans(),
        tier=st.integers(0, 3),
        has_text=st.booleans(),
        received_at=ages,
        confidence=st.sampled_from(Confidence),
    ),
    policy=st.builds(
        Policy,
        reply_channels=st.just(("email", "live_chat")),
        allow_list=st.sampled_from([(), ("*",), ("@example.com",)]),
        has_bot_agent=st.booleans(),
    ),
    ticket=st.builds(
        TicketView,
        is_open=st.booleans(),
        tags=st.frozensets(st.sampled_from(["vip", "switchboard-ignore", "x"])),
        human_wrote_last=st.booleans(),
        has_newer_customer_message=st.booleans(),
        replied_since_human=st.booleans(),
    ),
    earlier=st.builds(
        Earlier,
        on_ticket=st.lists(ages, max_size=4),
        to_customer=st.one_of(st.none(), st.lists(ages, max_size=7)),
    ),
)


def reach(verdict: Verdict) -> int:
    """0 = nothing, 1 = a note for a human, 2 = a reply to the customer."""
    return 0 if isinstance(verdict, Withhold) else 1 if verdict.as_note else 2


@given(cases, st.sampled_from(Mode))
def test_a_lower_mode_never_sends_what_a_higher_one_withheld(case: Case, other: Mode) -> None:
    low, high = sorted([case.mode, other])
    sent_low = reach(replace(case, mode=low).ask()) == 2
    assert not sent_low or reach(replace(case, mode=high).ask()) == 2


@given(cases, st.sampled_from(Mode))
def test_a_lower_mode_never_allows_more_to_whom_may_be_sent_to(case: Case, other: Mode) -> None:
    case = case.with_(allow_list=("*",), has_bot_agent=True)
    low, high = sorted([case.mode, other])
    assert reach(replace(case, mode=low).ask()) <= reach(replace(case, mode=high).ask())


@given(cases, st.sampled_from(Confidence))
def test_less_confidence_never_reaches_the_customer_nor_allows_more_than_a_draft(
    case: Case, less: Confidence
) -> None:
    if less is not Confidence.HIGH:
        assert reach(case.with_(confidence=less).ask()) <= (less is Confidence.MEDIUM)


@given(cases)
def test_whoever_may_reply_may_route(case: Case) -> None:
    if reach(case.ask()):
        assert permit_route(case.mode, case.ticket) == Allow()
        assert case.asked.tier != 0
        assert case.ticket.is_open


@given(cases, st.lists(ages, max_size=3))
def test_more_replies_before_never_allow_more(case: Case, more: list[float]) -> None:
    earlier = replace(case.earlier, on_ticket=[*case.earlier.on_ticket, *more])
    assert reach(replace(case, earlier=earlier).ask()) <= reach(case.ask())
