"""Which location and provider a message carries (rules L1 to L9)."""

from datetime import timedelta

import pytest

from router.domain.facts import Directory, Place
from tests.unit.router.practice import (
    ADA,
    ELM,
    FAY,
    HOUR,
    NINE,
    RIVER,
    after,
    at,
    carried,
    facts,
    policy,
    sms,
    told,
    voicemail,
    web,
    wrote_at,
)

rule = pytest.mark.rule


@rule("L1")
@pytest.mark.parametrize("message", [sms(), web(), voicemail()], ids=["sms", "web", "voicemail"])
def test_the_next_appointments_location_becomes_the_label_by_any_channel(message: object) -> None:
    decision = after(message, known=facts(None, at(RIVER, days=2, appointment_id="a2"), at(ELM, days=1)))  # type: ignore[arg-type]
    assert decision.location.carried is not None
    assert (decision.location.carried.id, decision.location.source) == (ELM, "appointment")
    assert decision.conversation.location == decision.location.carried


@rule("L1")
def test_an_appointment_that_starts_at_this_instant_is_not_upcoming() -> None:
    decision = after(sms(), known=facts(None, at(ELM, days=0), at(RIVER, days=1, appointment_id="a2")))
    assert decision.location.bucket == RIVER


@rule("L2")
def test_without_an_upcoming_appointment_the_earlier_label_stays() -> None:
    decision = after(sms(), known=facts(wrote_at(NINE - HOUR, location=carried(ELM))))
    assert (decision.location.bucket, decision.location.source) == (ELM, "carried")


@rule("L2", "M1")
def test_without_any_label_the_message_is_in_the_unknown_bucket() -> None:
    decision = after(sms())
    assert (decision.location.bucket, decision.location.source) == ("unknown", "none")
    assert told(decision) == {FAY}


@rule("L3")
def test_a_label_is_replaced_when_the_next_appointment_is_elsewhere() -> None:
    decision = after(sms(), known=facts(wrote_at(NINE - HOUR, location=carried(ELM)), at(RIVER)))
    assert decision.location.bucket == RIVER


@rule("L4")
def test_with_location_routing_off_no_label_is_set_and_a_stored_one_stays() -> None:
    known = facts(wrote_at(NINE - HOUR, location=carried(ELM)), at(RIVER))
    decision = after(sms(), known=known, rules=policy(location_routing=False))
    assert decision.location.carried is None
    assert decision.conversation.location == carried(ELM)


@rule("L6")
def test_of_two_appointments_at_one_instant_the_lowest_id_counts() -> None:
    decision = after(sms(), known=facts(None, at(RIVER, appointment_id="b"), at(ELM, appointment_id="a")))
    assert decision.location.bucket == ELM


@rule("L7")
def test_a_retired_location_stays_as_a_label_and_matches_unknown() -> None:
    directory = Directory(locations={RIVER: Place("River Road", is_retired=True)})
    decision = after(sms(), known=facts(wrote_at(NINE - HOUR, location=carried(RIVER)), directory=directory))
    assert decision.location.carried == carried(RIVER)
    assert decision.location.is_retired
    assert told(decision) == {FAY}


@rule("L8")
def test_the_provider_follows_the_same_rules() -> None:
    decision = after(sms(), known=facts(None, at(ELM)), rules=policy(provider_routing=True))
    assert (decision.provider.bucket, decision.provider.source) == ("dr-ash", "appointment")
    assert "L8" in decision.rules


@rule("L9")
def test_knowledge_older_than_the_limit_is_used_and_flagged() -> None:
    old = NINE - timedelta(hours=24, seconds=1)
    decision = after(sms(), known=facts(None, at(ELM, as_of=old), directory=Directory(as_of=old)))
    assert (decision.location.bucket, decision.location.is_stale) == (ELM, True)
    assert "L9" in decision.rules


@rule("L9")
def test_a_newer_sync_vouches_for_an_appointment_that_did_not_change() -> None:
    old = NINE - timedelta(days=30)
    decision = after(sms(), known=facts(None, at(ELM, as_of=old)))
    assert decision.location.carried is not None
    assert (decision.location.carried.as_of, decision.location.is_stale) == (NINE, False)


@rule("M4")
def test_a_location_that_nobody_is_subscribed_to_goes_to_the_default_subscribers() -> None:
    assert told(after(sms(), known=facts(None, at(RIVER)))) == {ADA}
