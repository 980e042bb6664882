"""Who is told, and which inbox the conversation is in (rules M1 to M5, D1 to D4)."""

import pytest

from router.domain.facts import AssignedTo, InSharedInbox, Unassigned
from tests.unit.router.practice import (
    ADA,
    BILLING,
    BO,
    ELM,
    FAY,
    HOUR,
    NIA,
    NINE,
    after,
    at,
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


@rule("M1")
def test_a_subscription_must_match_in_every_dimension_whose_routing_is_on() -> None:
    elm_billing = policy(subscribed(BO, to({"billing"}, {"river"})), subscribed(FAY, to({"billing"}, {"elm"})))
    assert told(after(web(reason=BILLING), known=facts(None, at(ELM)), rules=elm_billing)) == {FAY}


@rule("M1")
def test_a_dimension_that_is_off_is_ignored() -> None:
    rules = policy(subscribed(BO, to({"billing"}, {"river"})), location_routing=False)
    assert told(after(web(reason=BILLING), known=facts(None, at(ELM)), rules=rules)) == {BO}


@rule("M2")
def test_a_member_with_two_matching_subscriptions_is_told_once() -> None:
    rules = policy(subscribed(FAY, to({"other"}, None, "first"), to(None, {"unknown"}, "second")))
    assert [(one.staff_id, one.subscription_id) for one in after(sms(), rules=rules).audience] == [(FAY, "first")]


@rule("M3", "D1")
def test_a_message_on_a_closed_conversation_opens_it_in_unassigned() -> None:
    decision = after(sms(), known=facts(wrote_at(NINE - HOUR, is_open=False)))
    assert decision.conversation.is_open
    assert decision.destination == Unassigned()


@rule("M4")
def test_with_nobody_at_all_the_message_is_unrouted_and_waits_in_unassigned() -> None:
    decision = after(sms(), rules=policy(subscribed(BO), default_subscribers=()))
    assert (decision.audience, decision.is_unrouted, decision.destination) == ((), True, Unassigned())


@rule("M5")
def test_with_both_routings_off_everybody_who_sees_unassigned_is_told() -> None:
    decision = after(sms(), rules=policy(reason_routing=False, location_routing=False))
    assert [(one.staff_id, one.because) for one in decision.audience] == [(ADA, "unassigned_subscriber")]


@rule("D2")
def test_an_assigned_conversation_tells_the_assignee_alone_and_keeps_its_labels_up_to_date() -> None:
    known = facts(wrote_at(NINE - HOUR, destination=AssignedTo(NIA)), at(ELM))
    decision = after(sms(), known=known)
    assert [(one.staff_id, one.because) for one in decision.audience] == [(NIA, "assignee")]
    assert (decision.destination, decision.location.bucket) == (AssignedTo(NIA), ELM)
    assert decision.conversation.reason_id is None


@rule("D3", "R6")
def test_an_extension_of_a_shared_inbox_puts_the_conversation_there() -> None:
    decision = after(voicemail(extension="3"))
    assert decision.destination == InSharedInbox("nurses")
    assert [(one.staff_id, one.because) for one in decision.audience] == [(NIA, "inbox_member")]


@rule("D3")
def test_a_conversation_in_a_shared_inbox_stays_there() -> None:
    assert told(after(sms(), known=facts(wrote_at(NINE - HOUR, destination=InSharedInbox("nurses"))))) == {NIA}


@rule("D4")
def test_a_deactivated_assignee_gives_the_conversation_back_to_unassigned() -> None:
    staff = (subscribed(NIA, active=False), subscribed(FAY, to(None, None)))
    decision = after(sms(), known=facts(wrote_at(NINE - HOUR, destination=AssignedTo(NIA))), rules=policy(*staff))
    assert (decision.destination, told(decision)) == (Unassigned(), {FAY})


@rule("D4")
def test_a_deactivated_member_is_in_no_audience() -> None:
    rules = policy(
        subscribed(FAY, to(None, None), active=False),
        subscribed(ADA, active=False),
        shared_inboxes={"nurses": (FAY,)},
    )
    assert not after(sms(), rules=rules).audience
    assert not after(voicemail(extension="3"), rules=rules).audience
