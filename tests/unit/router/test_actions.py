"""What staff do to a conversation (rules D2 to D4, V4)."""

import pytest
from msgspec.structs import replace

from router.domain.actions import (
    Action,
    Applied,
    Assign,
    Close,
    CorrectLabel,
    MoveToSharedInbox,
    Read,
    Rejected,
    Reply,
    Reroute,
    StartTopic,
    apply,
    needs_rerouting,
)
from router.domain.facts import AssignedTo, Conversation, InSharedInbox, StaffId, Unassigned
from router.domain.policy import Policy
from tests.unit.router.practice import (
    BILLING,
    BO,
    DIRECTORY,
    FAY,
    NIA,
    NINE,
    RETIRED,
    RIVER,
    carried,
    policy,
    subscribed,
    to,
    wrote_at,
)


def applied(action: Action, conversation: Conversation, **changes: object) -> Applied:
    outcome = apply(action, conversation, policy(**changes), DIRECTORY)
    assert isinstance(outcome, Applied)
    return outcome


@pytest.mark.rule("D2")
def test_an_assigned_conversation_is_the_assignees() -> None:
    outcome = applied(Assign(NIA), wrote_at(NINE))
    assert outcome.conversation.destination == AssignedTo(NIA)
    assert [one.staff_id for one in outcome.audience] == [NIA]


def test_of_two_who_assign_at_once_the_first_wins_and_the_other_is_told() -> None:
    seen = wrote_at(NINE, version=4)
    first = applied(Assign(FAY, expected_version=4), seen)
    second = apply(Assign(NIA, expected_version=4), first.conversation, policy(), DIRECTORY)
    assert second == Rejected("version_conflict")


@pytest.mark.rule("D3")
def test_a_conversation_moves_to_a_shared_inbox_that_exists() -> None:
    assert applied(MoveToSharedInbox("nurses"), wrote_at(NINE)).conversation.destination == InSharedInbox("nurses")
    assert apply(MoveToSharedInbox("nobody"), wrote_at(NINE), policy(), DIRECTORY) == Rejected("unknown_inbox")


@pytest.mark.rule("D4")
def test_nobody_is_assigned_who_is_deactivated_or_unknown() -> None:
    staff = policy(subscribed(NIA, active=False))
    assert apply(Assign(NIA), wrote_at(NINE), staff, DIRECTORY) == Rejected("inactive_member")
    assert apply(Assign(StaffId("who")), wrote_at(NINE), staff, DIRECTORY) == Rejected("unknown_member")


@pytest.mark.rule("R4")
def test_a_close_and_a_reply_touch_neither_reason_nor_window() -> None:
    before = wrote_at(NINE)
    replied = applied(Reply("m1"), before).conversation
    closed = applied(Close(), replied).conversation
    assert (closed.is_open, closed.reason_id, closed.last_message_at) == (False, before.reason_id, NINE)
    assert apply(Close(), closed, policy(), DIRECTORY) == Rejected("not_open")


@pytest.mark.rule("R2")
def test_a_reply_is_unread_until_the_patient_reads_it() -> None:
    replied = applied(Reply("m1"), wrote_at(NINE)).conversation
    assert replied.unread_practice_message_id == "m1"
    assert applied(Read("m1"), replied).conversation.unread_practice_message_id is None


@pytest.mark.rule("V4")
def test_a_label_is_corrected_by_hand_only_where_the_practice_allows_it() -> None:
    correction = CorrectLabel(BILLING, RIVER)
    assert apply(correction, wrote_at(NINE), policy(), DIRECTORY) == Rejected("not_allowed")
    corrected = applied(correction, wrote_at(NINE, reason=None), label_correction=True).conversation
    assert corrected.reason_id == BILLING
    assert corrected.location is not None
    assert corrected.location.id == RIVER


@pytest.mark.rule("V4")
def test_a_label_that_does_not_exist_is_refused() -> None:
    rules = policy(label_correction=True)
    assert apply(CorrectLabel(RETIRED, None), wrote_at(NINE), rules, DIRECTORY) == Rejected("unknown_reason")


@pytest.mark.rule("V4")
def test_a_new_topic_takes_the_reason_off_and_nothing_else() -> None:
    before = wrote_at(NINE, location=carried(RIVER))
    outcome = applied(StartTopic(), before, label_correction=True)
    assert outcome.conversation == replace(before, reason_id=None, version=1)
    assert apply(StartTopic(), before, policy(), DIRECTORY) == Rejected("not_allowed")


@pytest.mark.rule("D4")
def test_rerouting_takes_a_conversation_away_from_somebody_who_left() -> None:
    outcome = apply(
        Reroute(), wrote_at(NINE, destination=AssignedTo(NIA)), policy(subscribed(NIA, active=False)), DIRECTORY
    )
    assert isinstance(outcome, Applied)
    assert outcome.conversation.destination == Unassigned()
    assert apply(Reroute(), wrote_at(NINE, is_open=False), policy(), DIRECTORY) == Rejected("not_open")


@pytest.mark.rule("L3")
def test_rerouting_changes_no_label() -> None:
    before = wrote_at(NINE, location=carried(RIVER))
    assert applied(Reroute(), before).conversation == replace(before, version=1)


NOBODY = policy(subscribed(BO), default_subscribers=())
SOMEBODY = policy(subscribed(BO, to({"billing"}, None)), default_subscribers=())
GONE = policy(subscribed(BO, to({"billing"}, None), active=False), subscribed(FAY, to({"billing"}, None)))


@pytest.mark.rule("M4", "D3", "D4")
@pytest.mark.parametrize(
    ("conversation", "before", "now", "needed"),
    [
        (wrote_at(NINE), NOBODY, SOMEBODY, True),
        (wrote_at(NINE), SOMEBODY, GONE, True),
        (wrote_at(NINE), SOMEBODY, SOMEBODY, False),
        (wrote_at(NINE), SOMEBODY, NOBODY, False),
        (wrote_at(NINE), NOBODY, NOBODY, False),
        (wrote_at(NINE, is_open=False), NOBODY, SOMEBODY, False),
        (wrote_at(NINE, destination=AssignedTo(BO)), SOMEBODY, GONE, True),
        (wrote_at(NINE, destination=AssignedTo(BO)), NOBODY, SOMEBODY, False),
        (wrote_at(NINE, destination=InSharedInbox("nurses")), SOMEBODY, policy(shared_inboxes={}), True),
        (wrote_at(NINE, destination=InSharedInbox("nurses")), policy(), policy(shared_inboxes={"nurses": (BO,)}), True),
        (wrote_at(NINE, destination=InSharedInbox("nurses")), policy(), policy(default_subscribers=()), False),
    ],
    ids=[
        "somebody subscribes to what nobody was told of",
        "the only one who was told left",
        "nothing changed",
        "somebody who was told does not want more of it",
        "still nobody",
        "a closed one waits for nobody",
        "the assignee left",
        "an assigned one is looked after",
        "the inbox was removed",
        "the inbox has other members",
        "the inbox has the members that it had",
    ],
)
def test_a_change_of_settings_matches_again_what_nobody_looks_after(
    conversation: Conversation, before: Policy, now: Policy, *, needed: bool
) -> None:
    assert needs_rerouting(conversation, before, now, DIRECTORY) is needed
