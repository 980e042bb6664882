"""From the rules' form of a decision to the wire's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_never

import msgspec

from router.domain import policy as rules
from router.domain.facts import (
    AssignedTo,
    CarriedPlace,
    Conversation,
    Directory,
    Facts,
    InSharedInbox,
    Place,
    PlaceId,
    Unassigned,
)
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
)

written = msgspec.json.Encoder().encode
"""JSON of plain values and of those of the rules."""


def decided(event: MessageReceivedV1, decision: Decision, facts: Facts, policy: Policy, decided_at: datetime) -> bytes:
    """What was decided, as JSON without the patient's words: written once, for those who are told and for the record.

    Of plain values: making the model of each message, only to write it at once, would cost more than deciding it.
    `tests/unit/router/test_presenting.py` holds them against the model.
    """
    reason_id = decision.reason.reason_id
    result = {
        "practice_id": event.practice_id,
        "patient_id": event.patient_id,
        "message_id": event.message_id,
        "conversation_id": ids.conversation_id(event.practice_id, event.patient_id),
        "conversation_version": decision.conversation.version,
        "channel": event.channel,
        "received_at": event.received_at,
        "reason": {"id": reason_id, "label": policy.words_for(reason_id), "source": decision.reason.source},
        "location": _place(decision.location, facts.directory.locations),
        "provider": _place(decision.provider, facts.directory.providers),
        "destination": _inbox(decision.destination),
        "audience": decision.audience,
        "unrouted": decision.is_unrouted,
        "late": decision.is_late,
        "urgent": event.urgent,
        "reason_menu": decision.offers_menu,
        "rules": decision.rules,
        "settings_version": policy.version,
        "decided_at": decided_at,
    }
    return written(result)


def routed_message(event: MessageReceivedV1, result: bytes) -> bytes:
    """The data of the `RoutedMessageV1` that tells everybody what was `decided`: the same, and the patient's words."""
    words = written({"body": event.body, "attachments": [one.model_dump() for one in event.attachments]})
    return b"".join((result[:-1], b",", words[1:]))


def destination(inbox: DomainDestination) -> Destination:
    """The inbox."""
    return Destination.model_validate(_inbox(inbox))


def _inbox(inbox: DomainDestination) -> dict[str, str | None]:
    match inbox:
        case Unassigned():
            return {"kind": "unassigned", "id": None}
        case AssignedTo(staff_id):
            return {"kind": "member", "id": staff_id}
        case InSharedInbox(inbox_id):
            return {"kind": "shared_inbox", "id": inbox_id}
        case _:
            assert_never(inbox)


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
        _carried(conversation.location, directory.locations),
        _carried(conversation.provider, directory.providers),
    )


def decision_record(event: MessageReceivedV1, facts: Facts, result: bytes) -> str:
    """What is kept of a decision (X1): what it was made from, and what was `decided`."""
    directory = facts.directory
    return written(
        {
            "inputs": {
                "requested_reason_id": event.requested_reason_id,
                "extension": event.extension,
                "identity": event.identity,
                "conversation": facts.conversation,
                "appointments": facts.appointments,
                "directory": {
                    "as_of": directory.as_of,
                    "retired_locations": [id_ for id_, place in directory.locations.items() if place.is_retired],
                    "retired_providers": [id_ for id_, place in directory.providers.items() if place.is_retired],
                },
            },
            "result": msgspec.Raw(result),
        }
    ).decode()


def _place(found: DecidedPlace, places: Mapping[PlaceId, Place]) -> dict[str, Any]:
    label = found.carried
    place = None if label is None else places.get(label.id)
    return {
        "id": None if label is None else label.id,
        "label": None if place is None else place.name,
        "source": found.source,
        "appointment_id": None if label is None else label.appointment_id,
        "as_of": None if label is None else label.as_of,
        "stale": found.is_stale,
        "retired": found.is_retired,
        "outdated": label is not None and label.is_outdated,
    }


def _carried(label: CarriedPlace | None, places: Mapping[PlaceId, Place]) -> PlaceLabel:
    if label is None:
        return PlaceLabel(source="none")
    place = places.get(label.id)
    return PlaceLabel(
        id=label.id,
        label=place.name if place else None,
        source="carried",
        appointment_id=label.appointment_id,
        as_of=label.as_of,
        retired=bool(place and place.is_retired),
        outdated=label.is_outdated,
    )
