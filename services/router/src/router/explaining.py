"""From a stored decision record to the words about it."""

from datetime import datetime
from typing import Any

from router.domain.explain import Told, ToldPlace, in_words, mismatches, why_not
from router.domain.facts import UNKNOWN, PlaceId, StaffId
from router.domain.policy import Policy
from router.domain.sentences import Language
from shared_schemas.practice_settings import RoutingSettingsPublishedV1


def explanation(
    record: dict[str, Any], settings: RoutingSettingsPublishedV1, language: Language = "en"
) -> tuple[str, ...]:
    """A decision record in sentences, with the names that people and inboxes have in `settings`."""
    inputs, result = record["inputs"], record["result"]
    previous, now = inputs["conversation"]["last_message_at"], datetime.fromisoformat(result["received_at"])
    names: dict[str, str] = {one.staff_id: one.name for one in settings.members} | {
        one.id: one.label for one in settings.shared_inboxes
    }
    inbox = result["destination"]["id"]
    reason_id = result["reason"]["id"]
    translated = next((one.label.get(language) for one in settings.reasons if one.id == reason_id), None)
    return in_words(
        Told(
            channel=result["channel"],
            reason=translated or result["reason"]["label"] or reason_id,
            reason_source=result["reason"]["source"],
            location=_place(result["location"]),
            provider=_place(result["provider"]),
            destination=result["destination"]["kind"],
            inbox=names.get(inbox, inbox),
            audience=[(names.get(id_, id_), because) for id_, because in _audience(result)],
            is_unrouted=result["unrouted"],
            is_late=result["late"],
            offers_menu=result.get("reason_menu", False),
            rules=result["rules"],
            gap=None if previous is None else now - datetime.fromisoformat(previous),
        ),
        language,
    )


def _audience(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(str(one["staff_id"]), str(one["because"])) for one in result["audience"]]


def _place(label: dict[str, Any]) -> ToldPlace:
    return ToldPlace(label["label"] or label["id"], label["source"], label["stale"], label["retired"])


def reason_not_told(record: dict[str, Any], policy: Policy, staff_id: str, language: Language = "en") -> dict[str, Any]:
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
        "why_not": why_not(policy, StaffId(staff_id), result["destination"]["kind"], found, language),
        "subscriptions": [{"id": one.subscription_id, "differs_in": one.dimensions} for one in found],
    }


def _bucket(label: dict[str, Any]) -> PlaceId:
    return UNKNOWN if label["id"] is None or label["retired"] else PlaceId(label["id"])
