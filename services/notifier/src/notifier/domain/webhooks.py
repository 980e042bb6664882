"""What a practice's webhook endpoints are sent, and how it is signed: Standard Webhooks 1.0.

See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic_core import to_json

from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    EscalationAnnouncedV1,
    MessageAnnouncedV1,
    MessageUpdateAnnouncedV1,
    StaffEvent,
    StreamEvent,
)

PayloadKind = Literal["thin", "full"]
"""Ids only, or everything that the staff streams say."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_BYTES = 32
_FOR_STREAMS_ONLY = {"visible_to", "listed", "was", "left", "deactivated", "affected", "settings_version"}
_THIN = frozenset(
    {
        "message_id", "conversation_id", "conversation_version", "patient_id", "change_id", "change", "version",
        "received_at", "occurred_at", "notifications", "staff_id", "status", "endpoint_id", "because",
        "escalation_id", "since", "ended", "on_duty", "as_of",
    }
)  # fmt: skip
"""The members that a thin payload has, where the event has them: nothing that a patient wrote or is called."""


def data_of(event: StaffEvent) -> dict[str, object]:
    """The data of an event in full: what the staff streams carry, for everybody of the practice at once."""
    match event:
        case MessageAnnouncedV1(message=about) | ConversationAnnouncedV1(conversation=about):
            patient = event.patient.model_dump(mode="json") if event.patient is not None else None
            data: dict[str, object] = about.model_dump(mode="json")
            data["patient"] = patient
            return data
        case (
            MessageUpdateAnnouncedV1(update=told)
            | ActionRejectionAnnouncedV1(rejection=told)
            | EscalationAnnouncedV1(escalation=told)
        ):
            return told.model_dump(mode="json")
        case _:
            return event.model_dump(mode="json", exclude=_FOR_STREAMS_ONLY)


def body_of(name: StreamEvent | Literal["test"], at: datetime, data: dict[str, object], kind: PayloadKind) -> bytes:
    """The body of a webhook."""
    shown = data if kind == "full" else {key: value for key, value in data.items() if key in _THIN}
    return to_json({"type": name, "timestamp": at.isoformat(), "data": shown})


def headers_of(webhook_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a webhook, signed with each of the secrets that are live."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((webhook_id.encode(), timestamp.encode(), body))
    signatures = (hmac.digest(_key_of(secret), signed, hashlib.sha256) for secret in secrets)
    return {
        "content-type": "application/json",
        "user-agent": "Switchboard-Webhooks/1",
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
    }


def secret_from(key: bytes) -> str:
    """A secret in the form that receivers' libraries take."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
