"""From a stored decision record to the words about it."""

from datetime import datetime
from typing import Any

from router.domain.explain import Told, in_words, mismatches, why_not
from router.domain.facts import UNKNOWN, PlaceId, StaffId
from router.domain.policy import Policy


def explanation(record: dict[str, Any]) -> tuple[str, ...]:
    """A decision record in sentences."""
    inputs, result = record["inputs"], record["result"]
    previous, now = inputs["conversation"]["last_message_at"], datetime.fromisoformat(result["received_at"])
    reason, location = result["reason"], result["location"]
    return in_words(
        Told(
            channel=result["channel"],
            reason_id=reason["id"],
            reason_label=reason["label"],
            reason_source=reason["source"],
            location_id=location["id"],
            location_label=location["label"],
            location_source=location["source"],
            is_location_stale=location["stale"],
            is_location_retired=location["retired"],
            appointment_id=location["appointment_id"],
            destination=result["destination"]["kind"],
            audience=[(person["staff_id"], person["because"]) for person in result["audience"]],
            is_unrouted=result["unrouted"],
            is_late=result["late"],
            rules=result["rules"],
            gap=None if previous is None else now - datetime.fromisoformat(previous),
        )
    )


def reason_not_told(record: dict[str, Any], policy: Policy, staff_id: str) -> dict[str, Any]:
    """Why a member was not told of a message, by the settings that the decision used."""
    result = record["result"]
    if any(person["staff_id"] == staff_id for person in result["audience"]):
        return {"staff_id": staff_id, "told": True, "why_not": None, "subscriptions": []}
    found = mismatches(
        policy, StaffId(staff_id), result["reason"]["id"], _bucket(result["location"]), _bucket(result["provider"])
    )
    return {
        "staff_id": staff_id,
        "told": False,
        "why_not": why_not(policy, StaffId(staff_id), result["destination"]["kind"], found),
        "subscriptions": [{"id": one.subscription_id, "differs_in": one.dimensions} for one in found],
    }


def _bucket(label: dict[str, Any]) -> PlaceId:
    return UNKNOWN if label["id"] is None or label["retired"] else PlaceId(label["id"])
