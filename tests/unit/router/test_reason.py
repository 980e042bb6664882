"""Which reason a message carries (rules R1 to R15)."""

from datetime import timedelta

import pytest

from router.domain.facts import OTHER
from tests.unit.router.practice import (
    ADA,
    BILLING,
    BO,
    FAY,
    HOUR,
    MICROSECOND,
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
