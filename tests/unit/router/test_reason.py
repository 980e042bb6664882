"""Which reason a message carries (rules R1 to R16)."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from router.domain.facts import OTHER, AssignedTo, Message, ReasonId
from router.domain.policy import Policy
from tests.unit.router.practice import (
    ADA,
    BILLING,
    BO,
    FAY,
    HOUR,
    MICROSECOND,
    NIA,
    NINE,
    REFILLS,
    RETIRED,
    after,
    facts,
    policy,
    sms,
    subscribed,
    to,
    told,
    voicemail,
    web,
    wrote_at,
)

rule = pytest.mark.rule


@rule("R1")
def test_a_web_message_carries_the_reason_that_was_picked() -> None:
    decision = after(web(reason=BILLING))
    assert (decision.reason.reason_id, decision.reason.source) == (BILLING, "picked")


@rule("R3", "M4")
def test_a_picked_reason_that_lost_its_last_subscriber_is_kept_and_goes_to_the_default_subscribers() -> None:
    decision = after(web(reason=REFILLS), rules=policy(subscribed(BO, to({"billing"}, None)), subscribed(ADA)))
    assert decision.reason.reason_id == REFILLS
    assert [(one.staff_id, one.because) for one in decision.audience] == [(ADA, "default_subscriber")]


@rule("R4")
def test_a_web_message_within_the_window_keeps_the_reason() -> None:
    decision = after(web(reason=BILLING), web(NINE + timedelta(minutes=41)))
    assert (decision.reason.reason_id, decision.reason.source) == (BILLING, "sticky")
    assert "R4" in decision.rules


@rule("R4")
def test_the_window_slides_with_each_message_of_the_patient() -> None:
    decision = after(web(reason=BILLING), web(NINE + HOUR), web(NINE + 2 * HOUR))
    assert decision.reason.source == "sticky"


@rule("R4", "R9")
def test_a_web_message_exactly_one_hour_later_keeps_the_reason() -> None:
    decision = after(web(NINE + HOUR), known=facts(wrote_at(NINE, is_open=False)))
    assert (decision.reason.reason_id, decision.reason.source) == (BILLING, "sticky")


@rule("R9")
def test_a_web_message_one_microsecond_after_the_hour_does_not() -> None:
    decision = after(web(NINE + HOUR + MICROSECOND), known=facts(wrote_at(NINE, is_open=False)))
    assert (decision.reason.reason_id, decision.reason.source) == (None, "none")


@rule("R4")
def test_a_close_within_the_hour_does_not_touch_the_window() -> None:
    decision = after(web(NINE + timedelta(minutes=30)), known=facts(wrote_at(NINE, is_open=False)))
    assert decision.reason.source == "sticky"


@rule("R5")
@pytest.mark.parametrize("message", [sms(NINE + MICROSECOND), voicemail(NINE + MICROSECOND)], ids=["sms", "voicemail"])
def test_a_text_or_a_voicemail_removes_the_reason_at_once(message: object) -> None:
    decision = after(web(reason=BILLING), message)  # type: ignore[arg-type]
    assert (decision.reason.reason_id, decision.reason.source) == (None, "none")
    assert decision.conversation.reason_id is None


@rule("R6")
def test_an_extension_that_maps_to_a_reason_sets_it() -> None:
    decision = after(voicemail(extension="2"))
    assert (decision.reason.reason_id, decision.reason.source) == (REFILLS, "extension")


@rule("R6")
@pytest.mark.parametrize("extension", ["3", "9", None], ids=["to a shared inbox", "unmapped", "none chosen"])
def test_any_other_extension_carries_no_reason(extension: str | None) -> None:
    assert after(voicemail(extension=extension)).reason.reason_id is None


@rule("R7")
def test_with_reason_routing_off_there_is_no_reason() -> None:
    off = policy(reason_routing=False)
    assert after(web(reason=BILLING), rules=off).reason.reason_id is None


@rule("R8")
def test_no_reason_and_a_picked_other_both_match_other() -> None:
    without, picked = after(web()), after(web(reason=OTHER))
    assert (without.reason.reason_id, picked.reason.reason_id) == (None, OTHER)
    assert told(without) == told(picked) == {FAY}


@rule("R8", "R4")
def test_a_picked_other_is_sticky_like_any_reason() -> None:
    assert after(web(reason=OTHER), web(NINE + HOUR)).reason.source == "sticky"


@rule("R10")
def test_after_web_then_text_within_the_hour_the_next_web_message_carries_no_reason() -> None:
    minute = timedelta(minutes=1)
    decision = after(web(reason=BILLING), sms(NINE + minute), web(NINE + 2 * minute))
    assert decision.reason.reason_id is None
    assert told(decision) == {FAY}


@rule("R11")
def test_within_the_window_the_sticky_reason_wins_over_a_requested_one() -> None:
    assert after(web(reason=BILLING), web(NINE + HOUR, reason=REFILLS)).reason.reason_id == BILLING


@rule("R11")
def test_within_the_window_a_requested_reason_is_used_where_none_is_carried() -> None:
    decision = after(sms(), web(NINE + MICROSECOND, reason=REFILLS))
    assert (decision.reason.reason_id, decision.reason.source) == (REFILLS, "picked")


@rule("R11")
def test_outside_the_window_a_requested_reason_is_used_on_an_open_conversation_too() -> None:
    known = facts(wrote_at(NINE - 3 * HOUR, is_open=True))
    assert after(web(reason=REFILLS), known=known).reason.reason_id == REFILLS


@rule("R12")
def test_outside_the_window_an_open_conversation_keeps_its_reason_and_a_closed_one_does_not() -> None:
    decisions = [after(web(), known=facts(wrote_at(NINE - 30 * HOUR, is_open=is_open))) for is_open in (True, False)]
    assert [one.reason.source for one in decisions] == ["carried", "none"]


@rule("R13")
def test_a_late_message_changes_no_label_no_destination_and_never_moves_the_window_back() -> None:
    before = wrote_at(NINE)
    decision = after(voicemail(NINE - MICROSECOND, extension="3"), known=facts(before))
    assert decision.is_late
    assert decision.conversation.reason_id == BILLING
    assert decision.conversation.destination == before.destination
    assert decision.conversation.last_message_at == NINE
    assert told(decision) == {BO}


@rule("R14")
@pytest.mark.parametrize("requested", [RETIRED, "never-heard-of"])
def test_an_unknown_or_retired_reason_counts_as_picking_other(requested: str) -> None:
    decision = after(web(reason=requested))  # type: ignore[arg-type]
    assert (decision.reason.reason_id, decision.reason.source) == (OTHER, "picked")
    assert "R14" in decision.rules


@rule("R14", "R6")
def test_an_extension_of_a_retired_reason_counts_as_other() -> None:
    assert after(voicemail(extension="4")).reason.reason_id == OTHER


@rule("R15")
def test_a_window_of_zero_is_off() -> None:
    decision = after(web(), known=facts(wrote_at(NINE, is_open=False)), rules=policy(window=timedelta(0)))
    assert decision.reason.source == "none"


@rule("R15")
def test_a_practice_may_say_that_texts_do_not_break_the_reason() -> None:
    decision = after(web(reason=BILLING), sms(NINE + HOUR), rules=policy(broken_by=frozenset({"voicemail"})))
    assert (decision.reason.reason_id, decision.reason.source) == (BILLING, "sticky")


MENU = policy(sms_reason_menu=True)


def chosen(received_at: datetime, reason: ReasonId = BILLING) -> Message:
    """A text that is a number of the menu."""
    return replace(sms(received_at), requested_reason_id=reason)


@pytest.mark.rule("R16")
def test_a_text_is_answered_with_the_reason_menu_where_the_practice_wants_it() -> None:
    decision = after(sms(), rules=MENU)
    assert decision.offers_menu
    assert decision.rules[:3] == ("R5", "R8", "R16")
    assert not after(sms()).offers_menu


@pytest.mark.rule("R16")
def test_the_menu_is_offered_once_in_a_window() -> None:
    again = after(sms(), sms(NINE + HOUR), rules=MENU)
    later = after(sms(), sms(NINE + HOUR), sms(NINE + HOUR + MICROSECOND), rules=MENU)
    assert (again.offers_menu, later.offers_menu) == (False, True)


@pytest.mark.rule("R16")
def test_a_number_of_the_menu_sets_the_reason_and_tells_those_who_look_after_it() -> None:
    decision = after(sms(), chosen(NINE + HOUR), rules=MENU)
    assert (decision.reason.reason_id, decision.reason.source, decision.rules[0]) == (BILLING, "menu", "R16")
    assert told(decision) == {"bo"}
    assert not decision.offers_menu


@pytest.mark.rule("R16", "R5")
@pytest.mark.parametrize(
    ("messages", "rules"),
    [
        ((sms(), chosen(NINE + HOUR + MICROSECOND)), MENU),
        ((chosen(NINE),), MENU),
        ((sms(), chosen(NINE + HOUR)), policy()),
        ((sms(), chosen(NINE)), policy(sms_reason_menu=True, window=timedelta(0))),
    ],
    ids=["after the window", "without a menu", "where there are no menus", "where the window is off"],
)
def test_a_number_is_an_ordinary_text_without_an_open_menu(messages: tuple[Message, ...], rules: Policy) -> None:
    assert after(*messages, rules=rules).reason.reason_id is None


@pytest.mark.rule("R16", "R14")
def test_a_reason_that_was_retired_meanwhile_counts_as_other() -> None:
    assert after(sms(), chosen(NINE, RETIRED), rules=MENU).reason.reason_id == OTHER


@pytest.mark.rule("R16", "D2")
def test_no_menu_for_a_conversation_that_somebody_looks_after() -> None:
    assert not after(sms(), known=facts(wrote_at(NINE, destination=AssignedTo(NIA))), rules=MENU).offers_menu


@pytest.mark.rule("R16", "R13")
def test_no_menu_for_a_late_text() -> None:
    assert not after(web(), sms(NINE - HOUR), rules=MENU).offers_menu
