"""A small practice to try the rules on: two locations, four people, an hour of stickiness."""

import dataclasses
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from router.domain.facts import (
    Appointment,
    CarriedPlace,
    Conversation,
    Directory,
    Facts,
    Message,
    Place,
    PlaceId,
    ReasonId,
    StaffId,
)
from router.domain.policy import Member, Policy, Reason, Subscription, ToReason, ToSharedInbox
from router.domain.route import Decision, route

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)

BILLING, REFILLS, RETIRED = ReasonId("billing"), ReasonId("refills"), ReasonId("retired")
ELM, RIVER = PlaceId("elm"), PlaceId("river")
ADA, BO, FAY, NIA = StaffId("ada"), StaffId("bo"), StaffId("fay"), StaffId("nia")


def subscribed(
    staff_id: StaffId, *subscriptions: Subscription, active: bool = True, unassigned: bool = False
) -> Member:
    return Member(staff_id, active, unassigned, subscriptions)


def to(reasons: set[str] | None, locations: set[str] | None, name: str = "s1") -> Subscription:
    """A subscription; None stands for all."""
    return Subscription(
        name,
        None if reasons is None else frozenset(reasons),
        None if locations is None else frozenset(locations),
        None,
    )


def policy(*members: Member, **changes: object) -> Policy:
    """Both routings on; Bo looks after billing, Fay after the rest at Elm Street; Ada is told when nobody else is."""
    staff = members or (
        subscribed(ADA, unassigned=True),
        subscribed(BO, to({"billing"}, None)),
        subscribed(FAY, to({"other", "refills"}, {"elm", "unknown"})),
        subscribed(NIA),
    )
    standard = Policy(
        version=7,
        reason_routing=True,
        location_routing=True,
        provider_routing=False,
        window=HOUR,
        broken_by=frozenset({"sms", "voicemail"}),
        reasons={
            BILLING: Reason(BILLING, "Billing", is_retired=False),
            REFILLS: Reason(REFILLS, "Refills", is_retired=False),
            RETIRED: Reason(RETIRED, "Fax", is_retired=True),
        },
        extensions={"2": ToReason(REFILLS), "3": ToSharedInbox("nurses"), "4": ToReason(RETIRED)},
        shared_inboxes={"nurses": (NIA,)},
        members={member.staff_id: member for member in staff},
        default_subscribers=(ADA,),
        freshness_limit=timedelta(hours=24),
    )
    return dataclasses.replace(standard, **changes)  # type: ignore[arg-type]  # the test says which


DIRECTORY = Directory(
    locations={ELM: Place("Elm Street", is_retired=False), RIVER: Place("River Road", is_retired=False)}, as_of=NINE
)


def at(location: PlaceId, *, days: float = 1, appointment_id: str = "a1", as_of: datetime = NINE) -> Appointment:
    """An appointment so many days after nine o'clock."""
    return Appointment(appointment_id, NINE + timedelta(days=days), location, PlaceId("dr-ash"), as_of)


def facts(
    conversation: Conversation | None = None, *appointments: Appointment, directory: Directory = DIRECTORY
) -> Facts:
    return Facts(conversation or Conversation(), appointments, directory)


def web(received_at: datetime = NINE, reason: ReasonId | None = None) -> Message:
    return Message("m", "web", received_at, requested_reason_id=reason)


def sms(received_at: datetime = NINE) -> Message:
    return Message("m", "sms", received_at)


def voicemail(received_at: datetime = NINE, extension: str | None = None) -> Message:
    return Message("m", "voicemail", received_at, extension=extension)


def wrote_at(
    instant: datetime, *, reason: ReasonId | None = BILLING, is_open: bool = True, **more: object
) -> Conversation:
    """A conversation whose patient wrote last at `instant`."""
    return replace(Conversation(is_open=is_open, reason_id=reason, last_message_at=instant), **more)  # type: ignore[arg-type]


def after(*messages: Message, known: Facts | None = None, rules: Policy | None = None) -> Decision:
    """What becomes of the last of these messages."""
    current, decision = known or facts(), None
    for message in messages:
        decision = route(message, current, rules or policy())
        current = replace(current, conversation=decision.conversation)
    assert decision is not None
    return decision


def told(decision: Decision) -> set[str]:
    return {one.staff_id for one in decision.audience}


def carried(location: PlaceId) -> CarriedPlace:
    return CarriedPlace(location, "a0", NINE)
