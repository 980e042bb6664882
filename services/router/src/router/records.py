"""From a stored decision record back to what the rules work with."""

from datetime import datetime
from typing import Any

from pydantic_core import from_json

from router.domain.facts import (
    Appointment,
    AssignedTo,
    CarriedPlace,
    Conversation,
    Destination,
    Directory,
    Facts,
    InSharedInbox,
    Message,
    Place,
    PlaceId,
    StaffId,
    Unassigned,
)
from router.domain.replay import PastDecision, Told


def past_decision(record: str) -> PastDecision:
    """The decision that a record (X1) is about."""
    stored = from_json(record)
    inputs, result = stored["inputs"], stored["result"]
    message = Message(
        result["message_id"],
        result["channel"],
        datetime.fromisoformat(result["received_at"]),
        inputs["requested_reason_id"],
        inputs["extension"],
    )
    facts = Facts(
        _conversation(inputs["conversation"]),
        tuple(map(_appointment, inputs["appointments"])),
        _directory(inputs["directory"]),
    )
    return PastDecision(result["patient_id"], message, facts, result["settings_version"], _told(result))


def _told(result: dict[str, Any]) -> Told:
    kind, id_ = result["destination"]["kind"], result["destination"]["id"]
    return Told(
        result["reason"]["id"],
        result["reason"]["source"],
        result["location"]["id"],
        result["provider"]["id"],
        kind if id_ is None else f"{kind}:{id_}",
        tuple((one["staff_id"], one["because"], one["subscription_id"]) for one in result["audience"]),
        result["unrouted"],
        result["late"],
        tuple(result["rules"]),
    )


def _conversation(stored: dict[str, Any]) -> Conversation:
    return Conversation(
        is_open=stored["is_open"],
        destination=_destination(stored["destination"]),
        reason_id=stored["reason_id"],
        location=_carried(stored["location"]),
        provider=_carried(stored["provider"]),
        last_message_at=_instant(stored["last_message_at"]),
        unread_practice_message_id=stored["unread_practice_message_id"],
        menu_offered_at=_instant(stored.get("menu_offered_at")),
        version=stored["version"],
    )


def _destination(stored: dict[str, str]) -> Destination:
    match stored:
        case {"staff_id": staff_id}:
            return AssignedTo(StaffId(staff_id))
        case {"inbox_id": inbox_id}:
            return InSharedInbox(inbox_id)
        case _:
            return Unassigned()


def _carried(stored: dict[str, Any] | None) -> CarriedPlace | None:
    if stored is None:
        return None
    is_outdated: bool = stored.get("is_outdated", False)
    return CarriedPlace(stored["id"], stored["appointment_id"], _instant(stored["as_of"]), is_outdated)


def _appointment(stored: dict[str, Any]) -> Appointment:
    return Appointment(
        stored["appointment_id"],
        datetime.fromisoformat(stored["start"]),
        stored["location_id"],
        stored["provider_id"],
        datetime.fromisoformat(stored["as_of"]),
    )


def _directory(stored: dict[str, Any]) -> Directory:
    """Names are not kept with a decision: no rule asks for them."""
    return Directory(
        _retired(stored["retired_locations"]), _retired(stored["retired_providers"]), _instant(stored["as_of"])
    )


def _retired(ids: list[str]) -> dict[PlaceId, Place]:
    return {PlaceId(id_): Place(id_, is_retired=True) for id_ in ids}


def _instant(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
