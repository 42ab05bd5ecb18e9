from dataclasses import dataclass, replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.permit import Allow, TicketView, WithheldReason, Withhold, permit


@dataclass(frozen=True)
class Case:
    """A step that may be executed, unless a field is changed."""

    mode: str = "live"
    channel: str = "email"
    tier: int = 1
    has_text: bool = True
    is_open: bool = True
    tags: frozenset[str] = frozenset({"mw-processed"})
    last_author_is_agent: bool = False
    has_newer_customer_message: bool = False
    has_bot_agent: bool = True

    def ask(self, kind: Literal["route", "reply"]) -> Allow | Withhold:
        return permit(
            kind,
            mode=self.mode,
            channel=self.channel,
            reply_channels=("live_chat", "email", "email_widget"),
            tier=self.tier,
            has_text=self.has_text,
            ticket=TicketView(
                is_open=self.is_open,
                tags=self.tags,
                last_author_is_agent=self.last_author_is_agent,
                has_newer_customer_message=self.has_newer_customer_message,
            ),
            tag_prefix="mw",
            has_bot_agent=self.has_bot_agent,
        )


IN_ORDER: list[tuple[dict[str, object], WithheldReason]] = [
    ({"mode": "shadow"}, WithheldReason.MODE),
    ({"channel": "tiktok"}, WithheldReason.CHANNEL),
    ({"tier": 0}, WithheldReason.TIER_0),
    ({"has_text": False}, WithheldReason.NO_TEXT),
    ({"is_open": False}, WithheldReason.TICKET_CLOSED),
    ({"tags": {"vip"}}, WithheldReason.VIP),
    ({"last_author_is_agent": True}, WithheldReason.HUMAN_ANSWERED),
    ({"has_newer_customer_message": True}, WithheldReason.NEWER_MESSAGE),
    ({"tags": {"switchboard-ignore"}}, WithheldReason.IGNORE_TAG),
    ({"tags": {"mw-auto-replied"}}, WithheldReason.ALREADY_REPLIED),
    ({"has_bot_agent": False}, WithheldReason.NO_BOT_AGENT),
]


def changed(*changes: dict[str, object]) -> Case:
    """A `Case` with all changes applied, tags added up."""
    tags = frozenset[str]().union(*(change.get("tags", ()) for change in changes))  # type: ignore[arg-type]
    fields = {name: value for change in changes for name, value in change.items()}
    return replace(Case(), **{**fields, "tags": tags})  # type: ignore[arg-type]


def test_a_reply_that_nothing_speaks_against_is_allowed() -> None:
    assert Case().ask("reply") == Allow()


@pytest.mark.parametrize(("change", "reason"), IN_ORDER)
def test_each_ground_alone_withholds_a_reply(
    change: dict[str, object], reason: WithheldReason
) -> None:
    assert changed(change).ask("reply") == Withhold(reason)


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_of_several_grounds_the_first_in_order_is_named(first: int) -> None:
    grounds = [change for change, _ in IN_ORDER[first:]]
    assert changed(*grounds).ask("reply") == Withhold(IN_ORDER[first][1])


@pytest.mark.parametrize("mode", ["stop", "shadow", "route_only", "draft", "", "Live", "unknown"])
def test_only_live_replies(mode: str) -> None:
    assert Case(mode=mode).ask("reply") == Withhold(WithheldReason.MODE)


@pytest.mark.parametrize("mode", ["route_only", "draft", "live"])
def test_routes_are_applied_from_route_only_upwards(mode: str) -> None:
    assert Case(mode=mode).ask("route") == Allow()


@pytest.mark.parametrize("mode", ["stop", "shadow", "", "unknown"])
def test_a_mode_that_is_low_or_not_known_withholds_routes_too(mode: str) -> None:
    assert Case(mode=mode).ask("route") == Withhold(WithheldReason.MODE)


def test_what_only_forbids_a_reply_still_routes() -> None:
    harmless = [change for change, reason in IN_ORDER if reason is not WithheldReason.MODE]
    harmless = [change for change in harmless if change != {"tags": {"switchboard-ignore"}}]
    assert changed(*harmless).ask("route") == Allow()


def test_a_ticket_to_be_ignored_is_not_routed_either() -> None:
    case = Case(tags=frozenset({"switchboard-ignore"}))
    assert case.ask("route") == Withhold(WithheldReason.IGNORE_TAG)


def test_live_chat_needs_no_bot_agent() -> None:
    assert Case(channel="live_chat", has_bot_agent=False).ask("reply") == Allow()


def test_the_widgets_email_needs_a_bot_agent() -> None:
    case = Case(channel="email_widget", has_bot_agent=False)
    assert case.ask("reply") == Withhold(WithheldReason.NO_BOT_AGENT)


def test_tags_count_in_any_case() -> None:
    assert Case(tags=frozenset({"VIP"})).ask("reply") == Withhold(WithheldReason.VIP)


@given(
    st.builds(
        Case,
        mode=st.sampled_from(["stop", "shadow", "route_only", "draft", "live", "?"]),
        channel=st.sampled_from(["email", "email_widget", "live_chat", "tiktok"]),
        tier=st.integers(0, 3),
        tags=st.frozensets(st.sampled_from(["vip", "switchboard-ignore", "mw-auto-replied", "x"])),
        has_text=st.booleans(),
        is_open=st.booleans(),
        last_author_is_agent=st.booleans(),
        has_newer_customer_message=st.booleans(),
        has_bot_agent=st.booleans(),
    )
)
def test_whoever_may_reply_may_route(case: Case) -> None:
    if case.ask("reply") == Allow():
        assert case.ask("route") == Allow()
        assert case.mode == "live"
        assert case.tier != 0
        assert case.is_open
