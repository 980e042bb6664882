"""The little routing that the reference programs do: the sticky reason, a location, the matching subscriptions."""

from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

HOUR = timedelta(hours=1)
SUBSCRIPTIONS = [
    (
        f"staff-{member}",
        f"subscription-{member}-{which}",
        f"reason-{(member + which) % 6}" if which else "other",
        f"location-{(member + which) % 4}",
    )
    for member in range(12)
    for which in range(3)
]


def decide(message: dict[str, Any], carried: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The routed message, and what the conversation carries from now on."""
    at = datetime.fromisoformat(message["received_at"])
    reason = None
    if message["channel"] == "web":
        last = carried.get("last_message_at")
        is_sticky = last is not None and at - datetime.fromisoformat(last) <= HOUR
        reason = (carried.get("reason") if is_sticky else None) or message.get("requested_reason_id")
    location = f"location-{crc32(message['patient_id'].encode()) % 4}"
    told = {
        member: subscription
        for member, subscription, wanted, place in SUBSCRIPTIONS
        if (reason or "other") == wanted and location == place
    }
    names = ("practice_id", "patient_id", "message_id", "channel", "received_at", "body")
    routed = {name: message[name] for name in names} | {
        "reason": {"id": reason, "source": "sticky" if reason else "none"},
        "location": {"id": location, "source": "appointment"},
        "destination": {"kind": "unassigned"},
        "audience": [
            {"staff_id": member, "because": "subscription", "subscription_id": one} for member, one in told.items()
        ],
        "unrouted": not told,
    }
    return routed, {"reason": reason, "last_message_at": message["received_at"]}
