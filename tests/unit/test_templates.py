import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.events import action_id
from pipeline.domain.template_texts import TEXTS, TemplateText, UnreadableTemplate, read_texts
from pipeline.domain.templates import (
    TemplateError,
    carries,
    checked,
    marked,
    marker,
    render,
    template_ids,
    template_variables,
    template_version,
)

ALL = {
    "t_order_status_ask_order_number",
    "t_order_status_verified",
    "t_shipping_delay_verified",
    "t_delivered_not_received_intake",
    "t_missing_items_intake",
    "t_wrong_item_intake",
    "t_damaged_item_intake",
    "t_cancel_order_ack_intake",
    "t_address_change_ack_intake",
    "t_cancel_subscription_ack_intake",
    "t_billing_issue_intake",
    "t_return_request_intake",
    "t_exchange_request_intake",
    "t_refund_request_intake",
    "t_technical_support_intake",
    "t_promo_discount_info",
    "t_pre_purchase_info",
    "t_influencer_inquiry_route",
}
ACTION = action_id("default", "T1", "evt:richpanel:T1:m1", "reply", "t_refund_request_intake")


def test_every_template_of_the_taxonomy_has_a_text_and_no_other_exists() -> None:
    assert template_ids() == ALL


@pytest.mark.parametrize("template_id", sorted(ALL))
def test_each_text_is_polite_short_and_complete(template_id: str) -> None:
    values = {name: f"<{name}>" for name in template_variables(template_id)}
    text = render(template_id, values)
    assert text.startswith("Hello,")
    assert text.endswith("Kind regards,\nCustomer Support")
    assert len(text) < 600
    assert "$" not in text
    assert all(value in text for value in values.values())


@pytest.mark.parametrize("template_id", sorted(ALL))
def test_no_text_promises_a_time_money_or_a_change(template_id: str) -> None:
    promise = (
        r"\bwe will\b|\bwe'll\b|\bguarantee|\bpromise\b|\bwithin \d|\bhours?\b|\bdays?\b|"
        r"\bas soon as\b|\bshortly\b|\bhas been (cancel|refund|chang)|\bsorted\b"
    )
    assert not re.search(promise, TEXTS[template_id].text, re.IGNORECASE)


def test_intake_texts_need_nothing_but_the_ticket() -> None:
    with_variables = {template_id for template_id in ALL if template_variables(template_id)}
    assert with_variables == {"t_order_status_verified", "t_shipping_delay_verified"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (TemplateText("Hello $name"), "declares nothing but uses name"),
        (TemplateText("Hello", frozenset({"name"})), "declares name but uses nothing"),
        (TemplateText("It costs $5"), "stray"),
        (TemplateText("  \n"), "has no text"),
    ],
)
def test_a_slip_in_a_text_stops_the_load(entry: TemplateText, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem):
        checked({"t_x": entry})


@pytest.mark.parametrize(
    "variables",
    [{}, {"order_number": "1"}, {"order_number": "1", "order_status": "sent", "extra": "x"}],
)
def test_other_variables_than_declared_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(TemplateError, match="takes order_number, order_status, was given"):
        render("t_shipping_delay_verified", variables)


def test_a_refusal_names_variables_and_never_their_values() -> None:
    with pytest.raises(TemplateError) as refused:
        render("t_refund_request_intake", {"name": "Jane Secret"})
    assert "Jane" not in str(refused.value)


def test_a_template_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TemplateError, match="no template t_nope"):
        render("t_nope", {})


def test_a_value_cannot_bring_in_another_variable() -> None:
    values = {"order_number": "$order_status", "order_status": "on its way"}
    assert "$order_status" in render("t_shipping_delay_verified", values)


def test_each_text_has_a_version_of_its_own_that_stays() -> None:
    versions = {template_id: template_version(template_id) for template_id in ALL}
    assert len(set(versions.values())) == len(ALL)
    assert versions == {template_id: template_version(template_id) for template_id in ALL}


def test_another_text_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = template_version("t_refund_request_intake")
    monkeypatch.setitem(TEXTS, "t_refund_request_intake", TemplateText("Other words"))
    assert template_version("t_refund_request_intake") != before


def test_a_marked_reply_ends_with_its_reference() -> None:
    assert marked("Hello\n", ACTION) == f"Hello\n\nRef: sb-{ACTION[:10]}"
    assert marker(ACTION) == f"sb-{ACTION[:10]}"


@pytest.mark.parametrize("show", [str, str.upper, lambda body: f"<p>{body}</p><br>"])
def test_a_reply_is_known_again_however_the_helpdesk_shows_it(show: object) -> None:
    assert callable(show)
    assert carries(show(marked("Hello", ACTION)), ACTION)


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=32, max_size=32))
def test_a_reply_is_never_taken_for_another(body: str, other: str) -> None:
    if other[:10] != ACTION[:10] and marker(other) not in body:
        assert not carries(marked(body, ACTION), other)


@pytest.mark.parametrize("content", ["", "Hello", "variables: a\nHello", "variables:\n\nHello"])
def test_a_file_must_say_which_variables_it_uses(tmp_path: Path, content: str) -> None:
    (tmp_path / "t_x.txt").write_text(content)
    with pytest.raises(UnreadableTemplate, match=r"t_x\.txt must begin with"):
        read_texts(tmp_path)


def test_a_file_is_a_text_and_its_variables(tmp_path: Path) -> None:
    (tmp_path / "t_x.txt").write_text("variables: a b\n\nHello $a,\n\nand $b\n")
    (tmp_path / "t_y.txt").write_text("variables: none\n\nHello\n")
    (tmp_path / "notes.md").write_text("no template")
    assert read_texts(tmp_path) == {
        "t_x": TemplateText("Hello $a,\n\nand $b", frozenset({"a", "b"})),
        "t_y": TemplateText("Hello"),
    }
