"""From the rules' form of a decision to the wire's."""

from datetime import datetime
from typing import assert_never

from pydantic_core import to_json

from router.domain import policy as rules
from router.domain.facts import AssignedTo, CarriedPlace, Conversation, Directory, Facts, InSharedInbox, Unassigned
from router.domain.facts import Destination as DomainDestination
from router.domain.place import DecidedPlace
from router.domain.policy import Policy
from router.domain.route import Decision
from shared_schemas import ids
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.routed_messages import (
    Destination,
    PlaceLabel,
    ReasonLabel,
    Recipient,
    RoutedMessageV1,
)


def routed_message(
    event: MessageReceivedV1, decision: Decision, facts: Facts, policy: Policy, decided_at: datetime
) -> RoutedMessageV1:
    """The event that tells everybody what was decided."""
    return RoutedMessageV1(
        practice_id=event.practice_id,
        patient_id=event.patient_id,
        message_id=event.message_id,
        conversation_id=ids.conversation_id(event.practice_id, event.patient_id),
        conversation_version=decision.conversation.version,
        channel=event.channel,
        received_at=event.received_at,
        body=event.body,
        attachments=event.attachments,
        reason=ReasonLabel(
            id=decision.reason.reason_id,
            label=policy.words_for(decision.reason.reason_id),
            source=decision.reason.source,
        ),
        location=_place(decision.location, facts.directory, "locations"),
        provider=_place(decision.provider, facts.directory, "providers"),
        destination=destination(decision.destination),
        audience=recipients(decision.audience),
        unrouted=decision.is_unrouted,
        late=decision.is_late,
        reason_menu=decision.offers_menu,
        rules=decision.rules,
        settings_version=policy.version,
        decided_at=decided_at,
    )


def destination(decided: DomainDestination) -> Destination:
    """The inbox."""
    match decided:
        case Unassigned():
            return Destination(kind="unassigned")
        case AssignedTo(staff_id):
            return Destination(kind="member", id=staff_id)
        case InSharedInbox(inbox_id):
            return Destination(kind="shared_inbox", id=inbox_id)
        case _:
            assert_never(decided)


def recipients(audience: tuple[rules.Recipient, ...]) -> tuple[Recipient, ...]:
    """Who is told."""
    return tuple(
        Recipient(staff_id=one.staff_id, because=one.because, subscription_id=one.subscription_id) for one in audience
    )


def carried_labels(
    conversation: Conversation, directory: Directory, policy: Policy
) -> tuple[ReasonLabel, PlaceLabel, PlaceLabel]:
    """Reason, location and provider as a conversation carries them between messages."""
    reason = ReasonLabel(
        id=conversation.reason_id,
        label=policy.words_for(conversation.reason_id),
        source="carried" if conversation.reason_id else "none",
    )
    return (
        reason,
        _carried(conversation.location, directory, "locations"),
        _carried(conversation.provider, directory, "providers"),
    )


def decision_record(event: MessageReceivedV1, facts: Facts, routed: RoutedMessageV1) -> str:
    """What is kept of a decision (X1): what it was made from, and what it was. Without the patient's words."""
    before = facts.conversation
    return to_json(
        {
            "inputs": {
                "requested_reason_id": event.requested_reason_id,
                "extension": event.extension,
                "identity": event.identity,
                "conversation": before,
                "appointments": facts.appointments,
                "directory": {
                    "as_of": facts.directory.as_of,
                    "retired_locations": [id_ for id_, place in facts.directory.locations.items() if place.is_retired],
                    "retired_providers": [id_ for id_, place in facts.directory.providers.items() if place.is_retired],
                },
            },
            "result": routed.model_dump(exclude={"body", "attachments"}),
        }
    ).decode()


def _place(decided: DecidedPlace, directory: Directory, kind: str) -> PlaceLabel:
    label = _carried(decided.carried, directory, kind)
    return label.model_copy(update={"source": decided.source, "stale": decided.is_stale, "retired": decided.is_retired})


def _carried(label: CarriedPlace | None, directory: Directory, kind: str) -> PlaceLabel:
    if label is None:
        return PlaceLabel(source="none")
    place = (directory.locations if kind == "locations" else directory.providers).get(label.id)
    return PlaceLabel(
        id=label.id,
        label=place.name if place else None,
        source="carried",
        appointment_id=label.appointment_id,
        as_of=label.as_of,
        retired=bool(place and place.is_retired),
    )
