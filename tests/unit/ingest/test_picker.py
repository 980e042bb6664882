"""The messenger's picker (rules R1 to R3)."""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.domain.picker import ConversationState, carried_reason, is_asked, offered_reasons
from shared_schemas.practice_settings import Member, Reason, RoutingSettingsPublishedV1, Subscription

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTINGS = RoutingSettingsPublishedV1(
    practice_id="p",
    reason_routing=True,
    reasons=(Reason(id="billing", label={"en": "Billing"}), Reason(id="fax", label={"en": "Fax"}, retired=True)),
    members=(Member(staff_id="bo", name="Bo Madeup", subscriptions=(Subscription(id="s"),)),),
)


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (ConversationState(), True),
        (ConversationState(last_message_at=NOW - HOUR), False),
        (ConversationState(last_message_at=NOW - HOUR - timedelta(microseconds=1)), True),
        (ConversationState(is_open=True), False),
        (ConversationState(has_unread_practice_message=True), False),
    ],
)
def test_a_patient_is_asked_only_when_it_makes_sense(state: ConversationState, *, asked: bool) -> None:
    assert is_asked(state, SETTINGS, NOW) is asked


@pytest.mark.rule("R3", "R17")
def test_reasons_with_an_active_subscriber_are_offered_and_other_comes_last() -> None:
    assert [reason.id for reason in offered_reasons(SETTINGS)] == ["billing", "other"]
    away = SETTINGS.members[0].model_copy(update={"active": False})
    assert offered_reasons(SETTINGS.model_copy(update={"members": (away,)})) == []


@pytest.mark.rule("R7")
def test_nobody_is_asked_while_reason_routing_is_off() -> None:
    assert not is_asked(ConversationState(), SETTINGS.model_copy(update={"reason_routing": False}), NOW)


@pytest.mark.rule("R4", "R12")
def test_the_reason_that_would_be_kept_is_shown() -> None:
    within = ConversationState(reason_id="billing", last_message_at=NOW - HOUR)
    assert carried_reason(within, SETTINGS, NOW) == SETTINGS.reasons[0]
    assert carried_reason(within, SETTINGS, NOW + HOUR) is None
    still_open = ConversationState(is_open=True, reason_id="billing", last_message_at=NOW - 9 * HOUR)
    assert carried_reason(still_open, SETTINGS, NOW) == SETTINGS.reasons[0]
